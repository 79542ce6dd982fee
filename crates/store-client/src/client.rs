//! The client: settings, HTTP clients, token and retry budget.

use crate::{ConfigError, RetryPolicy, StoreConfig, backoff::Hold, config::Endpoints, token::Tokens};
use qm_core::{Clock, Rng, Timestamp};
use reqwest::{ClientBuilder, redirect, retry};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// A connection to the Store; clones share token and limits.
#[derive(Clone)]
pub struct StoreClient {
    pub(crate) inner: Arc<Inner>,
    pub(crate) retry: RetryPolicy,
    /// Somebody wants to know now: what was asked with `Retry-After` does not count.
    pub(crate) urgent: bool,
}

pub(crate) struct Inner {
    pub(crate) endpoints: Endpoints,
    pub(crate) api: reqwest::Client,
    pub(crate) content: reqwest::Client,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) tokens: Tokens,
    pub(crate) slots: Semaphore,
    /// The service's wish to be left alone, and the token authority's.
    pub(crate) hold: Hold,
    pub(crate) token_hold: Hold,
}

impl StoreClient {
    /// A client over two HTTP clients: `api` for the service and the token authority (see [`api_client`]), `content`
    /// for packages and artwork (see [`content_client`]), which never sees a token.
    pub fn new(
        config: StoreConfig,
        api: reqwest::Client,
        content: reqwest::Client,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, ConfigError> {
        let endpoints = Endpoints::new(config)?;
        let slots = Semaphore::new(REQUESTS_AT_ONCE);
        let inner = Inner {
            endpoints,
            api,
            content,
            clock,
            rng,
            tokens: Tokens::default(),
            slots,
            hold: Hold::default(),
            token_hold: Hold::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            retry: RetryPolicy::default(),
            urgent: false,
        })
    }

    /// The service was found well at that moment, here or by another server: what it asked for before (`Retry-After`) no
    /// longer counts.
    pub fn found_well(&self, at: Timestamp) {
        self.inner.hold.end_older(at);
        self.inner.token_hold.end_older(at);
    }

    /// The same connection with another retry budget.
    #[must_use]
    pub fn with_retries(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }
}

impl fmt::Debug for StoreClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreClient")
            .field("config", &self.inner.endpoints.config)
            .finish_non_exhaustive()
    }
}

/// What the client for the service relies on: no redirects (a token must not follow one), no hidden repetitions.
pub fn api_client(builder: ClientBuilder) -> ClientBuilder {
    builder
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
}

/// What the client for packages and artwork relies on: few redirects, and patience as long as bytes arrive.
pub fn content_client(builder: ClientBuilder) -> ClientBuilder {
    builder
        .redirect(redirect::Policy::limited(MAX_REDIRECTS))
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(IDLE_TIMEOUT)
}

/// No rate limit is published; the service gets little at a time.
const REQUESTS_AT_ONCE: usize = 2;
const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
