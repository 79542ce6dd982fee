//! Seats of online-licensed apps: claimed for targets, given back when the last reason is gone.
//!
//! The ledger says what is wanted; `qm-store-sync` makes the Store agree; here the targets follow what it reports.

use crate::{Orchestrator, deployments::is_overtaken, devices::release_seat_reasons};
use qm_core::{
    AppId, JobId, SeatId, TargetId, Timestamp,
    app::{App, LicenseKind},
    deployment::{Intent, Target, TargetError, TargetState},
    job::JobKind,
    seat::{Seat, SeatState},
};
use qm_db::{DbError, Tx, jobs, jobs::NewJob, run, seats, targets};
use qm_engine::deployment::moved;
use std::collections::{HashMap, HashSet};

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
        self.settle_seats(tx, &[target], now).await
    }

    async fn settle_seats(&self, tx: &mut Tx, ended: &[&Target], now: Timestamp) -> Result<bool, DbError> {
        let ids = |wanted: fn(&Target) -> bool| -> Vec<TargetId> {
            ended.iter().filter(|t| wanted(t)).map(|t| t.id).collect()
        };
        let mut given_up = ids(gave_up);
        given_up.extend(seats::needed_until(tx, &ids(kept_its_app)).await?);
        let removed = seats::needed_until(tx, &ids(|t| t.state == TargetState::Removed)).await?;
        let why = "the deployment ended without an installation";
        let mut enqueued = release_seat_reasons(tx, now, &self.rng, &given_up, why).await?;
        enqueued |= release_seat_reasons(tx, now, &self.rng, &removed, "the app was removed").await?;
        Ok(enqueued)
    }

    /// Moves targets out of the states they are expected in, and gives back the seats of those that end. Answers with those
    /// that were moved; each may be given once.
    pub(crate) async fn move_targets(
        &self,
        tx: &mut Tx,
        changes: &[(Target, TargetState)],
        now: Timestamp,
    ) -> Result<HashSet<TargetId>, DbError> {
        let pairs: Vec<_> = changes.iter().map(|(target, before)| (target, *before)).collect();
        let moved = targets::update_many(tx, &pairs).await?;
        let ended: Vec<_> = changes
            .iter()
            .filter(|(target, before)| {
                target.state.is_final() && moved.contains(&target.id) && !may_be_at_work(target, *before)
            })
            .map(|(target, _)| target)
            .collect();
        self.settle_seats(tx, &ended, now).await?;
        Ok(moved)
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
        let changes: Vec<_> = waiting
            .iter()
            .filter_map(|target| {
                let seat = by_user.get(target.upn.as_str())?;
                Some((follow(target, seat, now)?, target.state))
            })
            .collect();
        Ok(self.move_targets(tx, &changes, now).await?.len() as u64)
    }
}

/// Whether an installation that needed a seat came to nothing.
fn gave_up(target: &Target) -> bool {
    let ended = [
        TargetState::Failed,
        TargetState::Cancelled,
        TargetState::NotApplicable,
    ];
    target.intent == Intent::Required && ended.contains(&target.state)
}

/// Whether a removal ended, and the app may be there still.
fn kept_its_app(target: &Target) -> bool {
    target.intent == Intent::Uninstall && target.state != TargetState::Removed
}

/// Whether a removal overtook an installation that the device may be carrying out: it keeps its seat until the removal ends.
fn may_be_at_work(target: &Target, before: TargetState) -> bool {
    is_overtaken(target)
        && target.intent == Intent::Required
        && matches!(before, TargetState::Sent | TargetState::Installing)
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
