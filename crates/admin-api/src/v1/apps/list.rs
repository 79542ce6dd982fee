//! `GET /apps`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Viewer, page},
    types::{App, AppQuery, List},
    view,
};
use axum::{Json, extract::State};

/// The catalogue
#[utoipa::path(get, path = "/apps", tag = "apps", params(AppQuery), responses((status = 200, body = List<App>)))]
pub async fn list(
    State(api): State<Api>,
    _: Viewer,
    Params(query): Params<AppQuery>,
) -> Result<Json<List<App>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let apps = api
        .orchestrator
        .apps(query.license.as_deref(), query.q.as_deref(), page)
        .await?;
    Ok(Json(view::list(apps, view::app)))
}
