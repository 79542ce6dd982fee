//! `GET /devices/{id}`

use crate::{
    Api,
    error::ApiError,
    extract::{Segment, Viewer},
    types::{Device, Problem},
    view,
};
use axum::{Json, extract::State};
use uuid::Uuid;

/// One device
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", params(("id" = Uuid, Path)),
    responses((status = 200, body = Device), (status = 404, body = Problem)))]
pub async fn find(
    State(api): State<Api>,
    _: Viewer,
    Segment(id): Segment<Uuid>,
) -> Result<Json<Device>, ApiError> {
    Ok(Json(view::device(api.orchestrator.device(id.into()).await?)))
}
