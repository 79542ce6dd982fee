//! `Idempotency-Key`: the same request with the same key is carried out once and answered the same.

use crate::{Api, error::ApiError};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use qm_orchestrator::{Caller, UseCaseError, idempotency::Stored};
use serde::Serialize;

/// The key of a request, if it has one.
pub struct Once {
    key: Option<String>,
    route: String,
}

impl FromRequestParts<Api> for Once {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let key = parts
            .headers
            .get("idempotency-key")
            .map(|value| value.to_str().map(str::to_owned));
        let key = key.transpose().ok().flatten();
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 255) {
            let problem = "must have 1 to 255 characters".to_owned();
            return Err(UseCaseError::Invalid {
                field: "Idempotency-Key",
                problem,
            }
            .into());
        }
        Ok(Self {
            key,
            route: format!("{} {}", parts.method, parts.uri.path()),
        })
    }
}

impl Once {
    /// Carries out `work` unless an earlier request with this key did; answers with `status` and the JSON of its
    /// outcome. `request` is what must be the same for the key to mean the same.
    pub async fn run<T: Serialize>(
        self,
        api: &Api,
        caller: &Caller,
        request: &impl Serialize,
        status: StatusCode,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<Response, ApiError> {
        let Some(key) = self.key else {
            return Ok(answer(status, to_json(&work.await?)?));
        };
        let request = format!("{}\n{}", self.route, to_json(request)?);
        if let Some(Stored { status, body }) = api.orchestrator.stored_answer(caller, &key, &request).await? {
            return Ok(answer(
                StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
                body,
            ));
        }
        let body = to_json(&work.await?)?;
        let stored = Stored {
            status: status.as_u16(),
            body,
        };
        api.orchestrator
            .store_answer(caller, &key, &request, &stored)
            .await?;
        Ok(answer(status, stored.body))
    }
}

fn to_json(value: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|error| UseCaseError::Internal(error.to_string()).into())
}

fn answer(status: StatusCode, body: String) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response()
}
