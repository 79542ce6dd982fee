//! `/devices/{id}/commands`: queue one, list them, read one.

use crate::{
    Api,
    error::ApiError,
    extract::{Body, Once, Operator, Params, Segment, Viewer, page},
    types::{Command, CommandAccepted, List, NewCommand, Paging, Problem},
    view,
};
use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use qm_orchestrator::{Caller, commands::Request};
use uuid::Uuid;

/// Queue a command
///
/// It leaves when the device calls next; commands for `./User` nodes wait until the enrolled user is signed in.
#[utoipa::path(post, path = "/devices/{id}/commands", tag = "commands", request_body = NewCommand,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, description = "Carries a repeated request out once")),
    responses((status = 202, body = CommandAccepted), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    State(api): State<Api>,
    Operator(caller): Operator,
    once: Once,
    Segment(id): Segment<Uuid>,
    Body(body): Body<NewCommand>,
) -> Result<Response, ApiError> {
    let request = Request {
        verb: body.verb.clone(),
        uri: body.uri.clone(),
        format: body.format.clone(),
        media_type: body.media_type.clone(),
        data: body.data.clone(),
    };
    let work = async |caller: &Caller| {
        let command = api.orchestrator.queue_command(caller, id.into(), request).await?;
        Ok(CommandAccepted {
            id: command.id.into(),
            state: command.state.to_string(),
        })
    };
    once.run(&api, caller, &body, StatusCode::ACCEPTED, work).await
}

/// Commands of a device, newest first
#[utoipa::path(get, path = "/devices/{id}/commands", tag = "commands", params(("id" = Uuid, Path), Paging),
    responses((status = 200, body = List<Command>), (status = 404, body = Problem)))]
pub async fn list(
    State(api): State<Api>,
    _: Viewer,
    Segment(id): Segment<Uuid>,
    Params(query): Params<Paging>,
) -> Result<Json<List<Command>>, ApiError> {
    let page = page(query.limit, query.cursor.as_deref())?;
    Ok(Json(view::list(
        api.orchestrator.commands(id.into(), page).await?,
        view::command,
    )))
}

/// One command and what came of it
#[utoipa::path(get, path = "/devices/{id}/commands/{command_id}", tag = "commands",
    params(("id" = Uuid, Path), ("command_id" = Uuid, Path)),
    responses((status = 200, body = Command), (status = 404, body = Problem)))]
pub async fn find(
    State(api): State<Api>,
    _: Viewer,
    Segment((id, command_id)): Segment<(Uuid, Uuid)>,
) -> Result<Json<Command>, ApiError> {
    Ok(Json(view::command(
        api.orchestrator.command(id.into(), command_id.into()).await?,
    )))
}
