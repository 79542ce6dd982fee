//! Deployments.

pub mod control;
pub mod create;
pub mod find;
pub mod list;
pub mod plan;
pub mod targets;

use crate::{error::ApiError, types::NewDeployment};
use qm_orchestrator::{UseCaseError, deployments::Request};
use std::str::FromStr;

/// Reads the body of a deployment or plan.
fn request(body: &NewDeployment) -> Result<Request, ApiError> {
    let targets = body.targets.clone();
    Ok(Request {
        app_id: body.app_id.into(),
        intent: parse("intent", &body.intent)?,
        context: parse("context", &body.context)?,
        device_ids: targets
            .device_ids
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        group_ids: targets
            .group_ids
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        upns: targets.upns.unwrap_or_default(),
    })
}

fn parse<T: FromStr<Err = qm_core::text_enum::UnknownVariant>>(
    field: &'static str,
    text: &str,
) -> Result<T, ApiError> {
    text.parse().map_err(|error: T::Err| {
        UseCaseError::Invalid {
            field,
            problem: error.to_string(),
        }
        .into()
    })
}
