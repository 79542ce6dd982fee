//! `GET /deployments/{id}/targets`

use super::parse;
use crate::{
    Api,
    error::ApiError,
    extract::{Params, Segment, Viewer, page},
    types::{List, Problem, Target, TargetQuery},
    view,
};
use axum::{Json, extract::State};
use uuid::Uuid;

/// The devices of a deployment
#[utoipa::path(get, path = "/deployments/{id}/targets", tag = "deployments", params(("id" = Uuid, Path), TargetQuery),
    responses((status = 200, body = List<Target>), (status = 404, body = Problem)))]
pub async fn targets(
    State(api): State<Api>,
    _: Viewer,
    Segment(id): Segment<Uuid>,
    Params(query): Params<TargetQuery>,
) -> Result<Json<List<Target>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let state = query.state.map(|text| parse("state", &text)).transpose()?;
    Ok(Json(view::list(
        api.orchestrator
            .deployment_targets(id.into(), state, page)
            .await?,
        view::target,
    )))
}
