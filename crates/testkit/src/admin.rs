//! The admin API in the raw: any role, any request.

use crate::{
    Stage,
    wire::{Answer, Dialer, request},
};
use anyhow::{Result, ensure};
use qm_core::{Clock, Rng, access::Role};
use rustls::DEFAULT_VERSIONS;
use serde_json::Value;
use std::sync::Arc;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::Mutex};
use tokio_rustls::client::TlsStream;

/// A client of the admin listener without a token.
#[derive(Debug, Clone)]
pub struct Admin {
    dialer: Dialer,
    port: u16,
    /// Of the last call, for the next one.
    kept: Arc<Mutex<Option<TlsStream<TcpStream>>>>,
}

impl Stage {
    /// The admin listener.
    pub fn admin(&self) -> Result<Admin> {
        Ok(Admin {
            dialer: Dialer::new(&self.root, None, DEFAULT_VERSIONS)?,
            port: self.config.admin.listen.port(),
            kept: Arc::default(),
        })
    }

    /// A new API token.
    pub async fn token(&self, role: Role) -> Result<String> {
        let db = self.database();
        let (clock, rng) = (Clock::system(), Rng::system());
        let token = qm_orchestrator::access::create_api_token(db, &clock, &rng, role.as_str(), role).await?;
        Ok(token.into_inner())
    }

    /// What an attack must leave as it is: everything that the admin API shows of the database but the time a device was
    /// last seen.
    pub async fn everything(&self) -> Result<Vec<(String, Value)>> {
        let (admin, token) = (self.admin()?, self.token(Role::Viewer).await?);
        let mut seen = Vec::new();
        let mut paths: Vec<String> = [
            "devices",
            "groups",
            "deployments",
            "licenses/seats",
            "audit",
            "apps",
        ]
        .map(|list| format!("/api/v1/{list}?limit=500"))
        .into();
        for device in self.api.devices().await? {
            for list in ["commands", "exchanges", "apps"] {
                paths.push(format!("/api/v1/devices/{}/{list}?limit=500", device.id));
            }
        }
        for path in paths {
            let mut value: Value = serde_json::from_slice(&admin.get(&path, &token).await?.body)?;
            for item in value["items"].as_array_mut().into_iter().flatten() {
                item["last_seen_at"] = Value::Null;
            }
            seen.push((path, value));
        }
        Ok(seen)
    }

    /// The value of a metric; 0 where it has none.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let text = self
            .admin()?
            .send(&request("GET", "/metrics", &[], b""))
            .await?
            .text();
        let of_it = |line: &&str| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
        };
        let values = text
            .lines()
            .filter(of_it)
            .filter_map(|line| line.rsplit(' ').next());
        Ok(values.filter_map(|value| value.parse::<f64>().ok()).sum())
    }
}

impl Admin {
    /// Any bytes, on a connection of their own.
    pub async fn send(&self, bytes: &[u8]) -> Result<Answer> {
        self.dialer.send(self.port, bytes).await
    }

    /// On the connection of the call before, where that is still there.
    async fn ask(&self, bytes: &[u8]) -> Result<Answer> {
        let mut kept = self.kept.lock().await;
        if let Some(mut stream) = kept.take()
            && stream.write_all(bytes).await.is_ok()
            && let Ok(answer) = Answer::read(&mut stream).await
        {
            *kept = Some(stream);
            return Ok(answer);
        }
        let mut stream = self.dialer.dial(self.port).await?;
        stream.write_all(bytes).await?;
        let answer = Answer::read(&mut stream).await?;
        *kept = Some(stream);
        Ok(answer)
    }

    /// What a token gets to read.
    pub async fn get(&self, path: &str, token: &str) -> Result<Answer> {
        let answer = self.call("GET", path, Some(token), None).await?;
        ensure!(
            answer.status == 200,
            "GET {path}: {} {}",
            answer.status,
            answer.text()
        );
        Ok(answer)
    }

    /// A request with a token and a JSON body, if any.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> Result<Answer> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = Vec::new();
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(body.map(|_| ("content-type", "application/json")));
        self.ask(&request(
            method,
            path,
            &headers,
            body.unwrap_or_default().as_bytes(),
        ))
        .await
    }
}

/// What nobody outside has to see.
const INSIDES: [&str; 9] = [
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "sqlite",
    "postgres",
    "sqlx",
    "panicked",
    ".rs:",
    "stack backtrace",
];

/// The problem document of a refusal (RFC 9457); fails where it is none or tells what is nobody's business.
pub fn problem(answer: &Answer) -> Result<Value> {
    let media_type = answer.header("content-type").unwrap_or_default();
    ensure!(
        media_type == "application/problem+json",
        "{media_type}: {}",
        answer.text()
    );
    let problem: Value = serde_json::from_slice(&answer.body)?;
    for member in ["type", "title", "detail"] {
        ensure!(
            problem[member].as_str().is_some_and(|text| !text.is_empty()),
            "no {member}: {problem}"
        );
    }
    ensure!(problem["status"] == answer.status, "{problem}");
    let text = answer.text();
    let told = INSIDES.iter().find(|inside| text.contains(*inside));
    ensure!(told.is_none(), "it tells {told:?}: {text}");
    Ok(problem)
}
