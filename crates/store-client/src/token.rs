//! The bearer token: fetched once for all who wait, renewed before it ends, replaced when the service refuses it.

use crate::{
    StoreClient, StoreError,
    answer::{self, Body},
    backoff::Backoff,
    lenient::{Fields, int},
    transport::cause,
};
use qm_core::{Secret, Timestamp};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::Mutex;

/// Why no token could be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The application is unknown in the directory.
    #[error(
        "the directory does not know the application; check `client_id`, or let an administrator consent to it"
    )]
    AppNotInTenant,
    /// The answer is no token.
    #[error("the token authority's answer cannot be used; check `authority_url`")]
    BadAnswer,
    /// The client secret has expired.
    #[error("the application's secret has expired; make a new one and set `client_secret`")]
    CredentialsExpired,
    /// The client secret is wrong.
    #[error(
        "the directory rejects the application's secret; set `client_secret` to its value, not to its id"
    )]
    CredentialsRejected,
    /// Another refusal.
    #[error("the directory refuses a token: {error} (AADSTS{code}, status {status})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// `error`.
        error: String,
        /// First of `error_codes`; 0 if there was none.
        code: i64,
    },
    /// The Store's service principal is switched off.
    #[error(
        "the Store's service is switched off in the directory; it was disabled there, or the service is retired"
    )]
    ResourceDisabled,
    /// The directory has no such resource.
    #[error(
        "the directory does not know `resource`; the organization never signed up for the Store for Business"
    )]
    ResourceNotInTenant,
    /// No such directory.
    #[error("there is no directory `tenant_id`; correct it")]
    TenantNotFound,
    /// The authority does not answer, or asks for patience.
    #[error("the token authority is not available ({detail}); try again later")]
    Unavailable {
        /// The cause.
        detail: String,
        /// How long it asked to wait.
        retry_after: Option<Duration>,
    },
    /// A token for something else.
    #[error("the token authority issued a token for another resource; correct `resource`")]
    WrongResource,
}

impl TokenError {
    /// Whether waiting may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable {
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// The one token of a connection. The lock is held while a token is fetched, so that others wait for it.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Option<Token>>);

struct Token {
    value: Secret<String>,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

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

    async fn fetch_token(&self, backoff: &mut Backoff<'_>) -> Result<Token, TokenError> {
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

    async fn request_token(&self, time: Duration) -> Result<Token, TokenError> {
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
                read_token(&body, &config.resource, self.inner.clock.now())
            }
            Body::Whole(body) => Err(read_refusal(status, &body, retry_after)),
            Body::TooLarge => Err(TokenError::BadAnswer),
            Body::Broken(error) => Err(TokenError::unavailable(cause(error))),
        }
    }
}

fn read_token(body: &[u8], resource: &str, now: Timestamp) -> Result<Token, TokenError> {
    let json: Value = serde_json::from_slice(body).map_err(|_| TokenError::BadAnswer)?;
    let fields = Fields::of(&json).ok_or(TokenError::BadAnswer)?;
    let same = |text: &str| plain(text).eq_ignore_ascii_case(plain(resource));
    if fields.text("resource").is_some_and(|echo| !same(&echo)) {
        return Err(TokenError::WrongResource);
    }
    if fields
        .text("token_type")
        .is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"))
    {
        return Err(TokenError::BadAnswer);
    }
    let value = fields
        .text("access_token")
        .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
    let life = Duration::from_secs(
        fields
            .size("expires_in")
            .unwrap_or(SHORTEST_LIFE)
            .min(LONGEST_LIFE),
    );
    // Short-lived tokens are renewed late in their life, long-lived ones five minutes before the end.
    let margin = RENEW_BEFORE.min(life / 4);
    Ok(Token {
        value: Secret::new(value.ok_or(TokenError::BadAnswer)?),
        renew_at: now + life.saturating_sub(margin),
        ends_at: now + life,
    })
}

/// The refusal in words that say what to do.
fn read_refusal(status: u16, body: &[u8], retry_after: Option<Duration>) -> TokenError {
    let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let fields = Fields::of(&json);
    let error = fields.and_then(|fields| fields.text("error")).unwrap_or_default();
    let codes = fields
        .map(|fields| fields.list("error_codes", int).items)
        .unwrap_or_default();
    let has = |code: i64| codes.contains(&code);
    if matches!(status, 408 | 429 | 500..) || error == "temporarily_unavailable" || has(90033) {
        return TokenError::Unavailable {
            detail: format!("status {status}"),
            retry_after,
        };
    }
    match error.as_str() {
        _ if has(7_000_222) => TokenError::CredentialsExpired,
        _ if has(700_016) => TokenError::AppNotInTenant,
        _ if has(90002) => TokenError::TenantNotFound,
        _ if has(500_014) => TokenError::ResourceDisabled,
        _ if has(500_011) => TokenError::ResourceNotInTenant,
        "invalid_client" => TokenError::CredentialsRejected,
        "unauthorized_client" => TokenError::AppNotInTenant,
        "invalid_resource" => TokenError::ResourceNotInTenant,
        "" => TokenError::BadAnswer,
        _ => TokenError::Refused {
            status,
            code: codes.first().copied().unwrap_or(0),
            error,
        },
    }
}

fn plain(resource: &str) -> &str {
    resource.trim().trim_end_matches('/')
}

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 64 << 10;
const RENEW_BEFORE: Duration = Duration::from_mins(5);
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Seconds assumed where the authority tells no lifetime.
const SHORTEST_LIFE: u64 = 300;
/// Seconds beyond which a lifetime is not believed.
const LONGEST_LIFE: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn read(body: &Value) -> Result<(i64, i64), TokenError> {
        let token = read_token(body.to_string().as_bytes(), "https://audience.example", NOW)?;
        assert_eq!(token.value.expose(), "tok");
        Ok((
            token.renew_at.as_secs() - NOW.as_secs(),
            token.ends_at.as_secs() - NOW.as_secs(),
        ))
    }

    #[test]
    fn lifetimes_come_as_text_or_number_and_renewal_comes_before_the_end() {
        let token =
            |life: Value| json!({ "token_type": "bearer", "access_token": "tok", "expires_in": life });
        assert_eq!(read(&token(json!("3600"))), Ok((3300, 3600)));
        assert_eq!(read(&token(json!(3600))), Ok((3300, 3600)));
        assert_eq!(read(&token(json!("40"))), Ok((30, 40)));
        assert_eq!(read(&token(json!(null))), Ok((225, 300)));
    }

    #[test]
    fn refuses_tokens_for_others_and_answers_that_are_none() {
        let token = |name: &str, value: &str| {
            let mut token = json!({ "access_token": "tok", "resource": "https://AUDIENCE.example/" });
            token[name] = json!(value);
            token
        };
        assert!(read(&token("token_type", "Bearer")).is_ok());
        assert_eq!(
            read(&token("resource", "https://graph.example")),
            Err(TokenError::WrongResource)
        );
        assert_eq!(read(&token("token_type", "mac")), Err(TokenError::BadAnswer));
        assert_eq!(
            read(&token("access_token", "a\r\nb: c")),
            Err(TokenError::BadAnswer)
        );
        assert_eq!(read(&json!([])), Err(TokenError::BadAnswer));
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let table = [
            (401, "invalid_client", 7_000_215, TokenError::CredentialsRejected),
            (401, "invalid_client", 7_000_222, TokenError::CredentialsExpired),
            (400, "unauthorized_client", 700_016, TokenError::AppNotInTenant),
            (400, "invalid_request", 90002, TokenError::TenantNotFound),
            (400, "invalid_resource", 500_011, TokenError::ResourceNotInTenant),
            (400, "invalid_request", 500_014, TokenError::ResourceDisabled),
            (
                400,
                "odd",
                7,
                TokenError::Refused {
                    status: 400,
                    error: "odd".into(),
                    code: 7,
                },
            ),
            (
                400,
                "temporarily_unavailable",
                0,
                TokenError::unavailable("status 400"),
            ),
            (400, "invalid_grant", 90033, TokenError::unavailable("status 400")),
            (429, "", 0, TokenError::unavailable("status 429")),
            (503, "", 0, TokenError::unavailable("status 503")),
            (404, "", 0, TokenError::BadAnswer),
        ];
        for (status, error, code, expected) in table {
            let body = json!({ "error": error, "error_codes": [code], "error_description": "x" }).to_string();
            assert_eq!(
                read_refusal(status, body.as_bytes(), None),
                expected,
                "{status} {error} {code}"
            );
        }
    }
}
