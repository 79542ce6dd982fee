//! `POST /enrollment-tokens`

use crate::{
    Api,
    error::ApiError,
    extract::{Body, Once, Operator},
    types::{EnrollmentTokenCreated, NewEnrollmentToken, Problem},
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use qm_orchestrator::{Caller, tokens::NewToken};
use std::time::Duration;

const WEEK: u64 = 7 * 24 * 3600;

/// Make an enrollment token
///
/// The token is the user's password at enrollment. It is shown this once; only its hash is stored.
#[utoipa::path(post, path = "/enrollment-tokens", tag = "enrollment", request_body = NewEnrollmentToken,
    params(("Idempotency-Key" = Option<String>, Header, description = "Carries a repeated request out once")),
    responses((status = 201, body = EnrollmentTokenCreated), (status = 422, body = Problem)))]
pub async fn create(
    State(api): State<Api>,
    Operator(caller): Operator,
    once: Once,
    Body(body): Body<NewEnrollmentToken>,
) -> Result<Response, ApiError> {
    let wanted = NewToken {
        upn: body.upn.clone(),
        max_uses: body.max_uses.unwrap_or(1),
        expires_in: Duration::from_secs(body.expires_in_seconds.unwrap_or(WEEK)),
    };
    let work = async |caller: &Caller| {
        let (id, token) = api.orchestrator.create_enrollment_token(caller, wanted).await?;
        Ok(EnrollmentTokenCreated {
            id: id.into(),
            token: token.into_inner(),
        })
    };
    once.run(&api, caller, &body, StatusCode::CREATED, work).await
}
