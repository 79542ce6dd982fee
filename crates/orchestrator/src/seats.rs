//! Seats of online-licensed apps: claimed for targets, given back when the last reason is gone.
//!
//! The ledger says what is wanted; `qm-store-sync` makes the Store agree; here the targets follow what it reports.

use crate::{Orchestrator, devices::release_seat_reason};
use qm_core::{
    AppId, JobId, SeatId, Timestamp,
    app::{App, LicenseKind},
    deployment::{Intent, Target, TargetError, TargetState},
    job::JobKind,
    seat::{Seat, SeatState},
};
use qm_db::{DbError, Tx, jobs, jobs::NewJob, run, seats, targets};
use qm_engine::deployment::moved;
use std::collections::HashMap;

/// How many waiting targets are moved in one transaction.
const CHUNK: u32 = 500;

impl Orchestrator {
    /// Enters claims for the seats of these targets: one seat for each user, one reason for each target.
    pub(crate) async fn claim_seats(
        &self,
        tx: &mut Tx,
        wanted: &[Target],
        now: Timestamp,
    ) -> Result<(), DbError> {
        let Some(app_id) = wanted.first().map(|target| target.app_id) else {
            return Ok(());
        };
        let new: Vec<_> = users(wanted)
            .into_iter()
            .map(|upn| self.claim(app_id, upn, now))
            .collect();
        seats::insert_missing(tx, &new).await?;
        let upns: Vec<_> = new.iter().map(|seat| seat.upn.clone()).collect();
        let held = seats::find_many(tx, app_id, &upns).await?;
        for seat in held
            .iter()
            .filter(|s| !matches!(s.state, SeatState::Assigned | SeatState::Assigning))
        {
            seats::set_state(tx, seat.id, seat.state, SeatState::Assigning, SEAT_REASON, now).await?;
        }
        let by_user: HashMap<&str, SeatId> = held.iter().map(|seat| (seat.upn.as_str(), seat.id)).collect();
        let reasons: Vec<_> = wanted
            .iter()
            .filter_map(|t| by_user.get(t.upn.as_str()).map(|seat| (*seat, t.id)))
            .collect();
        seats::add_reasons(tx, &reasons).await?;
        let ids: Vec<_> = held.iter().map(|seat| seat.id).collect();
        seats::set_reason(tx, &ids, SEAT_REASON).await
    }

    fn claim(&self, app_id: AppId, upn: String, now: Timestamp) -> Seat {
        let id = SeatId::new(now, &self.rng);
        Seat {
            id,
            app_id,
            upn,
            state: SeatState::Assigning,
            reason: SEAT_REASON.to_owned(),
            since: now,
            attempts: 0,
        }
    }

    /// Whether an installation may be sent: an online-licensed app only while its user holds a seat.
    pub(crate) async fn seat_confirmed(
        &self,
        tx: &mut Tx,
        app: &App,
        target: &Target,
    ) -> Result<bool, DbError> {
        if app.license != LicenseKind::Online {
            return Ok(true);
        }
        let seat = seats::find(tx, app.id, &target.upn).await?;
        Ok(seat.is_some_and(|seat| seat.state == SeatState::Assigned))
    }

    /// A target has become final: gives back the seat that nothing needs any more. Whether a job was enqueued.
    pub(crate) async fn settle_seat(
        &self,
        tx: &mut Tx,
        target: &Target,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        match (target.intent, target.state) {
            (Intent::Uninstall, TargetState::Removed) => self.release_installs(tx, target, now).await,
            (Intent::Required, TargetState::Failed | TargetState::Cancelled | TargetState::NotApplicable) => {
                release_seat_reason(
                    tx,
                    now,
                    &self.rng,
                    target,
                    "the deployment ended without an installation",
                )
                .await
            }
            _ => Ok(false),
        }
    }

    /// The installations on this device were the reasons; they are gone with the app.
    async fn release_installs(&self, tx: &mut Tx, removal: &Target, now: Timestamp) -> Result<bool, DbError> {
        let Some(seat) = seats::find(tx, removal.app_id, &removal.upn).await? else {
            return Ok(false);
        };
        let mut enqueued = false;
        for id in seats::reasons_of(tx, seat.id).await? {
            let Some(install) = targets::find(tx, id).await? else {
                continue;
            };
            if install.device_id == removal.device_id && install.state.is_final() {
                enqueued |= release_seat_reason(tx, now, &self.rng, &install, "the app was removed").await?;
            }
        }
        Ok(enqueued)
    }

    /// Enqueues background work for an app.
    pub(crate) async fn enqueue(
        &self,
        tx: &mut Tx,
        kind: JobKind,
        app: AppId,
        run_at: Timestamp,
    ) -> Result<JobId, DbError> {
        let now = self.clock.now();
        let id = JobId::new(now, &self.rng);
        let job = NewJob {
            id,
            kind,
            key: app.to_string(),
            payload: String::new(),
            run_at,
            created_at: now,
        };
        jobs::enqueue(tx, &job).await
    }

    /// Lets the targets follow their seats: confirmed ones are queued for their devices, refused ones fail.
    pub(crate) async fn follow_seats(&self, app_id: AppId) -> Result<(), DbError> {
        loop {
            let moved = run!(self.db, "seat.follow", |tx| self.follow_chunk(tx, app_id).await)?;
            if moved < u64::from(CHUNK) {
                return Ok(());
            }
        }
    }

    async fn follow_chunk(&self, tx: &mut Tx, app_id: AppId) -> Result<u64, DbError> {
        let now = self.clock.now();
        let waiting = targets::awaiting_seats(tx, app_id, CHUNK).await?;
        let upns: Vec<_> = users(&waiting);
        let held = seats::find_many(tx, app_id, &upns).await?;
        let by_user: HashMap<&str, &Seat> = held.iter().map(|seat| (seat.upn.as_str(), seat)).collect();
        let mut count = 0;
        for target in &waiting {
            let Some(seat) = by_user.get(target.upn.as_str()) else {
                continue;
            };
            let Some(after) = follow(target, seat, now) else {
                continue;
            };
            if targets::update(tx, &after, target.state).await? {
                count += 1;
                self.settle_seat(tx, &after, now).await?;
            }
        }
        Ok(count)
    }
}

fn follow(target: &Target, seat: &Seat, now: Timestamp) -> Option<Target> {
    match seat.state {
        SeatState::Assigned => {
            moved(target, TargetState::Queued, now).map(|after| Target { error: None, ..after })
        }
        SeatState::Failed => moved(target, TargetState::Failed, now).map(|after| Target {
            error: Some(TargetError {
                code: "seat_refused".to_owned(),
                text: format!("the Store gives this user no seat: {}", seat.reason),
                advice: "Check that the user exists in the organization's directory, then retry.".to_owned(),
            }),
            ..after
        }),
        _ => None,
    }
}

fn users(targets: &[Target]) -> Vec<String> {
    let mut users: Vec<_> = targets.iter().map(|target| target.upn.clone()).collect();
    users.sort_unstable();
    users.dedup();
    users
}

/// Why seats are held, for people.
pub const SEAT_REASON: &str = "needed by deployments";
