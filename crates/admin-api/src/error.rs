//! Errors as problem documents (RFC 9457), mapped in this one place.

use crate::types::Problem;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use qm_orchestrator::UseCaseError;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No token, or one that is not known.
    #[error(
        "give a valid API token: `Authorization: Bearer TOKEN` (make one with `quartermaster token create`)"
    )]
    Unauthenticated,
    /// The token's role is too low.
    #[error("this needs the role `{needed}`; the token has `{has}`")]
    Forbidden {
        /// The role that may.
        needed: qm_core::access::Role,
        /// The role of the token.
        has: qm_core::access::Role,
    },
    /// The body, path or query cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The body is not JSON by its media type.
    #[error("{0}")]
    MediaType(String),
    /// The body is too large.
    #[error("{0}")]
    TooLarge(String),
    /// The body came too slowly.
    #[error("the body was not there within {0} seconds; nothing was done, send it again")]
    TooSlow(u64),
    /// No such address.
    #[error("there is nothing at this address; see /api/v1/openapi.json for what there is")]
    NoRoute,
    /// No such method at this address.
    #[error("this address does not take this method; see /api/v1/openapi.json")]
    Method,
    /// A use case refused.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) | Self::UseCase(UseCaseError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoute | Self::UseCase(UseCaseError::NotFound { .. }) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::UseCase(UseCaseError::Full) => StatusCode::INSUFFICIENT_STORAGE,
            Self::UseCase(UseCaseError::Conflict(_)) => StatusCode::CONFLICT,
            Self::UseCase(UseCaseError::Invalid { .. } | UseCaseError::Package { .. }) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::UseCase(UseCaseError::TooManyFailures(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::UseCase(UseCaseError::Unavailable(error)) if error.may_pass() => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UseCase(UseCaseError::Unavailable(_) | UseCaseError::Internal(_)) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden { .. } => "forbidden",
            Self::Malformed(_) => "malformed-request",
            Self::MediaType(_) => "unsupported-media-type",
            Self::TooLarge(_) | Self::UseCase(UseCaseError::TooLarge { .. }) => "too-large",
            Self::TooSlow(_) => "too-slow",
            Self::NoRoute | Self::UseCase(UseCaseError::NotFound { .. }) => "not-found",
            Self::Method => "method-not-allowed",
            Self::UseCase(UseCaseError::Full) => "storage-full",
            Self::UseCase(UseCaseError::Conflict(_)) => "conflict",
            Self::UseCase(UseCaseError::Invalid { .. }) => "invalid",
            Self::UseCase(UseCaseError::Package { .. }) => "invalid-package",
            Self::UseCase(UseCaseError::TooManyFailures(_)) => "too-many-failures",
            Self::UseCase(UseCaseError::Unavailable(error)) if error.may_pass() => "unavailable",
            Self::UseCase(UseCaseError::Unavailable(_) | UseCaseError::Internal(_)) => "internal",
        }
    }

    /// In how many seconds the same request may go better.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::UseCase(UseCaseError::TooManyFailures(wait)) => Some(wait.seconds()),
            Self::UseCase(UseCaseError::Unavailable(error)) if error.may_pass() => Some(10),
            _ => None,
        }
    }

    /// What went wrong inside is for the log, not for the caller.
    fn detail(&self) -> String {
        match self {
            Self::UseCase(UseCaseError::Unavailable(error)) if error.may_be_stored() => error.to_string(),
            Self::UseCase(UseCaseError::Unavailable(error)) if error.may_pass() => {
                tracing::warn!(%error, "a request has to come again");
                "the database is not available at the moment; try again".to_owned()
            }
            Self::UseCase(UseCaseError::Unavailable(error)) => {
                tracing::error!(%error, "the database refused a statement");
                INSIDE.to_owned()
            }
            Self::UseCase(UseCaseError::Internal(error)) => {
                tracing::error!(%error, "a request failed");
                INSIDE.to_owned()
            }
            other => other.to_string(),
        }
    }
}

const INSIDE: &str = "the server could not do this; its log says why";

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let problem = Problem {
            kind: format!("urn:quartermaster:problem:{}", self.kind()),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
