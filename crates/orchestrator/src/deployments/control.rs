//! Pause, resume, cancel, retry.

use super::{
    DeploymentDetail,
    create::{detail_of, is_overtaken},
};
use crate::{
    Caller, Orchestrator, UseCaseError, audit,
    devices::release_seat_reasons,
    materials::{Catalogue, profile},
};
use qm_core::{
    DeploymentId, TargetId, Timestamp,
    app::App,
    deployment::{Deployment, DeploymentState, Target, TargetState},
    job::JobKind,
};
use qm_db::{DbError, Tx, apps, deployments, devices, run, targets};
use qm_engine::deployment::{moved, renewed};
use std::collections::{HashMap, HashSet};

/// What an administrator does to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Nothing new is sent or assigned.
    Pause,
    /// Go on.
    Resume,
    /// What is not final ends.
    Cancel,
    /// What failed, was cancelled or did not fit starts again; what waits for its next attempt waits no longer.
    Retry,
}

const CHUNK: u32 = 500;
const LIVE: &[TargetState] = &[
    TargetState::Planned,
    TargetState::AwaitingSeat,
    TargetState::Queued,
    TargetState::Sent,
    TargetState::Installing,
    TargetState::Removing,
];
const GIVEN_UP: &[TargetState] = &[
    TargetState::Failed,
    TargetState::Cancelled,
    TargetState::NotApplicable,
];

impl Orchestrator {
    /// Controls a deployment; a step that does not fit its state is a conflict.
    pub async fn control_deployment(
        &self,
        caller: &Caller,
        id: DeploymentId,
        control: Control,
    ) -> Result<DeploymentDetail, UseCaseError> {
        let done: Result<DeploymentDetail, UseCaseError> = run!(self.db, "deployment.control", |tx| {
            let now = self.clock.now();
            let deployment = hold(tx, id).await?;
            self.control(tx, &deployment, control, now).await?;
            let action = control.action();
            audit::record(tx, now, &self.rng, caller, action, id, serde_json::json!({})).await?;
            detail_of(tx, id).await
        });
        self.wake.all();
        done
    }

    async fn control(
        &self,
        tx: &mut Tx,
        deployment: &Deployment,
        control: Control,
        now: Timestamp,
    ) -> Result<(), UseCaseError> {
        use DeploymentState as S;
        match (control, deployment.state) {
            (Control::Pause, S::Active) => self.pause(tx, deployment, now).await?,
            (Control::Resume, S::Paused) => self.resume(tx, deployment, now).await?,
            (Control::Cancel, S::Active | S::Paused) => self.cancel(tx, deployment, now).await?,
            (Control::Retry, S::Active | S::Completed | S::Cancelled) => {
                self.retry(tx, deployment, now).await?;
            }
            (Control::Pause, S::Paused) | (Control::Resume, S::Active) | (Control::Cancel, S::Cancelled) => {}
            (_, state) => {
                let text = format!(
                    "deployment {} is {state}: it cannot be {}",
                    deployment.id,
                    control.participle()
                );
                return Err(UseCaseError::Conflict(text));
            }
        }
        Ok(())
    }

    /// Claims that no seat was assigned for yet are withdrawn while the deployment is paused.
    async fn pause(&self, tx: &mut Tx, deployment: &Deployment, now: Timestamp) -> Result<(), DbError> {
        deployments::set_state(tx, deployment.id, DeploymentState::Paused).await?;
        let why = "the deployment is paused";
        let waiting = all(tx, deployment.id, &[TargetState::AwaitingSeat]).await?;
        let waiting: Vec<_> = waiting.iter().map(|target| target.id).collect();
        release_seat_reasons(tx, now, &self.rng, &waiting, why)
            .await
            .map(|_| ())
    }

    async fn resume(&self, tx: &mut Tx, deployment: &Deployment, now: Timestamp) -> Result<(), DbError> {
        deployments::set_state(tx, deployment.id, DeploymentState::Active).await?;
        let live = all(tx, deployment.id, LIVE).await?;
        let fresh: Vec<_> = live.iter().map(|target| renewed(target, now)).collect();
        let pairs: Vec<_> = fresh.iter().map(|target| (target, target.state)).collect();
        targets::update_many(tx, &pairs).await?;
        let waiting = all(tx, deployment.id, &[TargetState::AwaitingSeat]).await?;
        self.claim_seats(tx, &waiting, now).await?;
        self.enqueue(tx, JobKind::Seats, deployment.app_id, now).await?;
        self.enqueue(tx, JobKind::Content, deployment.app_id, now)
            .await
            .map(|_| ())
    }

    /// What the device has been told already cannot be called back; its target ends here all the same.
    async fn cancel(&self, tx: &mut Tx, deployment: &Deployment, now: Timestamp) -> Result<(), DbError> {
        let live = all(tx, deployment.id, LIVE).await?;
        self.cancel_targets(tx, &live, None, now).await?;
        deployments::set_state(tx, deployment.id, DeploymentState::Cancelled)
            .await
            .map(|_| ())
    }

    async fn retry(&self, tx: &mut Tx, deployment: &Deployment, now: Timestamp) -> Result<(), DbError> {
        let Some(app) = apps::find(tx, deployment.app_id).await? else {
            return Ok(());
        };
        let mut again = hurry(tx, deployment, now).await?;
        let given_up = all(tx, deployment.id, GIVEN_UP).await?;
        if !given_up.is_empty() {
            deployments::set_state(tx, deployment.id, DeploymentState::Active).await?;
            again.extend(self.start_again(tx, &app, deployment, &given_up, now).await?);
        }
        self.set_off(tx, &app, &again, now).await
    }

    /// Each target from the beginning, unless its device has left, another deployment is at work on it, or a newer one
    /// wanted something else of it: then that one is the last word.
    async fn start_again(
        &self,
        tx: &mut Tx,
        app: &App,
        deployment: &Deployment,
        given_up: &[Target],
        now: Timestamp,
    ) -> Result<Vec<Target>, DbError> {
        let ids: Vec<_> = given_up.iter().map(|target| target.device_id).collect();
        let enrolled = devices::by_ids(tx, &ids).await?;
        let enrolled: HashMap<_, _> = enrolled.iter().map(|device| (device.id, device)).collect();
        let busy = targets::live_of_app(tx, app.id, &ids).await?;
        let mut taken: HashSet<_> = busy.iter().map(|target| target.device_id).collect();
        taken.extend(targets::overruled(tx, deployment, &ids).await?);
        let mut catalogue = Catalogue::default();
        let mut again = Vec::new();
        for target in given_up
            .iter()
            .filter(|t| !is_overtaken(t) && !taken.contains(&t.device_id))
        {
            let Some((device, planned)) = enrolled.get(&target.device_id).zip(afresh(target, now)) else {
                continue;
            };
            let verdict = super::verdict(tx, &mut catalogue, app, &planned, profile(device)).await?;
            let next = verdict.state().and_then(|state| moved(&planned, state, now));
            let next = next.map_or(planned, |next| verdict.dress(next));
            again.push((next, target.state));
        }
        let moved = self.move_targets(tx, &again, now).await?;
        again.retain(|(target, _)| moved.contains(&target.id));
        Ok(again.into_iter().map(|(target, _)| target).collect())
    }
}

/// The target as if it had just come into being.
fn afresh(target: &Target, now: Timestamp) -> Option<Target> {
    let planned = moved(target, TargetState::Planned, now)?;
    Some(Target {
        attempts: 0,
        error: None,
        license_accepted: false,
        ..planned
    })
}

impl Control {
    fn action(self) -> &'static str {
        match self {
            Self::Pause => "deployment.pause",
            Self::Resume => "deployment.resume",
            Self::Cancel => "deployment.cancel",
            Self::Retry => "deployment.retry",
        }
    }

    fn participle(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Retry => "retried",
        }
    }
}

/// The deployment, which nobody else controls or overtakes until the transaction ends.
async fn hold(tx: &mut Tx, id: DeploymentId) -> Result<Deployment, UseCaseError> {
    let missing = || UseCaseError::not_found("deployment", id);
    let deployment = deployments::find(tx, id).await?.ok_or_else(missing)?;
    apps::lock(tx, deployment.app_id).await?;
    deployments::find(tx, id).await?.ok_or_else(missing)
}

/// Who asks for a retry waits for none: what is spaced out is due at once. The targets that background work is to look at
/// now.
async fn hurry(tx: &mut Tx, deployment: &Deployment, now: Timestamp) -> Result<Vec<Target>, DbError> {
    let queued = all(tx, deployment.id, &[TargetState::Queued]).await?;
    let due: Vec<_> = queued
        .iter()
        .filter(|target| target.not_before.is_some())
        .map(|target| Target {
            not_before: None,
            attempts: 0,
            ..renewed(target, now)
        })
        .collect();
    let pairs: Vec<_> = due.iter().map(|target| (target, target.state)).collect();
    targets::update_many(tx, &pairs).await?;
    all(
        tx,
        deployment.id,
        &[TargetState::Planned, TargetState::AwaitingSeat],
    )
    .await
}

/// Every target of a deployment in one of the states.
async fn all(tx: &mut Tx, id: DeploymentId, states: &[TargetState]) -> Result<Vec<Target>, DbError> {
    let mut found = Vec::new();
    let mut after: Option<TargetId> = None;
    loop {
        let chunk = targets::in_states(tx, id, states, after, CHUNK).await?;
        let Some(last) = chunk.last() else {
            return Ok(found);
        };
        after = Some(last.id);
        found.extend(chunk);
    }
}
