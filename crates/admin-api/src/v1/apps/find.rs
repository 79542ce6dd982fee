//! `GET /apps/{id}`

use crate::{
    Api,
    error::ApiError,
    extract::{Segment, Viewer},
    types::{App, Problem},
    view,
};
use axum::{Json, extract::State};
use uuid::Uuid;

/// One app
#[utoipa::path(get, path = "/apps/{id}", tag = "apps", params(("id" = Uuid, Path)),
    responses((status = 200, body = App), (status = 404, body = Problem)))]
pub async fn find(
    State(api): State<Api>,
    _: Viewer,
    Segment(id): Segment<Uuid>,
) -> Result<Json<App>, ApiError> {
    Ok(Json(view::app(api.orchestrator.app(id.into()).await?)))
}
