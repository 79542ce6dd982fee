//! `POST /store/sync`

use crate::{
    Api,
    error::ApiError,
    extract::Operator,
    types::{Accepted, Problem},
};
use axum::{Json, extract::State};
use http::StatusCode;

/// Synchronize with the Store now
#[utoipa::path(post, path = "/store/sync", tag = "store",
    responses((status = 202, body = Accepted), (status = 409, body = Problem, description = "No Store is configured")))]
pub async fn sync(
    State(api): State<Api>,
    Operator(caller): Operator,
) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let id = api.orchestrator.request_store_sync(&caller).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: id.into() })))
}
