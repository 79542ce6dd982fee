//! The token authority's answers: a token, or why there is none.

use crate::lenient::{Fields, int};
use qm_core::{Secret, Timestamp};
use serde_json::Value;
use std::time::Duration;

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

    /// The authority cannot be reached.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::Unavailable {
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// A token that was granted.
#[derive(Debug)]
pub struct Grant {
    /// The bearer token.
    pub value: Secret<String>,
    /// When another is to be had.
    pub renew_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

impl Grant {
    /// Reads an answer of success to a request for `resource`.
    pub fn read(body: &[u8], resource: &str, now: Timestamp) -> Result<Self, TokenError> {
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
        Ok(Self {
            value: Secret::new(value.ok_or(TokenError::BadAnswer)?),
            renew_at: now + life.saturating_sub(margin),
            ends_at: now + life,
        })
    }
}

impl TokenError {
    /// Reads an answer of refusal, in words that say what to do.
    pub fn refusal(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let fields = Fields::of(&json);
        let error = fields.and_then(|fields| fields.text("error")).unwrap_or_default();
        let codes = fields
            .map(|fields| fields.list("error_codes", int).items)
            .unwrap_or_default();
        let has = |code: i64| codes.contains(&code);
        if matches!(status, 408 | 429 | 500..) || error == "temporarily_unavailable" || has(90033) {
            return Self::Unavailable {
                detail: format!("status {status}"),
                retry_after,
            };
        }
        match error.as_str() {
            _ if has(7_000_222) => Self::CredentialsExpired,
            _ if has(700_016) => Self::AppNotInTenant,
            _ if has(90002) => Self::TenantNotFound,
            _ if has(500_014) => Self::ResourceDisabled,
            _ if has(500_011) => Self::ResourceNotInTenant,
            "invalid_client" => Self::CredentialsRejected,
            "unauthorized_client" => Self::AppNotInTenant,
            "invalid_resource" => Self::ResourceNotInTenant,
            "" => Self::BadAnswer,
            _ => Self::Refused {
                status,
                code: codes.first().copied().unwrap_or(0),
                error: error.chars().take(MAX_ERROR).collect(),
            },
        }
    }
}

fn plain(resource: &str) -> &str {
    resource.trim().trim_end_matches('/')
}

const RENEW_BEFORE: Duration = Duration::from_mins(5);
/// Characters kept of a refusal that we have no words for.
const MAX_ERROR: usize = 120;
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
        let token = Grant::read(body.to_string().as_bytes(), "https://audience.example", NOW)?;
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
    fn a_refusal_without_measure_is_cut() {
        let body = json!({ "error": "e".repeat(9000) }).to_string();
        let error = TokenError::refusal(400, body.as_bytes(), None);
        assert!(error.to_string().len() < 300);
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
                TokenError::refusal(status, body.as_bytes(), None),
                expected,
                "{status} {error} {code}"
            );
        }
    }
}
