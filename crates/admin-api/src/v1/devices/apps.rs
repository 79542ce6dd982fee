//! `GET /devices/{id}/apps`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Segment, Viewer, page},
    types::{DeviceApp, List, Paging, Problem},
    view,
};
use axum::{Json, extract::State};
use uuid::Uuid;

/// The app inventory of a device
#[utoipa::path(get, path = "/devices/{id}/apps", tag = "devices", params(("id" = Uuid, Path), Paging),
    responses((status = 200, body = List<DeviceApp>), (status = 404, body = Problem)))]
pub async fn apps(
    State(api): State<Api>,
    _: Viewer,
    Segment(id): Segment<Uuid>,
    Params(query): Params<Paging>,
) -> Result<Json<List<DeviceApp>>, ApiError> {
    let limit = page(query.limit, None)?.limit;
    let (items, next_cursor) = api
        .orchestrator
        .device_apps(id.into(), limit, query.cursor.as_deref())
        .await?;
    Ok(Json(List {
        items: items.into_iter().map(view::device_app).collect(),
        next_cursor,
    }))
}
