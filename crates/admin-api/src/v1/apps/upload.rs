//! `POST /apps/packages`

use crate::{
    Api,
    error::ApiError,
    extract::{Once, Operator},
    types::{App, Problem},
    view,
};
use axum::{
    extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State, multipart::Field},
    response::Response,
};
use http::StatusCode;
use qm_orchestrator::{
    Caller, UseCaseError,
    uploads::{Part, Upload},
};
use utoipa::ToSchema;

/// The parts of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document")]
pub struct UploadForm {
    /// The `.msix`, `.appx`, `.msixbundle` or `.appxbundle`.
    #[schema(value_type = String, format = Binary)]
    package: Vec<u8>,
    /// A framework it needs; may be repeated.
    #[schema(value_type = Option<Vec<String>>, format = Binary)]
    dependency: Option<Vec<Vec<u8>>>,
    /// The license file that `winget download` writes beside a package: makes the app `offline`.
    #[schema(value_type = Option<String>, format = Binary)]
    license: Option<Vec<u8>>,
}

/// Upload a package
///
/// Parts are streamed to the content store; a package is stored once its archive, block map and signature were verified.
/// Uploading another version of an app adds a package to it.
#[utoipa::path(post, path = "/apps/packages", tag = "apps",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    params(("Idempotency-Key" = Option<String>, Header, description = "Carries a repeated request out once")),
    responses((status = 201, body = App), (status = 413, body = Problem), (status = 422, body = Problem),
        (status = 507, body = Problem)))]
pub async fn upload(
    State(api): State<Api>,
    Operator(caller): Operator,
    once: Once,
    mut request: Request,
) -> Result<Response, ApiError> {
    // The content store counts the bytes itself while it writes them.
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &api).await;
    let mut form = form.map_err(|error| ApiError::MediaType(error.body_text()))?;
    let mut upload = api.orchestrator.begin_upload();
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|error| ApiError::Malformed(error.body_text()))?
    {
        receive(&mut upload, field).await?;
    }
    let contents = upload.contents();
    let work = async |caller: &Caller| {
        let orchestrator = &api.orchestrator;
        Ok(view::app(orchestrator.finish_upload(caller, upload).await?))
    };
    once.run(&api, caller, &contents, StatusCode::CREATED, work).await
}

async fn receive(upload: &mut Upload, mut field: Field<'_>) -> Result<(), ApiError> {
    let part = match field.name() {
        Some("package") => Part::Package,
        Some("dependency") => Part::Dependency,
        Some("license") => Part::License,
        other => return Err(unknown_part(other)),
    };
    let file_name = field.file_name().unwrap_or_default().to_owned();
    let mut writer = upload.part(part, &file_name).await?;
    while let Some(chunk) = field
        .chunk()
        .await
        .map_err(|error| ApiError::Malformed(error.body_text()))?
    {
        writer.write(&chunk).await?;
    }
    writer.finish().await?;
    Ok(())
}

fn unknown_part(name: Option<&str>) -> ApiError {
    let problem = format!(
        "`{}` is no part of an upload: package, dependency and license are",
        name.unwrap_or("")
    );
    UseCaseError::Invalid {
        field: "form",
        problem,
    }
    .into()
}
