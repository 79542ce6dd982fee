//! `Idempotency-Key`: the same request with the same key is carried out once and answered the same.

use crate::{Api, error::ApiError};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use qm_orchestrator::{
    Caller, UseCaseError,
    idempotency::{Claim, Stored},
};
use serde::Serialize;

/// The key of a request, if it has one.
pub struct Once {
    key: Option<String>,
    route: String,
}

impl FromRequestParts<Api> for Once {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let key = parts.headers.get("idempotency-key").map(readable).transpose()?;
        Ok(Self {
            key,
            route: format!("{} {}", parts.method, parts.uri.path()),
        })
    }
}

impl Once {
    /// Carries out `work` unless an earlier request with this key did; answers with `status` and the JSON of its
    /// outcome. `request` is what must be the same for the key to mean the same. `work` gets the caller to act for.
    pub async fn run<T: Serialize>(
        self,
        api: &Api,
        caller: Caller,
        request: &impl Serialize,
        status: StatusCode,
        work: impl AsyncFnOnce(&Caller) -> Result<T, ApiError>,
    ) -> Result<Response, ApiError> {
        let Some(key) = self.key else {
            return Ok(answer(status, to_json(&work(&caller).await?)?));
        };
        let request = format!("{}\n{}", self.route, to_json(request)?);
        let caller = match api.orchestrator.claim_key(&caller, &key, &request).await? {
            Claim::Ours(caller) => caller,
            Claim::Answered(Stored { status, body }) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                return Ok(answer(status, body));
            }
        };
        let done = match work(&caller).await {
            Ok(done) => done,
            Err(error) => {
                api.orchestrator.release_key(&caller).await?;
                return Err(error);
            }
        };
        let stored = Stored {
            status: status.as_u16(),
            body: to_json(&done)?,
        };
        api.orchestrator.store_answer(&caller, &stored).await?;
        Ok(answer(status, stored.body))
    }
}

/// A key that can be kept and compared.
fn readable(value: &HeaderValue) -> Result<String, ApiError> {
    let key = value.to_str().unwrap_or_default();
    if (1..=255).contains(&key.len()) {
        return Ok(key.to_owned());
    }
    Err(UseCaseError::Invalid {
        field: "Idempotency-Key",
        problem: "must have 1 to 255 ASCII characters".to_owned(),
    }
    .into())
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
