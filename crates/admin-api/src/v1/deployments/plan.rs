//! `POST /deployments/plan`

use super::request;
use crate::{
    Api,
    error::ApiError,
    extract::{Body, Viewer},
    types::{NewDeployment, Plan, PlanRefusal, PlannedCommand, Problem},
};
use axum::{Json, extract::State};
use qm_orchestrator::deployments;

/// What a deployment would do
///
/// Changes nothing.
#[utoipa::path(post, path = "/deployments/plan", tag = "deployments", request_body = NewDeployment,
    responses((status = 200, body = Plan), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn plan(
    State(api): State<Api>,
    _: Viewer,
    Body(body): Body<NewDeployment>,
) -> Result<Json<Plan>, ApiError> {
    Ok(Json(shown(
        api.orchestrator.plan_deployment(request(&body)?).await?,
    )))
}

fn shown(plan: deployments::Plan) -> Plan {
    let refusal = |(device, reason)| PlanRefusal {
        device_id: qm_core::DeviceId::into(device),
        reason,
    };
    let command = |c: deployments::PlannedCommand| PlannedCommand {
        verb: c.verb.to_string(),
        uri: c.uri,
        data: c.data,
    };
    Plan {
        targets: plan.targets,
        not_applicable: plan.not_applicable.into_iter().map(refusal).collect(),
        seats_needed: plan.seats_needed,
        seats_available: plan.seats_available,
        bytes_per_device: plan.bytes_per_device,
        commands: plan.commands.into_iter().map(command).collect(),
    }
}
