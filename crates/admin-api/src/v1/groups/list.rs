//! `GET /groups`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Viewer, page},
    types::{Group, List, Paging},
    view,
};
use axum::{Json, extract::State};

/// Groups with their members
#[utoipa::path(get, path = "/groups", tag = "groups", params(Paging), responses((status = 200, body = List<Group>)))]
pub async fn list(
    State(api): State<Api>,
    _: Viewer,
    Params(query): Params<Paging>,
) -> Result<Json<List<Group>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    Ok(Json(view::list(
        api.orchestrator.groups(page).await?,
        view::group,
    )))
}
