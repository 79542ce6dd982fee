//! `POST /deployments`

use super::request;
use crate::{
    Api,
    error::ApiError,
    extract::{Body, Once, Operator},
    types::{Deployment, NewDeployment, Problem},
    view,
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use qm_orchestrator::Caller;

/// Deploy an app
#[utoipa::path(post, path = "/deployments", tag = "deployments", request_body = NewDeployment,
    params(("Idempotency-Key" = Option<String>, Header, description = "Carries a repeated request out once")),
    responses((status = 201, body = Deployment), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(api): State<Api>,
    Operator(caller): Operator,
    once: Once,
    Body(body): Body<NewDeployment>,
) -> Result<Response, ApiError> {
    let work = async |caller: &Caller| {
        let created = api
            .orchestrator
            .create_deployment(caller, request(&body)?)
            .await?;
        Ok(view::deployment(created))
    };
    once.run(&api, caller, &body, StatusCode::CREATED, work).await
}
