//! Who calls, and whether they may.

use crate::{Api, error::ApiError};
use axum::extract::{ConnectInfo, FromRequestParts};
use http::{header, request::Parts};
use qm_core::access::Role;
use qm_orchestrator::Caller;
use std::net::SocketAddr;

/// A caller who may read.
pub struct Viewer(#[expect(dead_code, reason = "reading needs a caller, but nothing of them")] pub Caller);
/// A caller who may deploy, command and enroll.
pub struct Operator(pub Caller);
/// A caller who may do everything.
pub struct Admin(pub Caller);

impl FromRequestParts<Api> for Viewer {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        caller(parts, api, Role::Viewer).await.map(Self)
    }
}
impl FromRequestParts<Api> for Operator {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        caller(parts, api, Role::Operator).await.map(Self)
    }
}
impl FromRequestParts<Api> for Admin {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        caller(parts, api, Role::Admin).await.map(Self)
    }
}

async fn caller(parts: &Parts, api: &Api, needed: Role) -> Result<Caller, ApiError> {
    let token = bearer(parts).ok_or(ApiError::Unauthenticated)?;
    let source = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0.ip());
    let caller = api
        .orchestrator
        .authenticate(token, source)
        .await?
        .ok_or(ApiError::Unauthenticated)?;
    if !caller.role.allows(needed) {
        return Err(ApiError::Forbidden {
            needed,
            has: caller.role,
        });
    }
    Ok(caller)
}

/// The token; none where there are two, since it would be unclear which of them counts.
fn bearer(parts: &Parts) -> Option<&str> {
    let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else {
        return None;
    };
    let text = only.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
