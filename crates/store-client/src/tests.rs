//! The client against a service on this machine that answers as a test scripts it, and notes what it was asked.

mod content;
mod reads;
mod seats;
mod tokens;

use crate::{ProductKey, RetryPolicy, StoreClient, StoreConfig, api_client, content_client};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    response::Response,
};
use qm_core::{Clock, Rng, Secret, Timestamp};
use serde_json::{Value, json};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A request as it arrived.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    /// Path and query, as sent.
    target: String,
    headers: axum::http::HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
    fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
    fn is_token(&self) -> bool {
        self.target == "/t1/oauth2/token"
    }
}

/// A scripted answer.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The connection ends in the middle of the body.
    cut: bool,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).with("content-type", "application/json")
    }
    fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            cut: false,
        }
    }
    fn token(name: &str) -> Self {
        Self::ok(&json!({ "token_type": "Bearer", "access_token": name, "expires_in": "3600" }))
    }
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
    fn cut(mut self) -> Self {
        self.cut = true;
        self
    }
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let body = if self.cut {
            let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
            Body::from_stream(futures_util::stream::iter([Ok(Bytes::from(self.body)), broken]))
        } else {
            Body::from(self.body)
        };
        response.body(body).unwrap()
    }
}

/// A scripted service and what it saw.
struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    clock: Clock,
}

impl Service {
    /// Answers every request by the script; the number counts earlier requests for the same target and method.
    async fn start(script: impl Fn(&Seen, usize) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::<Seen>::new()));
        let noted = Arc::clone(&seen);
        let app = Router::new().fallback(move |request: Request| {
            let (script, noted) = (script.clone(), Arc::clone(&noted));
            async move {
                let (parts, body) = request.into_parts();
                let one = Seen {
                    method: parts.method.to_string(),
                    target: parts.uri.path_and_query().unwrap().to_string(),
                    headers: parts.headers,
                    body: to_bytes(body, 1 << 20).await.unwrap(),
                };
                let mut noted = noted.lock().unwrap();
                let earlier = noted.iter().filter(|other| other.line() == one.line()).count();
                noted.push(one.clone());
                drop(noted);
                script(&one, earlier).into_response()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            seen,
            clock: Clock::mock(Timestamp::from_millis(1_700_000_000_000)),
        }
    }

    /// The same, with a token for whoever asks.
    async fn with_token(script: impl Fn(&Seen, usize) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let all = move |seen: &Seen, n| {
            if seen.is_token() {
                Reply::token("tok")
            } else {
                script(seen, n)
            }
        };
        Self::start(all).await
    }

    fn client(&self) -> StoreClient {
        client(self.address, self.clock.clone())
    }

    /// What was asked, without token requests.
    fn calls(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| !seen.is_token())
            .cloned()
            .collect()
    }
    fn lines(&self) -> Vec<String> {
        self.calls().iter().map(Seen::line).collect()
    }
    fn token_requests(&self) -> Vec<Seen> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| seen.is_token())
            .cloned()
            .collect()
    }
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn client(address: SocketAddr, clock: Clock) -> StoreClient {
    let config = StoreConfig {
        base_url: format!("http://{address}/V1"),
        authority_url: format!("http://{address}"),
        resource: "https://audience.example".into(),
        tenant_id: "t1".into(),
        client_id: "app".into(),
        client_secret: Secret::new("s+/=~".into()),
    };
    let [api, content] = http_clients();
    StoreClient::new(config, api, content, clock, Rng::seeded(1))
        .unwrap()
        .with_retries(retries())
}

fn retries() -> RetryPolicy {
    RetryPolicy {
        attempts: 3,
        first_pause: Duration::from_millis(2),
        budget: Duration::from_secs(20),
        ..RetryPolicy::default()
    }
}

fn http_clients() -> [reqwest::Client; 2] {
    let tls = || {
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    };
    let builder = || {
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .no_proxy()
    };
    [
        api_client(builder()).build().unwrap(),
        content_client(builder()).build().unwrap(),
    ]
}

fn key() -> ProductKey {
    ProductKey {
        product_id: "9ABCDEFGHIJK".into(),
        sku_id: "0042".into(),
    }
}

fn wire_key() -> Value {
    json!({ "productId": "9ABCDEFGHIJK", "skuId": "0042" })
}

fn seat(upn: &str, state: &str) -> Value {
    json!({ "assignedTo": upn, "state": state, "dateAssigned": "2024-03-04T10:22:07.5519203Z", "productKey": wire_key() })
}

fn fault(status: u16, reason: &str) -> Reply {
    Reply::json(status, &json!({ "code": "Nope", "data": { "reason": reason } }))
}

fn missing(item: &str) -> Reply {
    Reply::json(404, &json!({ "data": { "itemType": item } }))
}
