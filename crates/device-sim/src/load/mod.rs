//! Load: many devices against one server, at a given rate or as fast as they can, and what that took.
//!
//! At a rate, sessions are begun by the clock whatever became of those before, and their latency counts from the moment
//! they were due: a server that stalls is not spared the sessions that would have come meanwhile. Without a rate a fixed
//! number of devices calls in again and again, which finds the most that the server can do.
//!
//! It shares its machine with the server it measures, so it is cheap: a device that has nothing to tell sends a message
//! written beforehand, and an answer that is the idle answer it knows is not read again. Any other answer is held to all
//! rules, and the session goes on as [`Device`](crate::Device) does it.
//!
//! Start with [`run`]; what is done is a [`Work`], who does it a [`Caller`].

mod admin;
mod caller;
mod failure;
mod line;
mod meter;
mod outcome;
mod pace;
mod template;
mod work;

pub use admin::Admin;
pub use caller::{Caller, Connections};
pub use failure::Failure;
pub use meter::{Meter, Reading};
pub use outcome::{Latency, Outcome};
pub use work::Work;

use crate::Device;
use futures_util::{StreamExt as _, stream};
use outcome::Recorder;
use pace::Pace;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// How much load, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Sessions begun in a second; `None`: as many as there can be.
    pub rate: Option<f64>,
    /// How long sessions are begun.
    pub time: Duration,
    /// How many sessions may be under way at the same time. Those that are due beyond it wait, and their wait counts.
    pub concurrency: NonZeroUsize,
}

/// Enrolls devices and makes callers of them ([`Caller::prepare`]), a bounded number at a time; in order.
pub async fn prepare(
    devices: impl IntoIterator<Item = Device>,
    connections: Connections,
    concurrency: NonZeroUsize,
) -> Vec<Result<Caller, Failure>> {
    stream::iter(devices)
        .map(|device| tokio::spawn(Caller::prepare(device, connections)))
        .buffered(concurrency.get())
        .map(|joined| joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())))
        .collect()
        .await
}

/// Carries out a plan.
pub async fn run(work: Arc<Work>, plan: Plan) -> Outcome {
    let pace = Arc::new(Pace::new(plan.rate, plan.time, Instant::now()));
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..plan.concurrency.get() {
        workers.spawn(labour(Arc::clone(&work), Arc::clone(&pace), Arc::clone(&next)));
    }
    let mut all = Recorder::default();
    while let Some(recorder) = workers.join_next().await {
        match recorder {
            Ok(recorder) => all.add(&recorder),
            // Workers are never cancelled; what panicked there, panics here.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    all.finish(pace.elapsed(Instant::now()))
}

/// Takes one session after the other until none is due any more.
async fn labour(work: Arc<Work>, pace: Arc<Pace>, next: Arc<AtomicU64>) -> Recorder {
    let mut recorder = Recorder::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = pace.due(number, Instant::now());
        let Some(due) = due.filter(|_| work.goes_on(number)) else {
            return recorder;
        };
        // A timer that is due already would still cost a turn.
        if due > Instant::now() {
            sleep_until(due).await;
        }
        let begun = Instant::now();
        let result = work.act(number).await;
        recorder.record(due, begun, Instant::now(), result);
    }
}

#[cfg(test)]
mod tests;
