//! `GET /apps/{id}/icon`

use crate::{Api, error::ApiError, extract::Segment, types::Problem};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use uuid::Uuid;

/// The icon of an app
///
/// No token is needed, so that pages can show it.
#[utoipa::path(get, path = "/apps/{id}/icon", tag = "apps", security(()), params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "image/png"), (status = 404, body = Problem)))]
pub async fn icon(State(api): State<Api>, Segment(id): Segment<Uuid>) -> Result<Response, ApiError> {
    let icon = api.orchestrator.app_icon(id.into()).await?;
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(icon.media_type)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=86400"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    Ok((headers, icon.bytes).into_response())
}
