//! The end of an enrollment: nothing of it opens anything any more, and what it held goes back.

use crate::{Orchestrator, audit};
use qm_core::{
    AppId, JobId, PageRequest, Rng, TargetId, Timestamp,
    deployment::{Target, TargetError, TargetState},
    device::{Device, EndReason},
    job::JobKind,
    seat::Seat,
};
use qm_db::{
    DbError, Tx, certificates, commands, devices, jobs, jobs::NewJob, seats, seats::SeatFilter, sessions,
    targets,
};
use qm_engine::deployment::moved;
use serde_json::json;

impl Orchestrator {
    /// Ends an enrollment: revokes its certificates, takes back its commands, cancels its targets and gives back the
    /// seats that only it needed. Answers whether that left work for the Store (then wake the worker after the commit).
    /// An enrollment that has ended before keeps its date and reason; the rest is done again, to no effect.
    pub(crate) async fn end_device(
        &self,
        tx: &mut Tx,
        device: &Device,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        devices::end(tx, device.id, reason, now).await?;
        certificates::revoke_for_device(tx, device.id).await?;
        commands::cancel_for_device(tx, device.id, now).await?;
        sessions::delete_for_device(tx, device.id).await?;
        let work = self.let_go(tx, device, now).await?;
        if matches!(reason, EndReason::Superseded | EndReason::Expired) {
            // Nobody asked for it: no caller notes it.
            let detail = json!({ "reason": reason });
            audit::record_system(tx, now, &self.rng, "device.leave", device.id, detail).await?;
        }
        Ok(work)
    }

    /// Cancels the targets of a device that has left and gives back the seats that only it needed; whether there were any.
    pub(crate) async fn let_go(&self, tx: &mut Tx, device: &Device, now: Timestamp) -> Result<bool, DbError> {
        cancel_targets(tx, device, now).await?;
        release_seats(tx, device, now, &self.rng).await
    }
}

/// Targets need no seat any more: takes them away as reasons. Seats that are left without any are to be given back, and
/// jobs are enqueued for that; answers whether one was.
pub(crate) async fn release_seat_reasons(
    tx: &mut Tx,
    now: Timestamp,
    rng: &Rng,
    targets: &[TargetId],
    why: &str,
) -> Result<bool, DbError> {
    let apps = seats::release(tx, targets, why, now).await?;
    for app in &apps {
        jobs::enqueue(tx, &seats_job(*app, now, rng)).await?;
    }
    Ok(!apps.is_empty())
}

fn seats_job(app: AppId, now: Timestamp, rng: &Rng) -> NewJob {
    NewJob {
        id: JobId::new(now, rng),
        kind: JobKind::Seats,
        key: app.to_string(),
        payload: String::new(),
        run_at: now,
        created_at: now,
    }
}

async fn cancel_targets(tx: &mut Tx, device: &Device, now: Timestamp) -> Result<(), DbError> {
    // Others may move a target between the two statements; then it is read again.
    for _ in 0..CANCEL_ROUNDS {
        let live = targets::live_for_device(tx, device.id).await?;
        if live.is_empty() {
            break;
        }
        let cancelled: Vec<_> = live
            .iter()
            .filter_map(|live| Some((cancelled(&live.target, now)?, live.target.state)))
            .collect();
        let changes: Vec<_> = cancelled
            .iter()
            .map(|(target, before)| (target, *before))
            .collect();
        targets::update_many(tx, &changes).await?;
    }
    Ok(())
}

fn cancelled(target: &Target, now: Timestamp) -> Option<Target> {
    let error = TargetError {
        code: "device_unenrolled".to_owned(),
        text: "The device is not managed any more.".to_owned(),
        advice: "Enroll the device again and deploy to the new enrollment.".to_owned(),
    };
    Some(Target {
        error: Some(error),
        ..moved(target, TargetState::Cancelled, now)?
    })
}

/// Gives up every reason that this device's targets, live or installed, are for a seat of its user.
async fn release_seats(tx: &mut Tx, device: &Device, now: Timestamp, rng: &Rng) -> Result<bool, DbError> {
    let why = format!("the device {} has left", device.name);
    let filter = SeatFilter {
        app_id: None,
        upn: Some(device.upn.clone()),
    };
    let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
    let mut enqueued = false;
    loop {
        let held = seats::list(tx, &filter, page).await?;
        for seat in &held.items {
            let reasons = reasons_from(tx, seat, device).await?;
            enqueued |= release_seat_reasons(tx, now, rng, &reasons, &why).await?;
        }
        match held.next {
            None => return Ok(enqueued),
            next => page.after = next,
        }
    }
}

async fn reasons_from(tx: &mut Tx, seat: &Seat, device: &Device) -> Result<Vec<TargetId>, DbError> {
    let mut found = Vec::new();
    for id in seats::reasons_of(tx, seat.id).await? {
        let target = targets::find(tx, id).await?;
        found.extend(target.filter(|target| target.device_id == device.id).map(|_| id));
    }
    Ok(found)
}

const CANCEL_ROUNDS: u32 = 3;
