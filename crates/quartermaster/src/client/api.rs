//! HTTP to the admin API: addresses, the token, pages, problem documents.

use super::{ClientError, Connection, Limit, error::failed, tls};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use qm_admin_api::types::Problem;
use reqwest::{Client, Method, RequestBuilder, Response, multipart::Form, redirect::Policy};
use rustls::crypto::CryptoProvider;
use serde::Serialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use url::Url;

const CONNECT: Duration = Duration::from_secs(10);
/// For a whole request, except for uploads, which take as long as they take.
const REQUEST: Duration = Duration::from_mins(2);
/// A connection on which nothing comes back for this long is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Items that are asked for at once.
const PAGE: u32 = 100;
/// The longest answer that is read.
const LONGEST: usize = 64 << 20;

/// The admin API of one server.
pub struct Api {
    http: Client,
    base: Url,
}

impl Api {
    /// Prepares the connection; nothing is sent yet.
    pub fn connect(connection: &Connection, provider: Arc<CryptoProvider>) -> Result<Self, ClientError> {
        let base = connection.base()?;
        let mut tls = match base.scheme() {
            "https" => tls::config(connection.ca_cert.as_deref(), provider)?,
            _ => tls::unused(provider)?,
        };
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers(connection)?)
            .user_agent(concat!("quartermaster/", env!("CARGO_PKG_VERSION")))
            // The token is for this server and no other.
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build()
            .map_err(|error| failed(error, &base))?;
        Ok(Self { http, base })
    }

    /// Reads one thing.
    pub async fn get(&self, path: &[&str]) -> Result<Value, ClientError> {
        self.json(self.request(Method::GET, path)).await
    }

    /// Reads a list, page by page, to its end or to `limit`. The answer looks like one page.
    pub async fn list(
        &self,
        path: &[&str],
        query: &(impl Serialize + Sync),
        limit: Limit,
    ) -> Result<Value, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let left = limit
                .limit
                .map_or(PAGE, |limit| limit.saturating_sub(count(&items)));
            let request = self
                .request(Method::GET, path)
                .query(query)
                .query(&[("limit", left.min(PAGE))]);
            let page = self.json(request.query(&[("cursor", &cursor)])).await?;
            let next = next_page(page, &mut items)?;
            let enough = limit.limit.is_some_and(|limit| count(&items) >= limit);
            if next.is_none() || enough {
                return Ok(json!({ "items": items, "next_cursor": next }));
            }
            if next == cursor {
                return Err(ClientError::EndlessList);
            }
            cursor = next;
        }
    }

    /// Asks for something.
    pub async fn post(&self, path: &[&str], body: &(impl Serialize + Sync)) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// Asks for something that a repeated request with the same key does not do again.
    pub async fn post_once(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
        key: Option<&str>,
    ) -> Result<Value, ClientError> {
        let request = self.request(Method::POST, path).json(body);
        self.json(match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        })
        .await
    }

    /// Asks for something that needs no words.
    pub async fn post_empty(&self, path: &[&str]) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, path)).await
    }

    /// Replaces something.
    pub async fn put(&self, path: &[&str], body: &(impl Serialize + Sync)) -> Result<Value, ClientError> {
        self.json(self.request(Method::PUT, path).json(body)).await
    }

    /// Removes something; there is no answer to read.
    pub async fn delete(&self, path: &[&str], query: &(impl Serialize + Sync)) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, path).query(query))
            .await
            .map(drop)
    }

    /// Sends a form, however long that takes.
    pub async fn upload(&self, path: &[&str], form: Form) -> Result<Value, ClientError> {
        let request = self.http.post(self.address(path)).multipart(form);
        decoded(&self.send(request).await?)
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value, ClientError> {
        decoded(&self.send(request).await?)
    }

    /// The body of a successful answer.
    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, ClientError> {
        let response = request.send().await.map_err(|error| failed(error, &self.base))?;
        let status = response.status();
        let problem = is_problem(&response);
        let body = self.body(response).await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(refusal(status, problem, &body))
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| failed(error, &self.base))?
        {
            if body.len() + chunk.len() > LONGEST {
                return Err(ClientError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.http.request(method, self.address(path)).timeout(REQUEST)
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // An http(s) address always has segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        url
    }
}

fn headers(connection: &Connection) -> Result<HeaderMap, ClientError> {
    let bearer = format!("Bearer {}", connection.token()?.expose());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| ClientError::BadToken)?;
    bearer.set_sensitive(true);
    Ok(HeaderMap::from_iter([
        (header::AUTHORIZATION, bearer),
        (
            header::ACCEPT,
            HeaderValue::from_static("application/json, application/problem+json"),
        ),
    ]))
}

fn is_problem(response: &Response) -> bool {
    let media_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media_type.is_some_and(|text| text.to_ascii_lowercase().starts_with("application/problem+json"))
}

fn refusal(status: StatusCode, problem: bool, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem_document) if problem => ClientError::problem(status, &problem_document),
        _ => ClientError::Status(status),
    }
}

fn decoded(body: &[u8]) -> Result<Value, ClientError> {
    serde_json::from_slice(body).map_err(ClientError::Answer)
}

fn next_page(mut page: Value, items: &mut Vec<Value>) -> Result<Option<String>, ClientError> {
    let next = page["next_cursor"].as_str().map(str::to_owned);
    match page.get_mut("items").map(Value::take) {
        Some(Value::Array(more)) => items.extend(more),
        _ => return Err(ClientError::NoList),
    }
    Ok(next)
}

fn count(items: &[Value]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
