//! The admin API, as the demonstration uses it.

use anyhow::{Context as _, Result, ensure};
use qm_admin_api::types::{App, Deployment, Device, EnrollmentTokenCreated, List, Seat, StoreStatus, Target};
use qm_core::Secret;
use reqwest::{Client, Method, RequestBuilder, StatusCode, multipart};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A client of one server.
pub struct Api {
    client: Client,
    base: String,
    token: Secret<String>,
}

impl Api {
    /// Trusts nothing but the server's own root.
    pub fn new(base: String, token: Secret<String>, root_pem: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes())?)?;
        let tls = ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            client: Client::builder().tls_backend_preconfigured(tls).build()?,
            base,
            token,
        })
    }

    /// An enrollment token for a user.
    pub async fn enrollment_token(&self, upn: &str) -> Result<String> {
        let body = json!({ "upn": upn });
        Ok(self
            .call::<EnrollmentTokenCreated>(Method::POST, "/enrollment-tokens", Some(body))
            .await?
            .token)
    }

    /// Whatever is at an address of the admin listener, outside the API: `/readyz`.
    pub async fn get(&self, path: &str) -> Result<reqwest::Response> {
        Ok(self.client.get(format!("{}{path}", self.base)).send().await?)
    }

    /// Starts a synchronization with the Store.
    pub async fn synchronize(&self) -> Result<()> {
        self.call::<Value>(Method::POST, "/store/sync", None)
            .await
            .map(|_| ())
    }

    /// How the synchronization stands.
    pub async fn store_status(&self) -> Result<StoreStatus> {
        self.call(Method::GET, "/store/status", None).await
    }

    /// The catalogue.
    pub async fn apps(&self) -> Result<Vec<App>> {
        Ok(self
            .call::<List<App>>(Method::GET, "/apps?limit=500", None)
            .await?
            .items)
    }

    /// All devices.
    pub async fn devices(&self) -> Result<Vec<Device>> {
        Ok(self
            .call::<List<Device>>(Method::GET, "/devices?limit=500", None)
            .await?
            .items)
    }

    /// The seat ledger.
    pub async fn seats(&self) -> Result<Vec<Seat>> {
        Ok(self
            .call::<List<Seat>>(Method::GET, "/licenses/seats?limit=500", None)
            .await?
            .items)
    }

    /// Deploys an app to users.
    pub async fn deploy(&self, app: &App, intent: &str, upns: &[String]) -> Result<Deployment> {
        let body =
            json!({ "app_id": app.id, "intent": intent, "context": "user", "targets": { "upns": upns } });
        self.call(Method::POST, "/deployments", Some(body)).await
    }

    /// A deployment with its counts.
    pub async fn deployment(&self, id: uuid::Uuid) -> Result<Deployment> {
        self.call(Method::GET, &format!("/deployments/{id}"), None).await
    }

    /// The targets of a deployment.
    pub async fn targets(&self, id: uuid::Uuid) -> Result<Vec<Target>> {
        Ok(self
            .call::<List<Target>>(Method::GET, &format!("/deployments/{id}/targets?limit=500"), None)
            .await?
            .items)
    }

    /// Asks a device to leave.
    pub async fn unenroll(&self, device: uuid::Uuid) -> Result<()> {
        let response = self
            .request(Method::DELETE, &format!("/devices/{device}"))
            .send()
            .await?;
        ensure!(
            response.status().is_success(),
            "the server answered {}",
            response.status()
        );
        Ok(())
    }

    /// Uploads a package with its frameworks.
    pub async fn upload(&self, file: &Path, dependencies: &[PathBuf]) -> Result<App> {
        let mut form = multipart::Form::new().part("package", part(file).await?);
        for dependency in dependencies {
            form = form.part("dependency", part(dependency).await?);
        }
        self.send(self.request(Method::POST, "/apps/packages").multipart(form))
            .await
    }

    /// One call of `/api/v1`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T> {
        let request = self.request(method, path);
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// What `/readyz` answers.
    pub async fn readiness(&self) -> Result<StatusCode> {
        let response = self.client.get(format!("{}/readyz", self.base)).send().await?;
        Ok(response.status())
    }

    /// A request to a path below `/api/v1`, for whoever wants to see its answer as it is.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}/api/v1{path}", self.base))
            .bearer_auth(self.token.expose())
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "the server answered {status}: {text}");
        serde_json::from_str(&text).context("the server's answer cannot be read")
    }
}

async fn part(file: &Path) -> Result<multipart::Part> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("package")
        .to_owned();
    let bytes = tokio::fs::read(file)
        .await
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(multipart::Part::bytes(bytes).file_name(name))
}
