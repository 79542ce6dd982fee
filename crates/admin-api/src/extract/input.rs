//! Bodies, queries and path segments; what cannot be read is told in a problem document.

use crate::{JSON_LIMIT, error::ApiError};
use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
};
use http::{header, request::Parts};
use qm_core::{BadPage, PageRequest};
use qm_orchestrator::UseCaseError;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// The time for a JSON body: one that trickles holds no connection for ever.
const BODY_TIME: Duration = Duration::from_mins(1);

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if announced(&request) > JSON_LIMIT {
            return Err(ApiError::TooLarge(format!(
                "the body is larger than {JSON_LIMIT} bytes"
            )));
        }
        match timeout(BODY_TIME, Json::<T>::from_request(request, state)).await {
            Ok(Ok(Json(value))) => Ok(Self(value)),
            Ok(Err(error)) => Err(rejected(&error)),
            Err(_) => Err(ApiError::TooSlow(BODY_TIME.as_secs())),
        }
    }
}

/// How large the body will be, where the request says so.
fn announced(request: &Request) -> usize {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn rejected(error: &JsonRejection) -> ApiError {
    let text = error.body_text();
    match error {
        JsonRejection::MissingJsonContentType(_) => ApiError::MediaType(text),
        JsonRejection::BytesRejection(_) if error.status() == http::StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::TooLarge(text)
        }
        _ => ApiError::Malformed(text),
    }
}

/// A query string.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(value)| Self(value))
            .map_err(|error| ApiError::Malformed(error.body_text()))
    }
}

/// The ids of a path. An id that cannot exist is not found.
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|_| ApiError::NoRoute)
    }
}

/// Checks `limit` and `cursor`.
pub fn page(limit: Option<u32>, cursor: Option<&str>) -> Result<PageRequest, ApiError> {
    PageRequest::read(limit, cursor).map_err(|bad| {
        let field = match bad {
            BadPage::Limit => "limit",
            BadPage::Cursor => "cursor",
        };
        UseCaseError::Invalid {
            field,
            problem: bad.to_string(),
        }
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body as Sent;
    use futures_util::{StreamExt as _, stream};
    use serde_json::Value;
    use std::io::Error;

    async fn read(body: Sent) -> Result<Body<Value>, ApiError> {
        let request = http::Request::post("/").header(header::CONTENT_TYPE, "application/json");
        Body::from_request(request.body(body).unwrap(), &()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let blanks = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Some((Ok::<_, Error>(" "), ()))
        });
        let trickling = read(Sent::from_stream(blanks.boxed())).await;
        assert!(matches!(trickling, Err(ApiError::TooSlow(60))));
        let parts = stream::iter(["[", "]"].map(Ok::<_, Error>));
        assert!(read(Sent::from_stream(parts)).await.is_ok());
    }

    #[test]
    fn limits_and_cursors_are_checked() {
        assert_eq!(page(None, None).unwrap(), PageRequest::first(100));
        assert!(page(Some(0), None).is_err());
        assert!(page(Some(501), None).is_err());
        assert!(page(None, Some("../x")).is_err());
        let id = "0190d3a0-0000-7000-8000-000000000000";
        assert_eq!(page(Some(1), Some(id)).unwrap().after, Some(id.parse().unwrap()));
    }
}
