//! `POST /groups`

use crate::{
    Api,
    error::ApiError,
    extract::{Body, Once, Operator},
    types::{Group, NewGroup, Problem},
    view,
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use qm_orchestrator::Caller;

/// Make a group
#[utoipa::path(post, path = "/groups", tag = "groups", request_body = NewGroup,
    params(("Idempotency-Key" = Option<String>, Header, description = "Carries a repeated request out once")),
    responses((status = 201, body = Group), (status = 409, body = Problem)))]
pub async fn create(
    State(api): State<Api>,
    Operator(caller): Operator,
    once: Once,
    Body(body): Body<NewGroup>,
) -> Result<Response, ApiError> {
    let work = async |caller: &Caller| {
        Ok(view::group(
            api.orchestrator.create_group(caller, &body.name).await?,
        ))
    };
    once.run(&api, caller, &body, StatusCode::CREATED, work).await
}
