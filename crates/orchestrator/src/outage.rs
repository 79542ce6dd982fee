//! The database goes away and comes back: what the log says about it, and what waits until it is over.
//!
//! Devices and administrators are not made to wait: each of their requests tries, and is answered that it has to come
//! again. Only background work rests.

use crate::Orchestrator;
use qm_db::DbError;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Whether the database is away, and what was said about it.
pub struct Outages {
    away: watch::Sender<bool>,
    told: Mutex<Told>,
}

/// What the log was told.
#[derive(Default)]
struct Told {
    since: Option<Instant>,
    last: Option<Instant>,
    /// Failures since the last line.
    silent: u64,
}

impl Default for Outages {
    fn default() -> Self {
        let away = watch::Sender::new(false);
        let told = Mutex::default();
        Self { away, told }
    }
}

impl Outages {
    /// Waits until the database is not known to be away.
    pub async fn over(&self) {
        // We hold the sender, so waiting cannot fail.
        let _ = self.away.subscribe().wait_for(|away| !away).await;
    }

    async fn begun(&self) {
        let _ = self.away.subscribe().wait_for(|away| *away).await;
    }

    /// Something failed because of the database. How often it failed since that was said last; `None` where it was said
    /// a moment ago.
    fn failed(&self, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.since.get_or_insert(now);
        let due = told
            .last
            .is_none_or(|last| now.duration_since(last) >= BETWEEN_LINES);
        let silent = told.silent;
        if due {
            told.last = Some(now);
            told.silent = 0;
        } else {
            told.silent += 1;
        }
        self.away.send_replace(true);
        due.then_some(silent)
    }

    /// It works again; since when it had not.
    fn ended(&self) -> Option<Instant> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.away.send_replace(false);
        told.since.take()
    }
}

impl Orchestrator {
    /// Tells the log that something could not be done because of the database, once a minute while it is away.
    pub fn note_database(&self, error: &DbError) {
        metrics::counter!("db_failures_total").increment(1);
        if error.outage().is_none() {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the database refused a statement"
            );
        } else if let Some(silent) = self.outages.failed(Instant::now()) {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, failures.untold = silent, "the database is not available");
        }
    }

    /// Whether the database can do its work.
    pub async fn check_database(&self) -> Result<(), DbError> {
        let checked = self.db.check().await;
        match &checked {
            Ok(()) => self.note_return(),
            Err(error) => self.note_database(error),
        }
        checked
    }

    fn note_return(&self) {
        if let Some(since) = self.outages.ended() {
            tracing::info!(
                seconds = since.elapsed().as_secs(),
                "the database is available again"
            );
        }
    }

    /// Looks after a database that is away until it is back, so that background work goes on by itself.
    pub(crate) async fn look_after_database(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.outages.begun() => {}
            }
            if self.check_database().await.is_err() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(BETWEEN_LOOKS) => {}
                }
            }
        }
    }
}

const BETWEEN_LINES: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_at_its_beginning_and_once_a_minute() {
        let (outages, start) = (Outages::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(outages.failed(at(0)), Some(0));
        assert_eq!(outages.failed(at(1)), None);
        assert_eq!(outages.failed(at(59)), None);
        assert_eq!(outages.failed(at(60)), Some(2));
        assert_eq!(outages.ended(), Some(start));
        assert_eq!(outages.ended(), None);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_outage() {
        let outages = Outages::default();
        outages.over().await;
        outages.failed(Instant::now());
        outages.begun().await;
        let (waited, _) = tokio::join!(outages.over(), async { outages.ended() });
        let () = waited;
    }
}
