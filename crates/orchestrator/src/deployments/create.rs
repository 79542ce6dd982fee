//! Creates a deployment: one transaction writes it, its targets, its seats' claims, its jobs and the audit row.

use super::{DeploymentDetail, Request, rollout::Rollout};
use crate::{Caller, Orchestrator, UseCaseError, audit, seats::SEAT_REASON};
use qm_core::{
    DeploymentId, Timestamp,
    app::App,
    deployment::{Deployment, DeploymentState, Intent, Target, TargetError, TargetState},
    job::JobKind,
};
use qm_db::{Conn, DbError, Tx, apps, deployments, run, targets, targets::Judged};
use qm_engine::deployment::moved;

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
            // Those who deploy one app take turns: each sees what the one before has left.
            apps::lock(tx, request.app_id).await?;
            let app = find_app(tx, &request).await?;
            let deployment = self.deployment_of(&request, now);
            let rollout = self.rollout(tx, &app, &deployment, &request).await?;
            self.cancel_targets(tx, &rollout.overtaken, Some(&overtaken(&deployment)), now)
                .await?;
            insert(tx, &deployment, &rollout).await?;
            let detail = detail_of(tx, deployment.id).await?;
            self.set_off_new(tx, &detail, now).await?;
            self.record(tx, caller, &detail, now).await?;
            Ok(detail)
        });
        self.wake.all();
        created
    }

    /// Claims seats and enqueues the work that a new deployment waits for.
    async fn set_off_new(
        &self,
        tx: &mut Tx,
        detail: &DeploymentDetail,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let deployment = &detail.deployment;
        if detail.counts.contains_key(&TargetState::AwaitingSeat) {
            targets::claim_seats(tx, deployment, SEAT_REASON, now).await?;
            self.enqueue(tx, JobKind::Seats, deployment.app_id, now).await?;
        }
        if deployment.intent == Intent::Required && detail.counts.contains_key(&TargetState::Planned) {
            self.enqueue(tx, JobKind::Content, deployment.app_id, now).await?;
        }
        Ok(())
    }

    async fn record(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        detail: &DeploymentDetail,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let deployment = &detail.deployment;
        let content = serde_json::json!({
            "app_id": deployment.app_id, "intent": deployment.intent, "context": deployment.context,
            "targets": detail.counts.values().sum::<i64>(),
        });
        let action = "deployment.create";
        audit::record(tx, now, &self.rng, caller, action, deployment.id, content).await
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

    /// Cancels live targets, wherever their devices have brought them meanwhile, and gives back their seats.
    pub(super) async fn cancel_targets(
        &self,
        tx: &mut Tx,
        live: &[Target],
        error: Option<&TargetError>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let ids: Vec<_> = live.iter().map(|target| target.id).collect();
        let live = targets::hold(tx, &ids).await?;
        let cancelled: Vec<_> = live
            .iter()
            .filter(|target| !target.state.is_final())
            .filter_map(|target| Some((moved(target, TargetState::Cancelled, now)?, target.state)))
            .map(|(target, before)| {
                let error = error.cloned();
                (Target { error, ..target }, before)
            })
            .collect();
        self.move_targets(tx, &cancelled, now).await.map(|_| ())
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

/// Stores a deployment with its targets.
async fn insert(tx: &mut Tx, deployment: &Deployment, rollout: &Rollout) -> Result<(), DbError> {
    let judged: Vec<Judged> = rollout
        .kinds
        .iter()
        .map(|(kind, _, target)| (*kind, target.clone()))
        .collect();
    let (selection, otherwise) = (&rollout.selection, &rollout.pattern);
    deployments::insert(tx, deployment).await?;
    targets::insert_selected(tx, deployment, selection, &rollout.busy(), &judged, otherwise).await?;
    targets::insert_many(tx, deployment, &rollout.doubles).await
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

fn overtaken(by: &Deployment) -> TargetError {
    TargetError {
        code: OVERTAKEN.to_owned(),
        text: format!(
            "deployment {} wants something else for this app and device",
            by.id
        ),
        advice: "Nothing, if the newer deployment is what you want.".to_owned(),
    }
}

/// Whether a newer deployment wanted something else for this target's app and device.
pub(crate) fn is_overtaken(target: &Target) -> bool {
    target.error.as_ref().is_some_and(|error| error.code == OVERTAKEN)
}

const OVERTAKEN: &str = "overtaken";
