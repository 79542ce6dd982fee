//! Background work: leased jobs, and what repeats by the clock.
//!
//! Every job is idempotent. A worker holds a lease while it works; finishing takes the lease's token, so a worker that was
//! too slow changes nothing. Several servers on one database share the work.

mod circuit;
mod jobs;
mod prepare;
mod retention;
mod schedule;

use crate::Orchestrator;
use jobs::LANES;
use qm_core::job::JobKind;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Wakes every lane of the worker: a job was enqueued.
#[derive(Default)]
pub struct Wake([Notify; LANES.len()]);

impl Wake {
    /// A lane that is at work looks again when it is done.
    pub(crate) fn all(&self) {
        self.0.iter().for_each(Notify::notify_one);
    }
}

/// How long the worker sleeps when nothing wakes it.
const IDLE: Duration = Duration::from_secs(2);
/// How late `last_seen` may be.
const LAST_SEEN: Duration = Duration::from_millis(500);

/// Works until `stop`; what is under way is finished first, or handed over where that takes long.
pub async fn run(server: Arc<Orchestrator>, stop: CancellationToken) {
    if let Err(error) = server.try_store_again().await {
        tracing::warn!(%error, "the Store is asked again when its pause is over");
    }
    tokio::join!(
        work(Arc::clone(&server), 0, stop.clone()),
        work(Arc::clone(&server), 1, stop.clone()),
        work(Arc::clone(&server), 2, stop.clone()),
        repeat(Arc::clone(&server), stop.clone()),
        write_behind(Arc::clone(&server), stop.clone()),
        server.look_after_database(&stop),
    );
}

/// One lane: a long download holds up no seat.
async fn work(server: Arc<Orchestrator>, lane: usize, stop: CancellationToken) {
    let kinds: &[JobKind] = &[LANES[lane]];
    while !stop.is_cancelled() {
        let worked = match server.run_due_jobs_until(kinds, &stop).await {
            Ok(worked) => worked,
            Err(error) => {
                server.note_database(&error);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = server.outages.over() => {}
                }
                false
            }
        };
        if !worked {
            tokio::select! {
                () = stop.cancelled() => {}
                () = server.wake.0[lane].notified() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }
}

async fn repeat(server: Arc<Orchestrator>, stop: CancellationToken) {
    loop {
        if let Err(error) = server.run_schedule().await {
            server.note_database(&error);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(schedule::EVERY) => server.outages.over().await,
        }
    }
}

async fn write_behind(server: Arc<Orchestrator>, stop: CancellationToken) {
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(LAST_SEEN) => false,
        };
        if let Err(error) = server.flush_last_seen().await {
            server.note_database(&error);
            tokio::select! {
                () = stop.cancelled() => {}
                () = server.outages.over() => {}
            }
        }
        if stopping {
            return;
        }
    }
}
