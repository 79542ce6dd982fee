//! `GET /audit`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Viewer, page},
    types::{AuditEntry, List, Paging},
    view,
};
use axum::{Json, extract::State};

/// Who did what, when, from where
#[utoipa::path(get, path = "/audit", tag = "audit", params(Paging), responses((status = 200, body = List<AuditEntry>)))]
pub async fn list(
    State(api): State<Api>,
    _: Viewer,
    Params(query): Params<Paging>,
) -> Result<Json<List<AuditEntry>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    Ok(Json(view::list(
        api.orchestrator.audit_trail(page).await?,
        view::audit,
    )))
}
