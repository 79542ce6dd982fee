//! The few calls of the admin API that a run needs.

use anyhow::{Context as _, Result};
use qm_core::Secret;
use reqwest::{Client, RequestBuilder};
use rustls::ClientConfig;
use serde_json::{Value, json};
use std::sync::Arc;

/// A client of the admin API.
#[derive(Debug, Clone)]
pub struct Admin {
    client: Client,
    base: String,
    token: Secret<String>,
}

impl Admin {
    /// `base` is the address before `/api/v1`; `roots` (PEM) are the only ones trusted.
    pub fn new(base: &str, token: Secret<String>, roots: &str) -> Result<Self> {
        Ok(Self {
            client: client(roots)?,
            base: base.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// An enrollment token for a user, good for as many devices.
    pub async fn enrollment_token(&self, upn: &str, devices: usize) -> Result<Secret<String>> {
        let body = json!({ "upn": upn, "max_uses": devices, "expires_in_seconds": 86_400 });
        let made = self.post("enrollment-tokens", &body).await?;
        let token = made["token"].as_str().context("the answer holds no token")?;
        Ok(Secret::new(token.to_owned()))
    }

    /// Deploys an app to devices; the deployment's id.
    pub async fn deploy(&self, app: &str, devices: &[&str]) -> Result<String> {
        let body = json!({
            "app_id": app,
            "intent": "required",
            "context": "device",
            "targets": { "device_ids": devices },
        });
        let made = self.post("deployments", &body).await?;
        let id = made["id"].as_str().context("the answer holds no id")?;
        Ok(id.to_owned())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}/api/v1/{path}", self.base));
        self.ask(request.json(body))
            .await
            .with_context(|| format!("POST {path}"))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value> {
        let answer = request.bearer_auth(self.token.expose()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "the server answered {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// An HTTP client that trusts these roots only.
pub(super) fn client(roots: &str) -> Result<Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(crate::http::roots(roots)?)
        .with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()?)
}
