//! `GET /deployments/{id}`

use crate::{
    Api,
    error::ApiError,
    extract::{Segment, Viewer},
    types::{Deployment, Problem},
    view,
};
use axum::{Json, extract::State};
use uuid::Uuid;

/// One deployment
#[utoipa::path(get, path = "/deployments/{id}", tag = "deployments", params(("id" = Uuid, Path)),
    responses((status = 200, body = Deployment), (status = 404, body = Problem)))]
pub async fn find(
    State(api): State<Api>,
    _: Viewer,
    Segment(id): Segment<Uuid>,
) -> Result<Json<Deployment>, ApiError> {
    Ok(Json(view::deployment(
        api.orchestrator.deployment(id.into()).await?,
    )))
}
