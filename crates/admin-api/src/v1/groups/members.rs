//! `PUT /groups/{id}/members`

use crate::{
    Api,
    error::ApiError,
    extract::{Body, Operator, Segment},
    types::{Group, Members, Problem},
    view,
};
use axum::{Json, extract::State};
use uuid::Uuid;

/// Replace the members of a group
///
/// Deployments that were made before keep their targets.
#[utoipa::path(put, path = "/groups/{id}/members", tag = "groups", request_body = Members, params(("id" = Uuid, Path)),
    responses((status = 200, body = Group), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn members(
    State(api): State<Api>,
    Operator(caller): Operator,
    Segment(id): Segment<Uuid>,
    Body(body): Body<Members>,
) -> Result<Json<Group>, ApiError> {
    let devices = body.device_ids.into_iter().map(Into::into).collect();
    Ok(Json(view::group(
        api.orchestrator.set_members(&caller, id.into(), devices).await?,
    )))
}
