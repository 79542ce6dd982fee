//! One server is killed in the middle of a job.

use crate::{PATIENCE, PAUSE, Pair};
use anyhow::{Context as _, Result, bail, ensure};
use qm_store_sim::{Moment, Observer, Operation};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// Tells when the first package is on its way, and stops it there.
#[derive(Default)]
struct Halfway {
    came: AtomicBool,
    told: Notify,
}

impl Observer for Halfway {
    fn sees(&self, operation: Operation, moment: Moment) -> bool {
        let first = (operation, moment) == (Operation::Content, Moment::HalfSent)
            && !self.came.swap(true, Ordering::Relaxed);
        if first {
            self.told.notify_one();
        }
        true
    }
}

#[tokio::test]
async fn the_job_of_a_killed_server_is_finished_by_the_other_one() -> Result<()> {
    let Some(pair) = Pair::make(1).await? else {
        return Ok(());
    };
    let halfway = Arc::new(Halfway::default());
    pair.store.observe(Arc::clone(&halfway) as _);
    let [a, b] = &pair.servers;
    a.start().await?;
    pair.installation.lead_to(&[a]);
    let api = pair.installation.administrator()?;
    let devices = pair.enroll(&api, false).await?;
    let app = loop {
        let mut apps = api.apps().await?.into_iter();
        match apps.find(|app| app.license == "offline" && !app.packages.is_empty()) {
            Some(app) => break app,
            None => tokio::time::sleep(PAUSE).await,
        }
    };
    let deployment = api.deploy(&app, "required", &pair.upns).await?;
    tokio::time::timeout(PAUSE * PATIENCE, halfway.told.notified())
        .await
        .context("no download began")?;
    a.kill().await?;
    b.start().await?;
    pair.installation.lead_to(&[b]);
    for _ in 0..PATIENCE {
        if api.deployment(deployment.id).await?.counts.get("queued") == Some(&1) {
            ensure!(pair.store.count(Operation::Content) > 1);
            return pair.judge(&devices);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!(
        "nobody took the job over: {:?}\n{}",
        api.targets(deployment.id).await?,
        b.tail()
    )
}
