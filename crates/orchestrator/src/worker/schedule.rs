//! What repeats by the clock: synchronization, deadlines, expiry, retention. Each step is small and harmless to repeat.

use crate::{Orchestrator, checkin::close};
use qm_core::{JobId, Timestamp, device::EndReason, job::JobKind};
use qm_db::{DbError, commands, devices, jobs, jobs::NewJob, run, seats, sessions, settings, targets};
use qm_engine::{deployment::on_deadline, session::Session};
use std::time::Duration;

/// How often the clock is looked at.
pub const EVERY: Duration = Duration::from_secs(30);

const BATCH: u32 = 500;
pub(super) const DAY: Duration = Duration::from_hours(24);
/// How long an unfinished download may be taken up again.
const WEEK: Duration = Duration::from_hours(7 * 24);
/// How often the Store is asked what has changed.
const INCREMENTAL: Duration = Duration::from_hours(1);
/// A session that is silent for so long is over.
const SESSION: Duration = Duration::from_hours(1);

impl Orchestrator {
    /// One look at the clock.
    pub async fn run_schedule(&self) -> Result<(), DbError> {
        self.agree_on_time().await?;
        let now = self.clock.now();
        self.schedule_syncs(now).await?;
        self.measure_circuit().await?;
        self.enqueue_waiting().await?;
        self.close_overdue(now).await?;
        self.close_left_behind(now).await?;
        self.close_sessions(now).await?;
        self.expire(now).await?;
        self.retain(now).await?;
        if let Err(error) = self.content.prune_partials(now - WEEK).await {
            tracing::warn!(%error, "unfinished downloads could not be cleared away");
        }
        self.wake.all();
        Ok(())
    }

    /// Hourly increments; once a day everything, seats included.
    async fn schedule_syncs(&self, now: Timestamp) -> Result<(), DbError> {
        if self.store.is_none() {
            return Ok(());
        }
        self.schedule_sync("store.reconciled_at", "reconcile", DAY, now)
            .await?;
        self.schedule_sync("store.increment_at", "incremental", INCREMENTAL, now)
            .await
    }

    async fn schedule_sync(
        &self,
        key: &str,
        mode: &str,
        every: Duration,
        now: Timestamp,
    ) -> Result<(), DbError> {
        run!(self.db, "store.schedule", |tx| {
            let last = settings::find(tx, key)
                .await?
                .and_then(|text| text.parse().ok())
                .map(Timestamp::from_millis);
            if last.is_some_and(|last| !now.is_due(last, every)) {
                return Ok(());
            }
            settings::set(tx, key, &now.as_millis().to_string()).await?;
            let id = JobId::new(now, &self.rng);
            let (key, payload) = (mode.to_owned(), mode.to_owned());
            let job = NewJob {
                id,
                kind: JobKind::StoreSync,
                key,
                payload,
                run_at: now,
                created_at: now,
            };
            jobs::ensure(tx, &job).await.map(|_| ())
        })
    }

    /// Apps with targets or seats that wait get a job, whatever happened to an earlier one; one that is queued keeps its time.
    async fn enqueue_waiting(&self) -> Result<(), DbError> {
        let now = self.clock.now();
        run!(self.db, "job.enqueue_waiting", |tx| {
            for app in targets::apps_with_planned(tx).await? {
                jobs::ensure(tx, &self.job(JobKind::Content, app, now)).await?;
            }
            let mut waiting = seats::apps_with_work(tx).await?;
            waiting.extend(targets::apps_awaiting_seats(tx).await?);
            for app in waiting {
                jobs::ensure(tx, &self.job(JobKind::Seats, app, now)).await?;
            }
            Ok::<_, DbError>(())
        })
    }

    /// The Store has told what is new: whoever waits for a seat or for content tries at once.
    pub(crate) async fn hurry_waiting(&self) -> Result<(), DbError> {
        let now = self.clock.now();
        run!(self.db, "job.hurry_waiting", |tx| {
            for app in targets::apps_with_planned(tx).await? {
                jobs::enqueue(tx, &self.job(JobKind::Content, app, now)).await?;
            }
            for app in targets::apps_awaiting_seats(tx).await? {
                jobs::enqueue(tx, &self.job(JobKind::Seats, app, now)).await?;
            }
            Ok::<_, DbError>(())
        })?;
        self.wake.all();
        Ok(())
    }

    fn job(&self, kind: JobKind, app: qm_core::AppId, now: Timestamp) -> NewJob {
        let id = JobId::new(now, &self.rng);
        NewJob {
            id,
            kind,
            key: app.to_string(),
            payload: String::new(),
            run_at: now,
            created_at: now,
        }
    }

    /// Targets whose state has lasted too long are given up.
    async fn close_overdue(&self, now: Timestamp) -> Result<(), DbError> {
        run!(self.db, "target.overdue", |tx| {
            let overdue = targets::overdue(tx, now, BATCH).await?;
            let given_up = overdue
                .iter()
                .filter_map(|target| Some((on_deadline(target, now).target?, target.state)));
            self.move_targets(tx, &given_up.collect::<Vec<_>>(), now)
                .await
                .map(|_| ())
        })
    }

    /// PostgreSQL lets a device leave while a deployment to it is being created, neither of which sees the other.
    async fn close_left_behind(&self, now: Timestamp) -> Result<(), DbError> {
        run!(self.db, "target.left_behind", |tx| {
            for device in devices::ended_with_live_targets(tx, now - DAY, BATCH).await? {
                self.let_go(tx, &device, now).await?;
            }
            Ok::<_, DbError>(())
        })
    }

    /// Commands that a dead session took with it: sent again, but for what must not run twice.
    async fn close_sessions(&self, now: Timestamp) -> Result<(), DbError> {
        run!(self.db, "session.close", |tx| {
            for row in sessions::delete_older(tx, now - SESSION, BATCH).await? {
                let session: Session = serde_json::from_str(&row.state).unwrap_or_default();
                close(tx, &session.sent, now).await?;
            }
            Ok::<_, DbError>(())
        })
    }

    async fn expire(&self, now: Timestamp) -> Result<(), DbError> {
        run!(self.db, "expire", |tx| {
            commands::expire(tx, now, BATCH).await?;
            for id in devices::expire_provisional(tx, now - DAY, now).await? {
                if let Some(device) = devices::find(tx, id).await? {
                    self.end_device(tx, &device, EndReason::Expired, now).await?;
                }
            }
            Ok::<_, DbError>(())
        })
    }
}
