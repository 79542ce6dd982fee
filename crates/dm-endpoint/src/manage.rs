//! `/ManagementServer/Manage.svc`: one message of a management session.

use crate::ClientCertificate;
use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, FromRequest as _, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use qm_orchestrator::{Orchestrator, checkin::CheckInError};
use qm_syncml::Encoding;
use std::{net::SocketAddr, sync::Arc};
use tracing::Instrument as _;

/// Takes the device's message and answers it in the encoding it used.
///
/// A client without a certificate is refused before its message is read.
pub async fn check_in(
    State(orchestrator): State<Arc<Orchestrator>>,
    certificate: Option<Extension<ClientCertificate>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
) -> Response {
    let span = peer.map(|Extension(peer)| tracing::info_span!("device", peer = %peer.0.ip()));
    let answered = answered(&orchestrator, certificate, request);
    answered
        .instrument(span.unwrap_or_else(tracing::Span::none))
        .await
}

async fn answered(
    orchestrator: &Arc<Orchestrator>,
    certificate: Option<Extension<ClientCertificate>>,
    request: Request,
) -> Response {
    let Some(Extension(certificate)) = certificate else {
        metrics::counter!("device_messages_refused_total", "reason" => "no_certificate").increment(1);
        tracing::info!(reason = "no_certificate", "management message refused");
        return StatusCode::FORBIDDEN.into_response();
    };
    let Some(encoding) = encoding(request.headers()) else {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    };
    let body = match Bytes::from_request(request, &()).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    match orchestrator.check_in(certificate.0, encoding, body).await {
        Ok(reply) => answer(encoding, reply),
        Err(error) => refuse(orchestrator, &error),
    }
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    Encoding::from_media_type(headers.get(header::CONTENT_TYPE)?.to_str().ok()?)
}

/// A whole body has a `Content-Length`; devices do not take chunked replies.
fn answer(encoding: Encoding, reply: Vec<u8>) -> Response {
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(encoding.media_type()),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, private"),
        ),
    ];
    (headers, reply).into_response()
}

fn refuse(orchestrator: &Orchestrator, error: &CheckInError) -> Response {
    match error {
        CheckInError::Malformed(_) => StatusCode::BAD_REQUEST.into_response(),
        CheckInError::UnknownDevice | CheckInError::ForeignSource => StatusCode::FORBIDDEN.into_response(),
        CheckInError::Unavailable(error) => {
            orchestrator.note_database(error);
            crate::come_again()
        }
    }
}
