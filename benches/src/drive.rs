//! Devices that call in, and what that costs a process.

use crate::process::Process;
use anyhow::{Context as _, Result, ensure};
use qm_device_sim::load::{self, Caller, Outcome, Plan, Work};
use std::{num::NonZeroUsize, sync::Arc, time::Duration};

/// What a run of sessions took.
pub struct Driven {
    /// CPU time of the server for a session, in microseconds.
    pub cpu: f64,
    /// What the devices saw.
    pub outcome: Outcome,
}

/// Lets the callers call in as fast as they can, a few at a time; any failed session is an error.
pub async fn drive(callers: &mut Vec<Caller>, process: &Process, time: Duration) -> Result<Driven> {
    let plan = Plan {
        rate: None,
        time,
        concurrency: NonZeroUsize::new(AT_ONCE).context("some")?,
    };
    paced(callers, process, plan).await
}

/// The same by a plan.
pub async fn paced(callers: &mut Vec<Caller>, process: &Process, plan: Plan) -> Result<Driven> {
    let work = Arc::new(Work::calls(std::mem::take(callers)));
    let before = process.reading().await?;
    let outcome = load::run(Arc::clone(&work), plan).await;
    let used = process.reading().await? - before;
    *callers = Arc::into_inner(work)
        .context("all workers have ended")?
        .into_callers();
    ensure!(outcome.failed() == 0, "sessions failed: {:?}", outcome.errors);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let cpu = used.cpu.as_secs_f64() * 1e6 / outcome.sessions.max(1) as f64;
    Ok(Driven { cpu, outcome })
}

/// Enough to keep two cores busy.
const AT_ONCE: usize = 8;
