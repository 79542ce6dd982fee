//! `GET /deployments`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Viewer, page},
    types::{Deployment, List, Paging},
    view,
};
use axum::{Json, extract::State};

/// Deployments, newest first
#[utoipa::path(get, path = "/deployments", tag = "deployments", params(Paging), responses((status = 200, body = List<Deployment>)))]
pub async fn list(
    State(api): State<Api>,
    _: Viewer,
    Params(query): Params<Paging>,
) -> Result<Json<List<Deployment>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    Ok(Json(view::list(
        api.orchestrator.deployments(page).await?,
        view::deployment,
    )))
}
