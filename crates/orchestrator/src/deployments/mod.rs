//! Deployments: plan, create, control, show.

mod control;
mod create;
mod plan;
mod rollout;
mod verdict;

pub use control::Control;
pub(crate) use create::is_overtaken;
pub use plan::{Plan, PlannedCommand};
pub(crate) use verdict::{Verdict, verdict};

use crate::{Orchestrator, UseCaseError};
use qm_core::{
    AppId, DeploymentId, DeviceId, GroupId, Page, PageRequest,
    deployment::{Context, Deployment, Intent, Target, TargetState},
};
use qm_db::{deployments, targets};
use std::collections::BTreeMap;

/// What an administrator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which app.
    pub app_id: AppId,
    /// What is meant.
    pub intent: Intent,
    /// In which scope.
    pub context: Context,
    /// Devices.
    pub device_ids: Vec<DeviceId>,
    /// Groups of devices.
    pub group_ids: Vec<GroupId>,
    /// Users: all their devices.
    pub upns: Vec<String>,
}

/// A deployment with the counts of its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentDetail {
    /// The deployment.
    pub deployment: Deployment,
    /// How many targets are in which state.
    pub counts: BTreeMap<TargetState, i64>,
}

impl Orchestrator {
    /// All deployments, newest first.
    pub async fn deployments(&self, page: PageRequest) -> Result<Page<DeploymentDetail>, UseCaseError> {
        let mut conn = self.db.read().await?;
        let found = deployments::list(&mut conn, page).await?;
        let ids: Vec<_> = found.items.iter().map(|deployment| deployment.id).collect();
        let mut counts = deployments::counts_of(&mut conn, &ids).await?;
        Ok(found.map(|deployment| DeploymentDetail {
            counts: counts.remove(&deployment.id).unwrap_or_default(),
            deployment,
        }))
    }

    /// One deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<DeploymentDetail, UseCaseError> {
        let mut conn = self.db.read().await?;
        let deployment = deployments::find(&mut conn, id).await?;
        let deployment = deployment.ok_or_else(|| UseCaseError::not_found("deployment", id))?;
        let counts = deployments::counts(&mut conn, id).await?;
        Ok(DeploymentDetail { deployment, counts })
    }

    /// The targets of a deployment.
    pub async fn deployment_targets(
        &self,
        id: DeploymentId,
        state: Option<TargetState>,
        page: PageRequest,
    ) -> Result<Page<Target>, UseCaseError> {
        let mut conn = self.db.read().await?;
        if deployments::find(&mut conn, id).await?.is_none() {
            return Err(UseCaseError::not_found("deployment", id));
        }
        Ok(targets::list(&mut conn, id, state, page).await?)
    }
}
