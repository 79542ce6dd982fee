//! The HTTP routes that Windows devices use: enrollment, the management session, package content.
//!
//! What it is not: it decides nothing. Each handler checks media type and size, decodes, calls one use case of
//! `qm-orchestrator`, encodes. TLS and client certificates are the binary's affair; it hands the certificate over as
//! the request extension [`ClientCertificate`].
//!
//! Start with [`enrollment_routes`] (discovery, policy, enrollment, content) and [`management_routes`].

mod content;
mod enrollment;
mod manage;
mod path;

use axum::{Router, extract::DefaultBodyLimit, routing};
use qm_orchestrator::Orchestrator;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// The DER of the certificate that the TLS handshake verified.
#[derive(Clone)]
pub struct ClientCertificate(pub Arc<[u8]>);

/// The largest enrollment message in bytes; real ones have about 8 KiB.
const ENROLLMENT_LIMIT: usize = 256 * 1024;
/// The largest management message in bytes.
const MANAGEMENT_LIMIT: usize = 8 * 1024 * 1024;

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
        .layer(DefaultBodyLimit::max(ENROLLMENT_LIMIT))
        .with_state(orchestrator);
    finished(routes)
}

/// Routes of the management listener.
pub fn management_routes(orchestrator: Arc<Orchestrator>) -> Router {
    let routes = Router::new()
        .route(path::MANAGEMENT, routing::post(manage::check_in))
        .layer(DefaultBodyLimit::max(MANAGEMENT_LIMIT))
        .with_state(orchestrator);
    finished(routes)
}

/// Windows does not keep the case of paths; a panic answers 500 and stops nothing else.
fn finished(routes: Router) -> Router {
    Router::new()
        .fallback_service(path::ignoring_case(routes))
        .layer(CatchPanicLayer::new())
}
