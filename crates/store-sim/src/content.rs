//! The content host: packages under signed addresses that expire, pictures under lasting ones.
//!
//! It is another host than the API on purpose. The access token has no business here: a request that carries
//! one is refused and noted as a violation.

mod range;

use crate::{
    Operation,
    catalogue::PackageFile,
    fault::{Fault, Struck, Target},
    front::{Visit, delay, instead, plain},
    ids::http_date,
    journal::ViolationKind,
    observer::Moment,
    server::{broken_body, halting_body},
    world::Shared,
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE,
        LAST_MODIFIED, RANGE,
    },
};
use qm_core::{Rng, Timestamp};
use range::Wanted;
use std::{collections::HashMap, time::Duration};

/// The addresses that were given out, by signature.
#[derive(Debug, Default)]
pub(crate) struct Addresses(HashMap<String, Address>);

#[derive(Debug)]
struct Address {
    id: String,
    file: Stored,
    end: Timestamp,
}

/// A file to be served.
#[derive(Debug, Clone)]
struct Stored {
    content: Bytes,
    etag: String,
    media_type: &'static str,
    modified: Timestamp,
}

impl Addresses {
    /// Signs an address for a file.
    pub(crate) fn issue(
        &mut self,
        file: &PackageFile,
        now: Timestamp,
        lifetime: Duration,
        rng: &Rng,
    ) -> String {
        self.0.retain(|_, address| now < address.end + KEPT_AFTER_END);
        let signature = rng.token();
        let address = Address {
            id: file.id.clone(),
            file: Stored {
                content: file.content.clone(),
                etag: format!("\"{}\"", hex::encode(file.hash.as_bytes())),
                media_type: "application/octet-stream",
                modified: Timestamp::from_millis(PUBLISHED),
            },
            end: now + lifetime,
        };
        self.0.insert(signature.clone(), address);
        signature
    }

    /// No address is good any more.
    pub(crate) fn expire_all(&mut self, now: Timestamp) {
        self.0.values_mut().for_each(|address| address.end = now);
    }

    fn expire(&mut self, signature: &str, now: Timestamp) {
        if let Some(address) = self.0.get_mut(signature) {
            address.end = now;
        }
    }

    fn find(&self, id: &str, signature: &str, now: Timestamp) -> Option<&Stored> {
        self.0
            .get(signature)
            .filter(|address| address.id == id && now < address.end)
            .map(|address| &address.file)
    }
}

/// Answers a request to the content host.
pub(crate) async fn serve(State(shared): State<Shared>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let path = head.uri.path();
    let operation = match path.get(..3) {
        Some("/f/") => Some(Operation::Content),
        Some("/i/") => Some(Operation::Image),
        _ => None,
    };
    let target = operation.map(|operation| Target {
        operation,
        path,
        continued: false,
    });
    let (mut visit, struck) = Visit::note(&shared, target, head.method.as_str(), path, "");
    if head.headers.contains_key(AUTHORIZATION) {
        let kind = ViolationKind::CredentialsToContentHost;
        shared.lock().journal.violation(visit.number, kind);
        return visit.answered(plain(StatusCode::FORBIDDEN, "text/plain", "no credentials here"));
    }
    tokio::time::sleep(delay(&struck)).await;
    let same_path = head
        .uri
        .path_and_query()
        .map_or(path, http::uri::PathAndQuery::as_str);
    let response = match struck.instead() {
        Some(fault) => instead(&shared, fault, same_path),
        None => answer(&shared, &head, operation, &struck),
    };
    visit.answered(response)
}

fn answer(
    shared: &Shared,
    head: &http::request::Parts,
    operation: Option<Operation>,
    struck: &Struck,
) -> Response {
    if head.method != Method::GET && head.method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or HEAD");
    }
    let path = head.uri.path();
    let signature = signature(head.uri.query().unwrap_or_default());
    let file = match operation {
        Some(Operation::Content) => package(shared, &path[3..], &signature, struck),
        Some(_) => picture(shared, &path[3..]).ok_or(StatusCode::NOT_FOUND),
        None if path == "/signin" => return instead(shared, &Fault::Html, path),
        None => Err(StatusCode::NOT_FOUND),
    };
    match file {
        Ok(file) => deliver(&file, &head.headers, struck, shared),
        Err(status) => plain(status, "text/plain", "not here, or not any more"),
    }
}

fn signature(query: &str) -> String {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "sig")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn package(shared: &Shared, id: &str, signature: &str, struck: &Struck) -> Result<Stored, StatusCode> {
    let mut world = shared.lock();
    let now = world.now();
    let file = world.addresses.find(id, signature, now).cloned();
    if struck.has(&Fault::ExpiresMidway) {
        world.addresses.expire(signature, now);
    }
    file.ok_or(StatusCode::FORBIDDEN)
}

/// A picture by its file name: product id, SKU and index.
fn picture(shared: &Shared, name: &str) -> Option<Stored> {
    let mut parts = name.strip_suffix(".png")?.split('-');
    let (product_id, sku_id, index) = (parts.next()?, parts.next()?, parts.next()?);
    let key = crate::ProductKey::new(product_id, sku_id);
    let world = shared.lock();
    let entry = world.products.get(&key)?;
    let image = entry.product.images.get(index.parse::<usize>().ok()?)?;
    Some(Stored {
        content: image.content.clone(),
        etag: format!("\"{}\"", entry.last_modified.as_millis()),
        media_type: "image/png",
        modified: entry.last_modified,
    })
}

fn deliver(file: &Stored, headers: &HeaderMap, struck: &Struck, shared: &Shared) -> Response {
    let total = file.content.len();
    let (status, part) = match wanted(file, headers) {
        Wanted::Whole => (StatusCode::OK, 0..total),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => return unsatisfiable(total),
    };
    let range = format!("bytes {}-{}/{total}", part.start, part.end.saturating_sub(1));
    let (length, body) = body(file.content.slice(part), struck, shared);
    let mut response = plain(status, file.media_type, body);
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(CONTENT_LENGTH, &length.to_string());
    set(ACCEPT_RANGES, "bytes");
    set(ETAG, &file.etag);
    set(LAST_MODIFIED, &http_date(file.modified));
    set(CONTENT_TYPE, file.media_type);
    if status == StatusCode::PARTIAL_CONTENT {
        set(CONTENT_RANGE, &range);
    }
    response
}

/// The part that is wanted; a validator that no longer fits wants the whole.
fn wanted(file: &Stored, headers: &HeaderMap) -> Wanted {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let unchanged = text(IF_RANGE)
        .is_none_or(|validator| validator == file.etag || validator == http_date(file.modified));
    match text(RANGE) {
        Some(range) if unchanged => Wanted::parse(range, file.content.len()),
        _ => Wanted::Whole,
    }
}

fn unsatisfiable(total: usize) -> Response {
    let mut response = plain(StatusCode::RANGE_NOT_SATISFIABLE, "text/plain", "");
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{total}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

/// The announced length and what is really sent.
fn body(content: Bytes, struck: &Struck, shared: &Shared) -> (usize, Body) {
    let half = content.len() / 2;
    if struck.has(&Fault::Truncated) || struck.has(&Fault::ExpiresMidway) {
        return (content.len(), broken_body(content.slice(..half)));
    }
    if struck.has(&Fault::Short) {
        return (half, content.slice(..half).into());
    }
    if struck.has(&Fault::Corrupted) {
        let mut bytes = content.to_vec();
        if let Some(byte) = bytes.get_mut(half) {
            *byte ^= 0x55;
        }
        return (bytes.len(), bytes.into());
    }
    if shared.is_observed() {
        let shared = shared.clone();
        let goes_on = move || shared.lives(Operation::Content, Moment::HalfSent);
        return (content.len(), halting_body(content, goes_on));
    }
    (content.len(), content.into())
}

/// For a while an address that is no longer good is known as such.
const KEPT_AFTER_END: Duration = Duration::from_hours(1);
/// When the packages were published: 2024-01-01.
const PUBLISHED: i64 = 1_704_067_200_000;
