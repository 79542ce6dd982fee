//! The HTTP routes that Windows devices use: enrollment, the management session, package content.
//!
//! What it is not: it decides nothing. Each handler checks media type and size, decodes, calls one use case of
//! `qm-orchestrator`, encodes. TLS and client certificates are the binary's affair; it hands a fingerprint over as
//! the request extension [`ClientCertificate`].
//!
//! Start with [`enrollment_routes`] (discovery, policy, enrollment, content) and [`management_routes`].

mod content;
mod enrollment;
mod manage;
mod path;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::{IntoResponse as _, Response},
    routing,
};
use http::{StatusCode, header};
use qm_core::Sha256;
use qm_orchestrator::{Orchestrator, TooManyFailures};
use std::{sync::Arc, time::Duration};
use tower_http::{catch_panic::CatchPanicLayer, limit::RequestBodyLimitLayer, timeout::TimeoutLayer};

/// The fingerprint of the certificate that the TLS handshake verified.
#[derive(Clone)]
pub struct ClientCertificate(pub Sha256);

/// The largest enrollment message in bytes; real ones have about 8 KiB.
const ENROLLMENT_LIMIT: usize = 256 * 1024;
/// The largest management message in bytes.
const MANAGEMENT_LIMIT: usize = 8 * 1024 * 1024;

/// The time for an enrollment message, from its header to the answer; devices wait about as long.
const ENROLLMENT_TIME: Duration = Duration::from_secs(30);
/// The time for a management message; large results come over slow links.
const MANAGEMENT_TIME: Duration = Duration::from_mins(2);

/// Routes of the enrollment listener, which never asks for a client certificate.
pub fn enrollment_routes(orchestrator: Arc<Orchestrator>) -> Router {
    let routes = Router::new()
        .route(
            path::DISCOVERY,
            routing::get(enrollment::probe).post(enrollment::discover),
        )
        .route(path::POLICY, routing::post(enrollment::policies))
        .route(path::ENROLLMENT, routing::post(enrollment::enroll))
        .route("/content/{sha256}/{file_name}", routing::get(content::serve))
        .layer(RequestBodyLimitLayer::new(ENROLLMENT_LIMIT))
        .layer(DefaultBodyLimit::disable())
        .with_state(orchestrator);
    finished(in_time(routes, ENROLLMENT_TIME))
}

/// Routes of the management listener.
pub fn management_routes(orchestrator: Arc<Orchestrator>) -> Router {
    let routes = Router::new()
        .route(path::MANAGEMENT, routing::post(manage::check_in))
        .layer(RequestBodyLimitLayer::new(MANAGEMENT_LIMIT))
        .layer(DefaultBodyLimit::disable())
        .with_state(orchestrator);
    finished(in_time(routes, MANAGEMENT_TIME))
}

/// The database is not available: nothing was done, and the same may be asked again in a minute.
fn come_again() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")]).into_response()
}

/// The answer to whoever has guessed too often: no SOAP, since nothing of the request was looked at.
fn later(wait: TooManyFailures) -> Response {
    let seconds = wait.seconds().to_string();
    (
        StatusCode::TOO_MANY_REQUESTS,
        [(header::RETRY_AFTER, seconds)],
        wait.to_string(),
    )
        .into_response()
}

/// A client that never ends its message holds no connection for ever. What is answered already, like package content,
/// may take as long as it takes.
fn in_time(routes: Router, time: Duration) -> Router {
    routes.layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, time))
}

/// Windows does not keep the case of paths; a panic answers 500 and stops nothing else.
fn finished(routes: Router) -> Router {
    Router::new()
        .fallback_service(path::ignoring_case(routes))
        .layer(CatchPanicLayer::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, Bytes};
    use futures_util::{StreamExt as _, stream};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_message_that_never_ends_is_given_up() {
        let echo = Router::new().route("/", routing::post(async |body: Bytes| body));
        let routes = in_time(echo, Duration::from_millis(20));
        let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"<s:Env"))]);
        for (body, status) in [
            (
                Body::from_stream(begun.chain(stream::pending())),
                StatusCode::REQUEST_TIMEOUT,
            ),
            (Body::from("whole"), StatusCode::OK),
        ] {
            let request = http::Request::post("/").body(body).unwrap();
            let response = routes.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status);
        }
    }
}
