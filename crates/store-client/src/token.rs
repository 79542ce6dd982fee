//! The bearer token: fetched once for all who wait, renewed before it ends, replaced when the service refuses it.

use crate::{
    StoreClient, StoreError, TokenError,
    answer::{self, Body},
    backoff::Backoff,
    transport::cause,
};
use qm_core::Secret;
use qm_store_model::Grant;
use std::time::Duration;
use tokio::sync::Mutex;

/// The one token of a connection. The lock is held while a token is fetched, so that others wait for it.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Option<Grant>>);

impl StoreClient {
    /// A token that is good for some time, had within the budget of the request that it is for.
    pub(crate) async fn bearer(&self, backoff: &mut Backoff<'_>) -> Result<Secret<String>, StoreError> {
        let mut held = self.inner.tokens.0.lock().await;
        let now = self.inner.clock.now();
        if let Some(token) = held.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.value.clone());
        }
        match (self.fetch_token(backoff).await, held.as_mut()) {
            (Ok(token), _) => Ok(held.insert(token).value.clone()),
            // The authority is out of order: the old token serves until its end.
            (Err(error), Some(token)) if error.is_transient() && now < token.ends_at => {
                token.renew_at = now + AFTER_FAILURE;
                Ok(token.value.clone())
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Forgets a token that the service refused, unless it was replaced meanwhile.
    pub(crate) async fn discard(&self, refused: &Secret<String>) {
        let mut held = self.inner.tokens.0.lock().await;
        if held.as_ref().is_some_and(|token| token.value == *refused) {
            *held = None;
        }
    }

    async fn fetch_token(&self, backoff: &mut Backoff<'_>) -> Result<Grant, TokenError> {
        loop {
            self.wait_for_the_authority(backoff).await?;
            match self.request_token(backoff.attempt().min(TIMEOUT)).await {
                Err(TokenError::Unavailable { detail, retry_after }) => {
                    if let Some(wait) = retry_after {
                        self.inner.token_hold.extend(wait, self.inner.clock.now());
                    }
                    if !backoff.pause(retry_after).await {
                        return Err(TokenError::Unavailable { detail, retry_after });
                    }
                }
                settled => {
                    self.inner.token_hold.end();
                    return settled;
                }
            }
        }
    }

    /// Where the authority asked for patience, that is for all who want a token.
    async fn wait_for_the_authority(&self, backoff: &Backoff<'_>) -> Result<(), TokenError> {
        if self.urgent {
            return Ok(());
        }
        backoff
            .wait_out(&self.inner.token_hold)
            .await
            .map_err(|wait| TokenError::Unavailable {
                detail: "it asked to be left alone".to_owned(),
                retry_after: Some(wait),
            })
    }

    async fn request_token(&self, time: Duration) -> Result<Grant, TokenError> {
        let config = &self.inner.endpoints.config;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", config.client_id.trim()),
            ("client_secret", config.client_secret.expose()),
            ("resource", config.resource.trim()),
        ];
        let request = self
            .inner
            .api
            .post(self.inner.endpoints.token.clone())
            .timeout(time)
            .form(&form);
        let sent = request.send().await;
        let mut response = sent.map_err(|error| TokenError::unavailable(cause(error)))?;
        let retry_after = self.retry_after(&response);
        let status = response.status().as_u16();
        match answer::read_body(&mut response, MAX_ANSWER).await {
            Body::Whole(body) if response.status().is_success() => {
                Grant::read(&body, &config.resource, self.inner.clock.now())
            }
            Body::Whole(body) => Err(TokenError::refusal(status, &body, retry_after)),
            Body::TooLarge => Err(TokenError::BadAnswer),
            Body::Broken(error) => Err(TokenError::unavailable(cause(error))),
        }
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 64 << 10;
const AFTER_FAILURE: Duration = Duration::from_secs(30);
