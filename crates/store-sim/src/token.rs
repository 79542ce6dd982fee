//! The token endpoint, in both versions.

use crate::{
    config::SimConfig,
    fault::{Fault, Struck},
    ids::{guid, service_date},
};
use http::StatusCode;
use qm_core::{Rng, Timestamp};
use serde_json::{Map, Value, json};
use std::{collections::HashMap, time::Duration};

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// The secret is not the application's.
    WrongSecret,
    /// The secret has expired.
    SecretExpired,
    /// Neither a secret nor an assertion was sent.
    NoCredential,
    /// The application is not in this directory.
    UnknownApplication,
    /// There is no such directory.
    UnknownTenant,
    /// The resource is not in this directory.
    UnknownResource,
    /// The resource is disabled.
    ResourceDisabled,
    /// Another grant than client credentials.
    UnsupportedGrant,
    /// A form field is missing, given twice, or the body is no form.
    MalformedRequest,
    /// A passing trouble.
    Unavailable,
}

impl TokenError {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::WrongSecret | Self::SecretExpired | Self::NoCredential => StatusCode::UNAUTHORIZED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    const fn code(self) -> u32 {
        match self {
            Self::WrongSecret => 7_000_215,
            Self::SecretExpired => 7_000_222,
            Self::NoCredential => 7_000_216,
            Self::UnknownApplication => 700_016,
            Self::UnknownTenant => 90_002,
            Self::UnknownResource => 500_011,
            Self::ResourceDisabled => 500_014,
            Self::UnsupportedGrant => 70_003,
            Self::MalformedRequest => 900_144,
            Self::Unavailable => 90_033,
        }
    }

    const fn error(self) -> &'static str {
        match self {
            Self::WrongSecret | Self::SecretExpired | Self::NoCredential => "invalid_client",
            Self::UnknownApplication => "unauthorized_client",
            Self::UnknownTenant | Self::MalformedRequest => "invalid_request",
            Self::UnknownResource | Self::ResourceDisabled => "invalid_resource",
            Self::UnsupportedGrant => "unsupported_grant_type",
            Self::Unavailable => "temporarily_unavailable",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::WrongSecret => "The client secret is not valid.",
            Self::SecretExpired => "The client secret has expired.",
            Self::NoCredential => "The request carries neither a secret nor an assertion.",
            Self::UnknownApplication => "The application was not found in the directory.",
            Self::UnknownTenant => "The tenant was not found.",
            Self::UnknownResource => "The resource principal was not found in the directory.",
            Self::ResourceDisabled => "The resource principal is disabled.",
            Self::UnsupportedGrant => "The grant type is not supported.",
            Self::MalformedRequest => "A required form field is missing, repeated or malformed.",
            Self::Unavailable => "The service is temporarily unavailable.",
        }
    }

    pub(crate) fn body(self, now: Timestamp, rng: &Rng) -> Value {
        json!({
            "error": self.error(),
            "error_description": format!("AADSTS{}: {}", self.code(), self.text()),
            "error_codes": [self.code()],
            "timestamp": service_date(now),
            "trace_id": guid(rng),
            "correlation_id": guid(rng),
        })
    }
}

/// The tokens that were issued, with their ends.
#[derive(Debug, Default)]
pub(crate) struct Tokens(HashMap<String, Timestamp>);

impl Tokens {
    pub(crate) fn is_good(&self, token: &str, now: Timestamp) -> bool {
        self.0.get(token).is_some_and(|end| now < *end)
    }

    pub(crate) fn revoke_all(&mut self) {
        self.0.clear();
    }

    fn issue(&mut self, now: Timestamp, lifetime: Duration, rng: &Rng) -> String {
        self.0.retain(|_, end| now < *end);
        // As long as real ones, which are signed documents of one to three kilobytes, and in three parts.
        let part = |tokens: usize| (0..tokens).map(|_| rng.token()).collect::<String>();
        let token = format!("{}.{}.{}", part(1), part(20), part(8));
        self.0.insert(token.clone(), now + lifetime);
        token
    }
}

/// Which version of the endpoint was called, and for which directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint<'a> {
    tenant: &'a str,
    version: EndpointVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndpointVersion {
    One,
    Two,
}

impl<'a> Endpoint<'a> {
    /// Recognises the path of a token endpoint.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
        let version = match rest {
            "oauth2/token" => EndpointVersion::One,
            "oauth2/v2.0/token" => EndpointVersion::Two,
            _ => return None,
        };
        Some(Self { tenant, version })
    }
}

/// Answers a token request.
pub(crate) fn answer(
    tokens: &mut Tokens,
    config: &SimConfig,
    endpoint: &Endpoint<'_>,
    form: Option<&[u8]>,
    struck: &Struck,
) -> Result<Value, TokenError> {
    let refused = struck.find(|fault| match fault {
        Fault::Token(error) => Some(*error),
        _ => None,
    });
    if let Some(error) = refused {
        return Err(error);
    }
    let form = Form::parse(form.ok_or(TokenError::MalformedRequest)?)?;
    check(config, endpoint, &form)?;
    let now = config.clock.now();
    let token = tokens.issue(now, config.token_lifetime, &config.rng);
    Ok(body(config, endpoint.version, now, &token))
}

fn check(config: &SimConfig, endpoint: &Endpoint<'_>, form: &Form) -> Result<(), TokenError> {
    if !endpoint.tenant.eq_ignore_ascii_case(&config.tenant_id) {
        return Err(TokenError::UnknownTenant);
    }
    if form.required("grant_type")? != "client_credentials" {
        return Err(TokenError::UnsupportedGrant);
    }
    if !form
        .required("client_id")?
        .eq_ignore_ascii_case(&config.client_id)
    {
        return Err(TokenError::UnknownApplication);
    }
    let secret = form.field("client_secret").ok_or(TokenError::NoCredential)?;
    if secret != config.client_secret.expose() {
        return Err(TokenError::WrongSecret);
    }
    let good = match endpoint.version {
        EndpointVersion::One => form.required("resource")? == config.resource,
        EndpointVersion::Two => form.required("scope")? == format!("{}/.default", config.resource),
    };
    if good {
        Ok(())
    } else {
        Err(TokenError::UnknownResource)
    }
}

fn body(config: &SimConfig, version: EndpointVersion, now: Timestamp, token: &str) -> Value {
    let seconds = config.token_lifetime.as_secs();
    let as_text = version == EndpointVersion::One && !config.token_numbers;
    let number = |number: u64| {
        if as_text {
            json!(number.to_string())
        } else {
            json!(number)
        }
    };
    let mut body = Map::from_iter([
        ("token_type".to_owned(), json!("Bearer")),
        ("expires_in".to_owned(), number(seconds)),
        ("ext_expires_in".to_owned(), number(seconds)),
        ("access_token".to_owned(), json!(token)),
    ]);
    if version == EndpointVersion::One {
        let begin = u64::try_from(now.as_secs()).unwrap_or(0);
        body.insert("expires_on".to_owned(), number(begin + seconds));
        body.insert("not_before".to_owned(), number(begin));
        body.insert("resource".to_owned(), json!(config.resource));
    }
    Value::Object(body)
}

/// A form whose fields are given once each.
struct Form(HashMap<String, String>);

impl Form {
    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(TokenError::MalformedRequest);
            }
        }
        Ok(Self(fields))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, TokenError> {
        self.field(name).ok_or(TokenError::MalformedRequest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_both_versions_of_the_endpoint() {
        assert_eq!(
            Endpoint::parse("/t/oauth2/token").unwrap().version,
            EndpointVersion::One
        );
        assert_eq!(
            Endpoint::parse("/t/oauth2/v2.0/token").unwrap().version,
            EndpointVersion::Two
        );
        for other in ["/oauth2/token", "/t/oauth2/Token", "/V1/Inventory", ""] {
            assert_eq!(Endpoint::parse(other), None, "{other}");
        }
    }

    #[test]
    fn tokens_end() {
        let (mut tokens, rng) = (Tokens::default(), Rng::seeded(3));
        let now = Timestamp::from_millis(0);
        let token = tokens.issue(now, Duration::from_secs(40), &rng);
        assert!((1000..3000).contains(&token.len()));
        assert!(tokens.is_good(&token, now + Duration::from_secs(39)));
        assert!(!tokens.is_good(&token, now + Duration::from_secs(40)));
        tokens.revoke_all();
        assert!(!tokens.is_good(&token, now));
    }
}
