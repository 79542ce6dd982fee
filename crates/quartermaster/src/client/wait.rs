//! `--wait`: follows a deployment until nothing more will happen by itself.

use super::{ClientError, api::Api, deployments::counts, text};
use crate::output;
use qm_admin_api::types::Deployment;
use qm_core::deployment::{DeploymentState, TargetState};
use serde::Deserialize as _;
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;

/// Time between two looks.
pub const INTERVAL: Duration = Duration::from_secs(2);
/// So many looks in a row may fail before the wait is given up: a restarting server is waited for.
const PATIENCE: u32 = 15;

/// Looks at a deployment until it is completed or cancelled; tells on stderr which one it is and what changed.
pub async fn until_over(api: &Api, deployment: &Value, interval: Duration) -> Result<Value, ClientError> {
    let mut now = deployment.clone();
    let mut told = String::new();
    let mut failures = 0;
    loop {
        let seen = read(&now)?;
        let progress = format!(
            "Deployment {} is {}: {}",
            seen.id,
            text::line(&seen.state),
            text::line(&counts(&seen))
        );
        if progress != told {
            output::note(&progress);
            told = progress;
        }
        if is_over(&seen) {
            return Ok(now);
        }
        sleep(interval).await;
        match api.get(&["deployments", &seen.id.to_string()]).await {
            Ok(next) => (now, failures) = (next, 0),
            Err(error) if error.may_pass() && failures < PATIENCE => failures += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The devices that a finished deployment did not reach, as an error. A device that the app does not fit is none.
pub fn shortfall(deployment: &Value) -> Result<Option<ClientError>, ClientError> {
    let Deployment {
        id, state, counts, ..
    } = read(deployment)?;
    let missed =
        [TargetState::Failed, TargetState::Cancelled].map(|state| counts.get(state.as_str()).copied());
    let missed = missed.into_iter().flatten().sum();
    let targets = counts.values().sum();
    let fell_short = missed > 0 || state != DeploymentState::Completed.as_str();
    Ok(fell_short.then(|| ClientError::NotEverywhere {
        id,
        state: text::line(&state),
        missed,
        targets,
    }))
}

fn read(deployment: &Value) -> Result<Deployment, ClientError> {
    Deployment::deserialize(deployment).map_err(ClientError::Answer)
}

fn is_over(deployment: &Deployment) -> bool {
    let over = [DeploymentState::Completed, DeploymentState::Cancelled];
    over.iter().any(|state| state.as_str() == deployment.state)
}
