//! `GET /devices/{id}/exchanges`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Segment, Viewer, page},
    types::{Exchange, List, Paging, Problem},
    view,
};
use axum::{Json, extract::State};
use uuid::Uuid;

/// The last management messages of a device, both ways, newest first, secrets masked
#[utoipa::path(get, path = "/devices/{id}/exchanges", tag = "devices", params(("id" = Uuid, Path), Paging),
    responses((status = 200, body = List<Exchange>), (status = 404, body = Problem)))]
pub async fn exchanges(
    State(api): State<Api>,
    _: Viewer,
    Segment(id): Segment<Uuid>,
    Params(query): Params<Paging>,
) -> Result<Json<List<Exchange>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    Ok(Json(view::list(
        api.orchestrator.exchanges(id.into(), page).await?,
        view::exchange,
    )))
}
