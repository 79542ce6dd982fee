//! `POST /deployments/{id}/pause`, `/resume`, `/cancel`, `/retry`

use crate::{
    Api,
    error::ApiError,
    extract::{Operator, Segment},
    types::{Deployment, Problem},
    view,
};
use axum::{Json, extract::State};
use qm_orchestrator::deployments::Control;
use uuid::Uuid;

/// Pause a deployment: nothing new is sent or assigned
#[utoipa::path(post, path = "/deployments/{id}/pause", tag = "deployments", params(("id" = Uuid, Path)),
    responses((status = 200, body = Deployment), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn pause(api: State<Api>, by: Operator, id: Segment<Uuid>) -> Result<Json<Deployment>, ApiError> {
    apply(api, by, id, Control::Pause).await
}

/// Go on with a paused deployment
#[utoipa::path(post, path = "/deployments/{id}/resume", tag = "deployments", params(("id" = Uuid, Path)),
    responses((status = 200, body = Deployment), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn resume(api: State<Api>, by: Operator, id: Segment<Uuid>) -> Result<Json<Deployment>, ApiError> {
    apply(api, by, id, Control::Resume).await
}

/// Cancel a deployment: what is not final is cancelled, its seats are given back
#[utoipa::path(post, path = "/deployments/{id}/cancel", tag = "deployments", params(("id" = Uuid, Path)),
    responses((status = 200, body = Deployment), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn cancel(api: State<Api>, by: Operator, id: Segment<Uuid>) -> Result<Json<Deployment>, ApiError> {
    apply(api, by, id, Control::Cancel).await
}

/// Start failed, cancelled and not applicable targets again
#[utoipa::path(post, path = "/deployments/{id}/retry", tag = "deployments", params(("id" = Uuid, Path)),
    responses((status = 200, body = Deployment), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn retry(api: State<Api>, by: Operator, id: Segment<Uuid>) -> Result<Json<Deployment>, ApiError> {
    apply(api, by, id, Control::Retry).await
}

async fn apply(
    State(api): State<Api>,
    Operator(caller): Operator,
    Segment(id): Segment<Uuid>,
    control: Control,
) -> Result<Json<Deployment>, ApiError> {
    Ok(Json(view::deployment(
        api.orchestrator
            .control_deployment(&caller, id.into(), control)
            .await?,
    )))
}
