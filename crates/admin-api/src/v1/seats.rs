//! `GET /licenses/seats`

use crate::{
    Api,
    error::ApiError,
    extract::{Params, Viewer, page},
    types::{List, Seat, SeatQuery},
    view,
};
use axum::{Json, extract::State};

/// The seat ledger
///
/// Who holds a seat of which online-licensed app, and why.
#[utoipa::path(get, path = "/licenses/seats", tag = "licenses", params(SeatQuery),
    responses((status = 200, body = List<Seat>)))]
pub async fn list(
    State(api): State<Api>,
    _: Viewer,
    Params(query): Params<SeatQuery>,
) -> Result<Json<List<Seat>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    let seats = api
        .orchestrator
        .seats(query.app_id.map(Into::into), query.upn.as_deref(), page)
        .await?;
    Ok(Json(view::list(seats, view::seat)))
}
