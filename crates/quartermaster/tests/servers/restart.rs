//! Servers are restarted one after the other while devices call in without a pause.

use crate::{PATIENCE, PAUSE, Pair};
use anyhow::{Context as _, Result, bail, ensure};
use qm_device_sim::{Device, Ended, Trigger};
use qm_testkit::process::{Installation, Server};
use reqwest::StatusCode;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_check_in() -> Result<()> {
    let Some(pair) = Pair::make(4).await? else {
        return Ok(());
    };
    let api = pair.start().await?;
    let devices = pair.enroll(&api, false).await?;
    let stop = CancellationToken::new();
    let calling: Vec<_> = devices
        .into_iter()
        .map(|device| tokio::spawn(call_in(device, stop.clone())))
        .collect();
    let [a, b] = &pair.servers;
    let restarted = async {
        restart(&pair.installation, a, b).await?;
        restart(&pair.installation, b, a).await
    }
    .await;
    stop.cancel();
    let mut devices = Vec::new();
    for task in calling {
        let (device, sessions) = task.await??;
        ensure!(sessions > 4, "{sessions} sessions only");
        devices.push(device);
    }
    restarted?;
    pair.judge(&devices)
}

/// What a load balancer does: it moves on when a server is not ready any more, and comes back when it is.
async fn restart(installation: &Installation, server: &Server, other: &Server) -> Result<()> {
    server.signal("TERM")?;
    readiness(installation, server, StatusCode::SERVICE_UNAVAILABLE).await?;
    installation.lead_to(&[other]);
    // It waits for the balancer no longer.
    server.signal("TERM")?;
    ensure!(
        server.ended().await?.success(),
        "it did not stop well: {}",
        server.tail()
    );
    server.start().await?;
    readiness(installation, server, StatusCode::OK).await?;
    installation.lead_to(&[server, other]);
    Ok(())
}

async fn readiness(installation: &Installation, server: &Server, wanted: StatusCode) -> Result<()> {
    let api = installation.past_the_gate(server)?;
    for _ in 0..PATIENCE {
        if api.readiness().await.context("a draining server still answers")? == wanted {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("it does not become {wanted}: {}", server.tail())
}

/// Every session has to go well.
async fn call_in(mut device: Device, stop: CancellationToken) -> Result<(Device, u64)> {
    let mut sessions = 0;
    while !stop.is_cancelled() {
        let report = device
            .session(Trigger::Schedule)
            .await
            .context("a check-in failed")?;
        ensure!(report.ended == Ended::Done, "{report:?}");
        sessions += 1;
    }
    Ok((device, sessions))
}
