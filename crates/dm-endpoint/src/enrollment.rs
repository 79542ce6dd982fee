//! `/EnrollmentServer/…`: discovery (MS-MDE2), policy (MS-XCEP), enrollment (MS-WSTEP).

use crate::later;
use axum::{
    Extension,
    body::Bytes,
    extract::{ConnectInfo, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use qm_enrollment::{
    Answer, AuthPolicy, Correlation, DiscoverRequest, GetPolicies, GetPoliciesResponse, Operation,
    RequestSecurityToken, RequestSecurityTokenResponseCollection, Services, is_soap,
};
use qm_orchestrator::{EnrollError, Orchestrator};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

type Server = State<Arc<Orchestrator>>;
type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

fn address(peer: Peer) -> Option<IpAddr> {
    peer.map(|peer| peer.ip())
}

/// Windows asks with an empty GET whether somebody is there.
pub async fn probe() -> StatusCode {
    StatusCode::OK
}

/// `Discover`: where the other services are.
pub async fn discover(State(server): Server, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = wrong_media_type(&headers) {
        return refusal;
    }
    let activity_id = server.activity_id();
    let request = match DiscoverRequest::decode(&body) {
        Ok(request) => request,
        Err(rejected) => return sent(rejected.answer(activity_id)),
    };
    let correlation = request.correlation(activity_id);
    sent(match request.answer(&services(&server)) {
        Ok(response) => response.encode(correlation),
        Err(fault) => fault.encode(Operation::Discover, correlation),
    })
}

/// `GetPolicies`: what keys and digests are wanted.
pub async fn policies(State(server): Server, peer: Peer, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = wrong_media_type(&headers) {
        return refusal;
    }
    let activity_id = server.activity_id();
    let request = match GetPolicies::decode(&body) {
        Ok(request) => request,
        Err(rejected) => return sent(rejected.answer(activity_id)),
    };
    let correlation = request.correlation(activity_id);
    let from = address(peer);
    match server.may_enroll(&request.credential, from).await {
        Ok(()) => sent(GetPoliciesResponse::default().encode(correlation)),
        Err(error) => refused(&server, &error, Operation::GetPolicies, correlation, from),
    }
}

/// `RequestSecurityToken`: the certificate and the provisioning document.
pub async fn enroll(State(server): Server, peer: Peer, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = wrong_media_type(&headers) {
        return refusal;
    }
    let activity_id = server.activity_id();
    let request = match RequestSecurityToken::decode(&body) {
        Ok(request) => request,
        Err(rejected) => return sent(rejected.answer(activity_id)),
    };
    let correlation: Correlation<'_> = request.correlation(activity_id);
    let from = address(peer);
    match server.enroll(&request, from).await {
        Ok(document) => {
            let created_at = server.now();
            sent(RequestSecurityTokenResponseCollection { document, created_at }.encode(correlation))
        }
        Err(error) => refused(
            &server,
            &error,
            Operation::RequestSecurityToken,
            correlation,
            from,
        ),
    }
}

/// A fault would tell the user that enrollment has failed; a server that is busy is asked again.
fn refused(
    server: &Orchestrator,
    error: &EnrollError,
    operation: Operation,
    correlation: Correlation<'_>,
    from: Option<IpAddr>,
) -> Response {
    match error {
        EnrollError::Refused(fault) => {
            let peer = from.map(tracing::field::display);
            tracing::info!(activity.id = %correlation.activity_id, peer, fault = ?fault.kind, "enrollment refused");
            sent(fault.encode(operation, correlation))
        }
        EnrollError::TooManyFailures(wait) => later(*wait),
        EnrollError::Unavailable(error) => {
            server.note_database(error);
            crate::come_again()
        }
    }
}

fn services(server: &Orchestrator) -> Services {
    let base = server.enrollment_url();
    Services {
        auth_policy: AuthPolicy::OnPremise,
        policy_url: format!("{base}{}", crate::path::POLICY),
        enrollment_url: format!("{base}{}", crate::path::ENROLLMENT),
        authentication_url: None,
    }
}

fn wrong_media_type(headers: &HeaderMap) -> Option<Response> {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    (!is_soap(media_type)).then(|| StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response())
}

/// The body is whole, so that it goes out with a `Content-Length`: Windows takes no chunked answers here.
fn sent(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(answer.content_type),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, answer.body).into_response()
}
