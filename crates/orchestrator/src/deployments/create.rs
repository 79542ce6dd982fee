//! Creates a deployment: one transaction writes it, its targets, its seats' claims, its jobs and the audit row.

use super::{DeploymentDetail, Request, Verdict, selection::select, verdict};
use crate::{Caller, Orchestrator, UseCaseError, audit, materials::Catalogue};
use qm_core::{
    DeploymentId, TargetId, Timestamp,
    app::App,
    deployment::{Deployment, DeploymentState, Intent, Target, TargetError, TargetState},
    device::Device,
    job::JobKind,
};
use qm_db::{Conn, DbError, Tx, apps, deployments, run, targets};
use qm_engine::deployment::moved;
use std::collections::HashMap;

impl Orchestrator {
    /// Deploys an app. A device on which the same app is being deployed with the same intent is not applicable; a
    /// deployment with another intent is overtaken.
    pub async fn create_deployment(
        &self,
        caller: &Caller,
        request: Request,
    ) -> Result<DeploymentDetail, UseCaseError> {
        let created: Result<DeploymentDetail, UseCaseError> = run!(self.db, "deployment.create", |tx| {
            let now = self.clock.now();
            let app = find_app(tx, &request).await?;
            let devices = select(tx, &request).await?;
            let deployment = self.deployment_of(&request, now);
            let mut planned = self.judged(tx, &app, &deployment, &devices, now).await?;
            self.overtake(tx, &mut planned, now).await?;
            deployments::insert(tx, &deployment).await?;
            targets::insert_many(tx, &deployment, &planned).await?;
            self.set_off(tx, &app, &planned, now).await?;
            let detail = serde_json::json!({
                "app_id": app.id, "intent": request.intent, "context": request.context, "targets": planned.len(),
            });
            audit::record(
                tx,
                now,
                &self.rng,
                caller,
                "deployment.create",
                deployment.id,
                detail,
            )
            .await?;
            close_if_done(tx, &deployment, &planned).await?;
            detail_of(tx, deployment.id).await
        });
        self.wake.all();
        created
    }

    fn deployment_of(&self, request: &Request, now: Timestamp) -> Deployment {
        Deployment {
            id: DeploymentId::new(now, &self.rng),
            app_id: request.app_id,
            intent: request.intent,
            context: request.context,
            state: DeploymentState::Active,
            created_at: now,
        }
    }

    /// A target for each device, as far as it can go at once.
    pub(super) async fn judged(
        &self,
        conn: &mut Conn,
        app: &App,
        deployment: &Deployment,
        devices: &[Device],
        now: Timestamp,
    ) -> Result<Vec<Target>, DbError> {
        let mut catalogue = Catalogue::default();
        let mut judged = Vec::with_capacity(devices.len());
        for device in devices {
            let planned = self.planned(deployment, device, now);
            let verdict: Verdict = verdict(conn, &mut catalogue, app, &planned, device).await?;
            let moved = verdict.state().and_then(|state| moved(&planned, state, now));
            judged.push(verdict.dress(moved.unwrap_or(planned)));
        }
        Ok(judged)
    }

    fn planned(&self, deployment: &Deployment, device: &Device, now: Timestamp) -> Target {
        let fresh = Target {
            id: TargetId::new(now, &self.rng),
            deployment_id: deployment.id,
            app_id: deployment.app_id,
            intent: deployment.intent,
            context: deployment.context,
            device_id: device.id,
            upn: device.upn.clone(),
            // Only to be moved to `planned`, which sets its deadline.
            state: TargetState::Cancelled,
            attempts: 0,
            error: None,
            package_id: None,
            license_accepted: false,
            not_before: None,
            deadline: None,
            updated_at: now,
        };
        moved(&fresh, TargetState::Planned, now).unwrap_or(fresh)
    }

    /// The same (app, device) pair is never deployed twice at once.
    async fn overtake(&self, tx: &mut Tx, planned: &mut [Target], now: Timestamp) -> Result<(), DbError> {
        for (target, older) in refuse_doubles(tx, planned, now).await? {
            self.cancel_target(tx, &older, overtaken(&planned[target]), now)
                .await?;
        }
        Ok(())
    }

    /// Cancels a live target and gives back its seat.
    pub(super) async fn cancel_target(
        &self,
        tx: &mut Tx,
        target: &Target,
        error: Option<TargetError>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let Some(cancelled) = moved(target, TargetState::Cancelled, now) else {
            return Ok(false);
        };
        let cancelled = Target { error, ..cancelled };
        let done = targets::update(tx, &cancelled, target.state).await?;
        if done {
            self.settle_seat(tx, &cancelled, now).await?;
        }
        Ok(done)
    }

    /// Claims seats and enqueues the work that the targets wait for.
    pub(super) async fn set_off(
        &self,
        tx: &mut Tx,
        app: &App,
        targets: &[Target],
        now: Timestamp,
    ) -> Result<(), DbError> {
        let waiting: Vec<_> = targets
            .iter()
            .filter(|t| t.state == TargetState::AwaitingSeat)
            .cloned()
            .collect();
        if !waiting.is_empty() {
            self.claim_seats(tx, &waiting, now).await?;
            self.enqueue(tx, JobKind::Seats, app.id, now).await?;
        }
        if targets
            .iter()
            .any(|t| t.state == TargetState::Planned && t.intent == Intent::Required)
        {
            self.enqueue(tx, JobKind::Content, app.id, now).await?;
        }
        Ok(())
    }
}

/// Refuses targets whose device is getting the same already. What is left to do: the places of targets that overtake an
/// older one, with that one.
pub(super) async fn refuse_doubles(
    conn: &mut Conn,
    planned: &mut [Target],
    now: Timestamp,
) -> Result<Vec<(usize, Target)>, DbError> {
    let Some(app_id) = planned.first().map(|target| target.app_id) else {
        return Ok(Vec::new());
    };
    let devices: Vec<_> = planned.iter().map(|target| target.device_id).collect();
    let live = targets::live_of_app(conn, app_id, &devices).await?;
    let mut by_device: HashMap<_, _> = live.into_iter().map(|older| (older.device_id, older)).collect();
    let mut overtaking = Vec::new();
    for (place, target) in planned.iter_mut().enumerate() {
        if target.state.is_final() {
            continue;
        }
        let Some(older) = by_device.remove(&target.device_id) else {
            continue;
        };
        if older.intent == target.intent && older.context == target.context {
            *target = refused(target, &older, now);
        } else {
            overtaking.push((place, older));
        }
    }
    Ok(overtaking)
}

/// The app of a request.
pub(super) async fn find_app(conn: &mut Conn, request: &Request) -> Result<App, UseCaseError> {
    let app = apps::find(conn, request.app_id).await?;
    app.ok_or_else(|| UseCaseError::not_found("app", request.app_id))
}

/// A deployment as it is stored now.
pub(super) async fn detail_of(tx: &mut Tx, id: DeploymentId) -> Result<DeploymentDetail, UseCaseError> {
    let deployment = deployments::find(tx, id).await?;
    let deployment = deployment.ok_or_else(|| UseCaseError::not_found("deployment", id))?;
    Ok(DeploymentDetail {
        counts: deployments::counts(tx, id).await?,
        deployment,
    })
}

/// Where no device fits, nothing is left to do.
async fn close_if_done(tx: &mut Tx, deployment: &Deployment, targets: &[Target]) -> Result<(), DbError> {
    if targets.iter().all(|target| target.state.is_final()) {
        deployments::set_state(tx, deployment.id, DeploymentState::Completed).await?;
    }
    Ok(())
}

fn refused(target: &Target, older: &Target, now: Timestamp) -> Target {
    let error = TargetError {
        code: "already_deploying".to_owned(),
        text: format!(
            "deployment {} is bringing this app to the device already",
            older.deployment_id
        ),
        advice: "Wait for it, or cancel it first.".to_owned(),
    };
    let state = TargetState::NotApplicable;
    Target {
        state,
        error: Some(error),
        deadline: None,
        updated_at: now,
        ..target.clone()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "cancel_target takes the error of a target as it is stored"
)]
fn overtaken(by: &Target) -> Option<TargetError> {
    Some(TargetError {
        code: "overtaken".to_owned(),
        text: format!(
            "deployment {} wants something else for this app and device",
            by.deployment_id
        ),
        advice: "Nothing, if the newer deployment is what you want.".to_owned(),
    })
}
