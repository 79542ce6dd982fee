//! `/healthz`, `/readyz`, `/metrics`.

use crate::Api;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

/// The process is alive.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The server can do its work: it is not about to stop, and the database answers and can be written.
pub async fn ready(State(api): State<Api>) -> Response {
    if api.orchestrator.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n").into_response();
    }
    match api.orchestrator.check_database().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            let headers = [(header::RETRY_AFTER, "10")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, format!("{error}\n")).into_response()
        }
    }
}

/// Prometheus' text format.
pub async fn metrics(State(api): State<Api>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        (api.metrics)(),
    )
        .into_response()
}
