//! The OpenAPI 3.1 document, generated from the handlers.

use crate::{Api, v1};
use axum::Router;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quartermaster admin API",
        description = "Enrollment tokens, devices, the app catalogue, deployments and the seat ledger of a Quartermaster server. \
                       Errors are problem documents (RFC 9457). Lists are paged: give `next_cursor` back as `cursor`. A `POST` that \
                       creates takes an `Idempotency-Key`."
    ),
    servers((url = "/api/v1")),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}

/// The routes and their document.
pub(crate) fn split() -> (Router<Api>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(v1::routes())
        .split_for_parts()
}

/// The document as pretty JSON with a final line break, as `schemas/openapi.json` holds it.
pub fn document() -> String {
    let (_, document) = split();
    let json = serde_json::to_string_pretty(&document).unwrap_or_default();
    json + "\n"
}
