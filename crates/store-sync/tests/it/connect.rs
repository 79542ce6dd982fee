//! A client for a simulated Store; tests of other crates take this file by its path.

use qm_core::{Clock, Rng, Secret};
use qm_store_client::{RetryPolicy, StoreClient, StoreConfig, api_client, content_client};
use qm_store_sim::StoreSimHandle;
use reqwest::ClientBuilder;
use std::{sync::Arc, time::Duration};

/// What the organization's administrator would have entered.
pub fn config(sim: &StoreSimHandle) -> StoreConfig {
    StoreConfig {
        base_url: sim.base_url().to_owned(),
        authority_url: sim.authority_url().to_owned(),
        resource: sim.resource(),
        tenant_id: sim.tenant_id(),
        client_id: sim.client_id(),
        client_secret: Secret::new(sim.client_secret()),
    }
}

/// A connection that repeats at once, and once only.
pub fn connect(config: StoreConfig, clock: Clock) -> StoreClient {
    connect_with(config, clock, |builder| builder)
}

/// The same with other settings of its HTTP clients.
pub fn connect_with(
    config: StoreConfig,
    clock: Clock,
    adapt: fn(ClientBuilder) -> ClientBuilder,
) -> StoreClient {
    let retries = RetryPolicy {
        attempts: 2,
        first_pause: Duration::from_millis(1),
        budget: Duration::from_secs(20),
        ..RetryPolicy::default()
    };
    let builder = || {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls());
        adapt(builder.no_proxy())
    };
    let [api, content] =
        [api_client(builder()), content_client(builder())].map(|builder| builder.build().unwrap());
    StoreClient::new(config, api, content, clock, Rng::seeded(2))
        .unwrap()
        .with_retries(retries)
}

fn tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
