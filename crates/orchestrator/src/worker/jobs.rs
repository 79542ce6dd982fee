//! Claims jobs and carries them out.

use super::prepare::kept_by;
use crate::Orchestrator;
use qm_core::{
    AppId, Timestamp,
    deployment::TargetError,
    job::{JobKind, LeasedJob},
};
use qm_db::{DbError, apps, idempotency, jobs, jobs::Claim, run, seats, targets};
use qm_store_sync::{Mode, SyncError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The kinds of jobs, each carried out in a lane of its own.
pub const LANES: [JobKind; 3] = [JobKind::Seats, JobKind::Content, JobKind::StoreSync];
/// How much of a stop is left to the work that is under way, before it is handed to whoever works next.
const HAND_OVER: Duration = Duration::from_secs(5);
const MOST_ATTEMPTS: i64 = 12;
/// The most idle seats counted for one app.
const IDLE_SEATS: u32 = 1000;
/// The most targets that are told at once why they wait for a seat; the others are told in their turn.
const WAITING_SEATS: u32 = 5000;

/// How a job ended.
enum Outcome {
    Done,
    /// Not finished, and that is nobody's fault: look again later.
    Again(Duration),
    /// The server stops: whoever works next takes it up at once.
    HandedOver,
    /// The lease ended before it was renewed: the job is somebody else's.
    Lost,
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The Store or the network.
    #[error(transparent)]
    Store(#[from] SyncError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// It names no app.
    #[error("the job names no app: {0}")]
    Key(String),
}

impl Orchestrator {
    /// Carries out one job of these kinds that is due; whether there was one.
    pub async fn run_due_jobs(&self, kinds: &[JobKind]) -> Result<bool, DbError> {
        self.run_due_jobs_until(kinds, &CancellationToken::new()).await
    }

    /// As [`run_due_jobs`](Self::run_due_jobs); what is still under way some seconds after `stop` is handed over.
    pub(super) async fn run_due_jobs_until(
        &self,
        kinds: &[JobKind],
        stop: &CancellationToken,
    ) -> Result<bool, DbError> {
        let now = self.clock.now();
        let token = qm_core::id::uuid_v7(now, &self.rng);
        let claim = Claim {
            kinds,
            now,
            lease_until: now + self.settings.lease,
            token,
            limit: 1,
        };
        let claimed = run!(self.db, "job.claim", |tx| jobs::claim(tx, claim).await)?;
        let Some(job) = claimed.into_iter().next() else {
            return Ok(false);
        };
        // Not known is as good as closed: then the jobs that wait keep their times.
        let before = self.circuit().await.unwrap_or_default();
        let outcome = self.with_lease(&job, stop).await;
        self.close(&job, outcome).await?;
        self.follow_circuit(&before).await?;
        Ok(true)
    }

    /// Works while the lease is kept up and nobody wants the server to stop.
    async fn with_lease(&self, job: &LeasedJob, stop: &CancellationToken) -> Result<Outcome, JobError> {
        tokio::select! {
            outcome = self.carry_out(job) => outcome,
            lost = self.keep_lease(job) => lost,
            () = hand_over(stop) => Ok(Outcome::HandedOver),
        }
    }

    /// Renews a lease until it is lost. Two renewals may fail before it is.
    async fn keep_lease(&self, job: &LeasedJob) -> Result<Outcome, JobError> {
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            let until = self.clock.now() + self.settings.lease;
            match run!(self.db, "job.renew", |tx| jobs::renew(tx, job, until).await) {
                Ok(true) => {}
                Ok(false) => return Ok(Outcome::Lost),
                Err(error) => {
                    tracing::warn!(job.id = %job.id, %error, "the lease of a job could not be renewed");
                }
            }
        }
    }

    /// Ends every lease in the database: whatever was under way when its only server ended is taken up at once, and no
    /// repeated request waits for it.
    pub async fn take_up_leases(&self) -> Result<(), DbError> {
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let ended = run!(self.db, "job.end_leases", |tx| {
            idempotency::abandon(tx, lease, now).await?;
            jobs::end_leases(tx, now).await
        })?;
        if ended > 0 {
            tracing::info!(jobs = ended, "work that the last run left under way is taken up");
        }
        Ok(())
    }

    async fn carry_out(&self, job: &LeasedJob) -> Result<Outcome, JobError> {
        match job.kind {
            JobKind::Seats => self.seats_job(app_of(job)?).await,
            JobKind::Content => self.content_job(app_of(job)?).await,
            JobKind::StoreSync => self.sync_job(&job.payload).await,
        }
    }

    async fn seats_job(&self, app: AppId) -> Result<Outcome, JobError> {
        let Some(store) = &self.store else {
            self.follow_seats(app).await?;
            return Ok(Outcome::Done);
        };
        let round = store.seat_round(app).await;
        // What was settled before an interruption is in the ledger.
        self.follow_seats(app).await?;
        if let Err(error) = &round {
            self.note_seat_obstacle(app, error).await?;
        }
        let round = round?;
        // Seats that are bought or given back elsewhere are noticed by looking again.
        Ok(if round.waiting.is_empty() {
            Outcome::Done
        } else {
            Outcome::Again(Duration::from_mins(1))
        })
    }

    /// Who waits for a seat sees why the Store cannot be asked for one.
    async fn note_seat_obstacle(&self, app: AppId, error: &SyncError) -> Result<(), DbError> {
        let obstacle = TargetError {
            code: "store".to_owned(),
            text: format!("the Store cannot be asked for a seat: {error}"),
            advice: "It is tried again by itself; see the state of the Store connection.".to_owned(),
        };
        let now = self.clock.now();
        run!(self.db, "seat.obstacle", |tx| {
            let waiting = targets::awaiting_seats(tx, app, WAITING_SEATS).await?;
            let told: Vec<_> = waiting
                .iter()
                .filter_map(|target| kept_by(target, Some(&obstacle), now))
                .collect();
            let pairs: Vec<_> = told.iter().map(|target| (target, target.state)).collect();
            targets::update_many(tx, &pairs).await.map(|_| ())
        })
    }

    async fn content_job(&self, app: AppId) -> Result<Outcome, JobError> {
        let complete = self.prepare_app(app).await?;
        Ok(if complete {
            Outcome::Done
        } else {
            Outcome::Again(Duration::from_mins(5))
        })
    }

    async fn sync_job(&self, payload: &str) -> Result<Outcome, JobError> {
        let Some(store) = &self.store else {
            return Ok(Outcome::Done);
        };
        let mode = match payload {
            "incremental" => Mode::Incremental,
            "reconcile" => Mode::Reconcile,
            _ => Mode::Full,
        };
        let reconciled = mode == Mode::Reconcile;
        store.synchronize(mode).await?;
        self.hurry_waiting().await?;
        if reconciled {
            self.report_idle_seats().await?;
        }
        Ok(Outcome::Done)
    }

    /// Seats that nothing here needs cost somebody else theirs: they are reported, not taken away.
    async fn report_idle_seats(&self) -> Result<(), DbError> {
        let mut conn = self.db.read().await?;
        for app in apps::available_from_store(&mut conn).await? {
            let idle = seats::without_reason(&mut conn, app.id, IDLE_SEATS).await?;
            if !idle.is_empty() {
                tracing::warn!(app.id = %app.id, seats = idle.len(), "seats are held without a deployment that needs them");
            }
        }
        Ok(())
    }

    /// Success removes the job from the queue, failure spaces the next attempt; too many of them give it up.
    async fn close(&self, job: &LeasedJob, outcome: Result<Outcome, JobError>) -> Result<(), DbError> {
        let now = self.clock.now();
        match outcome {
            Ok(Outcome::Done) => {
                run!(self.db, "job.finish", |tx| jobs::finish(tx, job, now).await)?;
            }
            Ok(Outcome::Again(after)) => {
                run!(self.db, "job.again", |tx| jobs::retry_at(
                    tx,
                    job,
                    now + after,
                    "waiting",
                    now
                )
                .await)?;
            }
            Ok(Outcome::HandedOver) => {
                run!(self.db, "job.hand_over", |tx| jobs::retry_at(
                    tx,
                    job,
                    now,
                    "handed over by a server that stopped",
                    now
                )
                .await)?;
            }
            Ok(Outcome::Lost) => {
                tracing::warn!(job.id = %job.id, job.kind = %job.kind, "the lease of a job was lost: another server takes it up");
            }
            Err(JobError::Store(SyncError::LeftAlone { retry_at, reason })) => {
                self.postpone(job, retry_at, &reason, now).await?;
            }
            Err(error) => self.failed(job, &error, now).await?,
        }
        Ok(())
    }

    /// The Store could not be asked, which is not the job's fault: it waits, and no attempt is lost.
    async fn postpone(
        &self,
        job: &LeasedJob,
        retry_at: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), DbError> {
        tracing::info!(job.id = %job.id, job.kind = %job.kind, until = %retry_at, "background job waits for the Store");
        run!(self.db, "job.postpone", |tx| jobs::postpone(
            tx, job, retry_at, reason, now
        )
        .await)
        .map(|_| ())
    }

    async fn failed(&self, job: &LeasedJob, error: &JobError, now: Timestamp) -> Result<(), DbError> {
        let text = error.to_string();
        let given_up = job.attempts >= MOST_ATTEMPTS && job.kind == JobKind::StoreSync;
        tracing::warn!(job.id = %job.id, job.kind = %job.kind, job.attempts, error = text, "background job failed");
        metrics::counter!("jobs_failed_total", "kind" => job.kind.as_str()).increment(1);
        if given_up {
            run!(self.db, "job.dead", |tx| jobs::dead(tx, job, &text, now).await)?;
        } else {
            let at = self.not_before(now + pause(job.attempts)).await?;
            run!(self.db, "job.retry", |tx| jobs::retry_at(tx, job, at, &text, now)
                .await)?;
        }
        Ok(())
    }
}

/// When work under way is to be handed over.
async fn hand_over(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(HAND_OVER).await;
}

/// 2 seconds, doubled each time, 10 minutes at most.
fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 10) - 1).unwrap_or(0);
    (Duration::from_secs(2) * 2_u32.pow(doublings)).min(Duration::from_mins(10))
}

fn app_of(job: &LeasedJob) -> Result<AppId, JobError> {
    job.key.parse().map_err(|_| JobError::Key(job.key.clone()))
}
