//! `DELETE /devices/{id}`

use crate::{
    Api,
    error::ApiError,
    extract::{Admin, Params, Segment},
    types::{DeleteDevice, Problem},
};
use axum::extract::State;
use http::StatusCode;
use uuid::Uuid;

/// Unenroll a device
///
/// The device is told to leave when it calls next. `force=true` revokes its certificate at once instead.
#[utoipa::path(delete, path = "/devices/{id}", tag = "devices", params(("id" = Uuid, Path), DeleteDevice),
    responses((status = 202), (status = 404, body = Problem)))]
pub async fn delete(
    State(api): State<Api>,
    Admin(caller): Admin,
    Segment(id): Segment<Uuid>,
    Params(query): Params<DeleteDevice>,
) -> Result<StatusCode, ApiError> {
    api.orchestrator
        .remove_device(&caller, id.into(), query.force.unwrap_or(false))
        .await?;
    Ok(StatusCode::ACCEPTED)
}
