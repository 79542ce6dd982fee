//! Puts the server together from its configuration.

use crate::{
    config::{Config, Store},
    tls,
};
use anyhow::{Context as _, Result};
use qm_content::{ContentStore, LinkSigner};
use qm_core::{Clock, Rng, Secret};
use qm_db::{Db, SoleServer};
use qm_orchestrator::{Orchestrator, Parts, Settings};
use qm_pki::{CertificateAuthority, key_file};
use qm_store_client::{StoreClient, StoreConfig, api_client, content_client};
use qm_store_sync::StoreSync;
use reqwest::ClientBuilder;
use std::{fs, sync::Arc, time::Duration};
use url::Url;

/// Opens database, content store and keys. The schema is brought up to date. Where the database is for one server only,
/// it is this one's as long as the second part of the answer lives, and what an earlier run left under way is free.
pub async fn open(config: &Config) -> Result<(Arc<Orchestrator>, Option<SoleServer>)> {
    let (clock, rng) = (Clock::system().adjustable(), Rng::system());
    let (url, unusable) = (config.database_url(), "cannot open the database (database.url)");
    let sole = SoleServer::claim(&url).context(unusable)?;
    let db = Db::connect(&url).await.context(unusable)?;
    let content = ContentStore::open(config.content_folder()?)
        .await
        .context("cannot open the package store (content.url)")?;
    let store = match &config.store {
        Some(section) => {
            let client = store_client(config, section, &clock, &rng)?;
            Some(StoreSync::new(
                client,
                db.clone(),
                content.clone(),
                clock.clone(),
                rng.clone(),
            ))
        }
        None => None,
    };
    let orchestrator = Orchestrator::new(Parts {
        db,
        content,
        links: links(config)?,
        authority: authority(config)?,
        store,
        clock,
        rng,
        settings: settings(config),
    });
    orchestrator.agree_on_time().await?;
    if sole.is_some() {
        orchestrator.take_up_leases().await?;
    }
    Ok((orchestrator, sole))
}

fn settings(config: &Config) -> Settings {
    let limits = &config.limits;
    Settings {
        enrollment_url: address(&config.enrollment.public_url),
        management_url: address(&config.management.public_url),
        admin_url: address(&config.admin.public_url),
        upload_bytes: limits.upload_bytes,
        link_life: Duration::from_secs(limits.link_hours * 3600),
        exchanges_per_device: limits.exchanges_per_device,
        lease: Duration::from_secs(limits.lease_seconds),
        history: Duration::from_secs(limits.history_days * 24 * 3600),
        audit_history: Duration::from_secs(limits.audit_days * 24 * 3600),
        failed_attempts_per_address: limits.failed_attempts_per_address,
        failed_attempts_per_user: limits.failed_attempts_per_user,
        device_history: Duration::from_secs(limits.devices_days * 24 * 3600),
        deployment_history: Duration::from_secs(limits.deployments_days * 24 * 3600),
    }
}

fn address(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// The CA that issues device certificates.
fn authority(config: &Config) -> Result<CertificateAuthority> {
    let file = config.path(&config.keys.device_ca);
    let certificate =
        fs::read_to_string(&file).with_context(|| format!("cannot read the device CA {}", file.display()))?;
    let key = key_file::read(&config.path(&config.keys.device_ca_key))?;
    Ok(CertificateAuthority::from_pem(&certificate, &key)?)
}

fn links(config: &Config) -> Result<LinkSigner> {
    let file = config.path(&config.keys.links);
    let text = key_file::read(&file)?;
    let digest: qm_core::Sha256 = text
        .expose()
        .trim()
        .parse()
        .with_context(|| format!("{} must hold 64 hexadecimal digits", file.display()))?;
    Ok(LinkSigner::new(Secret::new(digest.0)))
}

fn store_client(config: &Config, section: &Store, clock: &Clock, rng: &Rng) -> Result<StoreClient> {
    let secret = match (&section.client_secret, &section.client_secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(file)) => {
            let file = config.path(file);
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read store.client_secret_file {}", file.display()))?;
            Secret::new(text.trim().to_owned())
        }
        (None, None) => anyhow::bail!("store.client_secret is missing"),
    };
    let store_config = StoreConfig {
        base_url: section.base_url.to_string(),
        authority_url: section.authority_url.to_string(),
        resource: section.resource.clone(),
        tenant_id: section.tenant_id.clone(),
        client_id: section.client_id.clone(),
        client_secret: secret,
    };
    // Two clients: nothing of the first, above all no token, can reach the content hosts.
    Ok(StoreClient::new(
        store_config,
        http_client(api_client)?,
        http_client(content_client)?,
        clock.clone(),
        rng.clone(),
    )?)
}

fn http_client(settings: fn(ClientBuilder) -> ClientBuilder) -> Result<reqwest::Client> {
    let builder = settings(reqwest::Client::builder()).tls_backend_preconfigured(tls::public_roots()?);
    builder.build().context("cannot set up the HTTP client")
}
