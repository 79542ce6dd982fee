//! A server that gives prepared answers, in order, and remembers what it was asked.

use super::{Shown, ask};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

pub struct Fake {
    pub url: String,
    shared: Shared,
}

pub struct Seen {
    /// Method, path and query.
    pub request: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub struct Canned {
    status: u16,
    media_type: &'static str,
    body: String,
    location: Option<String>,
}

type Shared = Arc<Mutex<(VecDeque<Canned>, Vec<Seen>)>>;

impl Fake {
    pub async fn with(answers: impl IntoIterator<Item = Canned>) -> Self {
        let shared = Arc::new(Mutex::new((answers.into_iter().collect(), Vec::new())));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let router = Router::new().fallback(reply).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(socket, router).await });
        Self { url, shared }
    }

    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.lock().unwrap().1)
    }

    /// The requests, each as method, path and query.
    pub fn requests(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.request).collect()
    }
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn reply(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let seen = Seen {
        request: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: to_bytes(body, usize::MAX).await.unwrap(),
    };
    let mut shared = shared.lock().unwrap();
    shared.1.push(seen);
    let canned = shared
        .0
        .pop_front()
        .unwrap_or_else(|| problem(500, "Exhausted", "no answer is left"));
    let mut response = Response::builder().status(StatusCode::from_u16(canned.status).unwrap());
    if let Some(location) = &canned.location {
        response = response.header(header::LOCATION, location);
    }
    response
        .header(header::CONTENT_TYPE, canned.media_type)
        .body(Body::from(canned.body))
        .unwrap()
}

pub fn ok(body: &Value) -> Canned {
    canned(200, "application/json", body.to_string())
}

pub fn empty(status: u16) -> Canned {
    canned(status, "text/plain", String::new())
}

pub fn redirect(location: &str) -> Canned {
    Canned {
        location: Some(location.to_owned()),
        ..empty(307)
    }
}

pub fn page(items: &Value, next_cursor: Option<&str>) -> Canned {
    ok(&json!({ "items": items, "next_cursor": next_cursor }))
}

pub fn problem(status: u16, title: &str, detail: &str) -> Canned {
    let body = json!({ "type": "urn:example:problem", "title": title, "status": status, "detail": detail });
    canned(status, "application/problem+json", body.to_string())
}

fn canned(status: u16, media_type: &'static str, body: String) -> Canned {
    Canned {
        status,
        media_type,
        body,
        location: None,
    }
}

/// One command against one answer: the request it made and what it showed.
pub async fn once(line: &str, answer: Canned) -> (Seen, Shown) {
    let fake = Fake::with([answer]).await;
    let shown = ask(&fake.url, line).await.unwrap();
    let mut seen = fake.seen();
    assert_eq!(seen.len(), 1, "{line} is one request");
    (seen.remove(0), shown)
}
