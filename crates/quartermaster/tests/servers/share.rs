//! Both serve the same devices, and do together what one would do alone.

use crate::{PATIENCE, PAUSE, Pair, lines};
use anyhow::{Context as _, Result, ensure};
use qm_admin_api::types::Deployment;
use qm_db::Db;
use qm_device_sim::{Device, Ended, Trigger};
use quartermaster::demo::api::Api;

#[tokio::test]
async fn servers_that_start_at_once_migrate_once_and_run_each_schedule_once() -> Result<()> {
    let Some(pair) = Pair::make(1).await? else {
        return Ok(());
    };
    let api = pair.start().await?;
    synchronized(&api).await?;
    let config = quartermaster::config::Config::load(&pair.installation.config())?;
    let db = Db::connect(&config.database_url()).await?;
    for mode in ["reconcile", "incremental"] {
        // Counts rows by touching them.
        let text =
            format!("UPDATE jobs SET attempts = attempts WHERE kind = 'store_sync' AND key = '{mode}'");
        ensure!(db.execute_raw(&text).await? == 1, "{mode} was not scheduled once");
    }
    pair.judge(&[])
}

#[tokio::test]
async fn each_message_of_a_session_may_go_to_another_server() -> Result<()> {
    let Some(pair) = Pair::make(2).await? else {
        return Ok(());
    };
    let api = pair.start().await?;
    let mut devices = pair.enroll(&api, true).await?;
    synchronized(&api).await?;
    for app in api.apps().await? {
        let installed = api.deploy(&app, "required", &pair.upns).await?;
        carried_out(&api, &mut devices, &installed, "installed").await?;
        let removed = api.deploy(&app, "uninstall", &pair.upns).await?;
        carried_out(&api, &mut devices, &removed, "removed").await?;
    }
    for server in &pair.servers {
        ensure!(
            lines(server, "device checked in")? > 4,
            "one server had nothing to do"
        );
    }
    pair.judge(&devices)
}

async fn synchronized(api: &Api) -> Result<()> {
    for _ in 0..PATIENCE {
        let complete = api
            .apps()
            .await?
            .iter()
            .filter(|app| !app.packages.is_empty())
            .count()
            == 2;
        if complete && api.store_status().await?.state == "idle" {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("the catalogue does not come: {:?}", api.store_status().await?)
}

/// The devices call in until all targets are where they belong.
async fn carried_out(api: &Api, devices: &mut [Device], deployment: &Deployment, state: &str) -> Result<()> {
    let wanted = i64::try_from(devices.len())?;
    for _ in 0..PATIENCE {
        for device in &mut *devices {
            let report = device
                .session(Trigger::Schedule)
                .await
                .context("a check-in failed")?;
            ensure!(report.ended == Ended::Done, "{report:?}");
        }
        if api.deployment(deployment.id).await?.counts.get(state) == Some(&wanted) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("not {state}: {:?}", api.targets(deployment.id).await?)
}
