//! The server at rest with many devices: memory, and the time until it is ready.

use crate::{
    Effort,
    figure::{Figure, Goal},
    note, seed,
    server::Installation,
};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// Starts it a few times and looks at it once it has settled.
#[expect(clippy::cast_precision_loss, reason = "shown in megabytes")]
pub async fn run(effort: Effort) -> Result<Vec<Figure>> {
    note(&format!("rest: {} devices are being made", effort.devices));
    let installation = Installation::make(None).await?;
    let server = installation.start().await?;
    installation.callers(1).await?;
    server.stop().await?;
    seed::devices(&installation.config()?, effort.devices, seed::Users::One).await?;
    let (mut ready, mut resident, mut peak) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(3) {
        let server = installation.start().await?;
        ready.push(server.ready_after.as_secs_f64());
        sleep(SETTLING).await;
        resident.push(server.resident()? as f64 / 1e6);
        peak.push(server.reading().await?.peak_memory as f64 / 1e6);
        server.stop().await?;
    }
    let with = format!("with {} devices", effort.devices);
    Ok(vec![
        Figure::of(
            format!("memory at rest {with}"),
            &resident,
            " MB",
            Goal::AtMost(150.0),
        ),
        Figure::of(format!("peak memory at rest {with}"), &peak, " MB", Goal::None),
        Figure::of(
            format!("ready after its start {with}"),
            &ready,
            " s",
            Goal::AtMost(2.0),
        ),
    ])
}

/// Background work that begins with the server has had its first turn by then.
const SETTLING: Duration = Duration::from_secs(5);
