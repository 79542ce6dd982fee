//! `GET /devices`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Viewer, page},
    types::{Device, DeviceQuery, List},
    view,
};
use axum::{Json, extract::State};
use qm_orchestrator::devices::Filter;

/// Devices, newest enrollment first
#[utoipa::path(get, path = "/devices", tag = "devices", params(DeviceQuery), responses((status = 200, body = List<Device>)))]
pub async fn list(
    State(api): State<Api>,
    _: Viewer,
    Params(query): Params<DeviceQuery>,
) -> Result<Json<List<Device>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let filter = Filter {
        upn: query.upn,
        state: query.state,
        q: query.q,
    };
    Ok(Json(view::list(
        api.orchestrator.devices(filter, page).await?,
        view::device,
    )))
}
