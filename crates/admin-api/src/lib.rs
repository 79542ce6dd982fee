//! The admin API: HTTP routes of `/api/v1`, the types that go through it, and its OpenAPI document.
//!
//! What it is not: it decides nothing and knows no SQL. A handler reads its input, checks the caller's role by the
//! extractor it names, calls one use case of `qm-orchestrator` and shows the result. Every error is a problem document.
//!
//! One file for each endpoint below [`v1`]; [`routes`] lists them all. [`types`] is shared with the command-line client.

mod error;
mod extract;
mod health;
mod linger;
mod openapi;
pub mod types;
mod v1;
mod view;

pub use openapi::document;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    response::{IntoResponse as _, Response},
    routing,
};
use error::ApiError;
use qm_orchestrator::{Orchestrator, UseCaseError};
use std::{any::Any, sync::Arc};
use tower_http::catch_panic::CatchPanicLayer;

/// Renders the metrics in Prometheus' text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Api {
    pub orchestrator: Arc<Orchestrator>,
    pub metrics: Metrics,
}

/// The largest JSON body in bytes; uploads have a limit of their own.
const JSON_LIMIT: usize = 16 * 1024 * 1024;

/// All routes of the admin listener.
pub fn routes(orchestrator: Arc<Orchestrator>, metrics: Metrics) -> Router {
    let api = Api {
        orchestrator,
        metrics,
    };
    let (v1, document) = openapi::split();
    Router::new()
        .nest("/api/v1", v1)
        .route(
            "/api/v1/openapi.json",
            routing::get(move || async move { axum::Json(document) }),
        )
        .route("/healthz", routing::get(health::alive))
        .route("/readyz", routing::get(health::ready))
        .route("/metrics", routing::get(health::metrics))
        .fallback(|| async { ApiError::NoRoute.into_response() })
        .method_not_allowed_fallback(|| async { ApiError::Method.into_response() })
        .layer(middleware::from_fn(extract::log_request))
        .layer(DefaultBodyLimit::max(JSON_LIMIT))
        .layer(middleware::from_fn(linger::linger))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(api)
}

/// A panic stops nothing else, and the caller learns nothing of it; the log has it from the panic hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    ApiError::from(UseCaseError::Internal("a handler panicked".to_owned())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_panic_is_a_problem_document_without_particulars() {
        let routes = Router::new()
            .route("/", routing::get(async || -> () { panic!("secret particulars") }))
            .layer(CatchPanicLayer::custom(panicked));
        let request = http::Request::get("/").body(Body::empty()).unwrap();
        let response = routes.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("particulars"));
    }
}
