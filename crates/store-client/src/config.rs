//! The connection's settings, and the addresses made from them.

use crate::{Operation, StoreError};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qm_core::Secret;
use url::{Host, Url};

/// Settings of the connection to the Store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Root of the management service, with the version: `https://bspmts.mp.microsoft.com/V1`.
    pub base_url: String,
    /// Root of the token authority without the tenant: `https://login.microsoftonline.com`.
    pub authority_url: String,
    /// The audience of the tokens: `https://onestore.microsoft.com`. A name only, nothing is fetched from it.
    pub resource: String,
    /// Id or verified domain of the organization's own directory.
    pub tenant_id: String,
    /// Id of the registered application.
    pub client_id: String,
    /// Secret of the registered application.
    pub client_secret: Secret<String>,
}

/// A setting that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A setting is missing.
    #[error("`{0}` is empty; set it")]
    Empty(&'static str),
    /// Plain HTTP would show tokens to the network.
    #[error("`{0}` uses plain http; use https (http is accepted for this machine's own addresses only)")]
    Insecure(&'static str),
    /// Not an address, or one with a query, a fragment or credentials.
    #[error("`{0}` is no address like https://host/path without query, fragment and credentials")]
    NotAnAddress(&'static str),
    /// A tenant that serves every directory has no meaning here.
    #[error("`tenant_id` is `{0}`; give the id or the verified domain of the organization's own directory")]
    SharedTenant(String),
}

/// Validated settings as addresses.
#[derive(Debug)]
pub(crate) struct Endpoints {
    base: String,
    pub(crate) token: Url,
    pub(crate) config: StoreConfig,
}

impl StoreConfig {
    /// Checks the settings.
    pub fn validate(&self) -> Result<(), ConfigError> {
        address("base_url", &self.base_url)?;
        address("authority_url", &self.authority_url)?;
        for (name, value) in [
            ("resource", &self.resource),
            ("tenant_id", &self.tenant_id),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose()),
        ] {
            if value.trim().is_empty() {
                return Err(ConfigError::Empty(name));
            }
        }
        let tenant = self.tenant_id.trim().to_ascii_lowercase();
        if matches!(
            tenant.as_str(),
            "common" | "organizations" | "consumers" | "." | ".."
        ) {
            return Err(ConfigError::SharedTenant(self.tenant_id.clone()));
        }
        Ok(())
    }
}

impl Endpoints {
    pub(crate) fn new(config: StoreConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let authority = config.authority_url.trim().trim_end_matches('/');
        let tenant = utf8_percent_encode(config.tenant_id.trim(), RESERVED);
        let token = address("authority_url", &format!("{authority}/{tenant}/oauth2/token"))?;
        let base = config.base_url.trim().trim_end_matches('/').to_owned();
        Ok(Self { base, token, config })
    }

    /// The address of an operation. Each segment is one value, encoded whole; so are the values of the query.
    pub(crate) fn url(
        &self,
        operation: Operation,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<Url, StoreError> {
        let mut text = self.base.clone();
        for segment in segments {
            // A dot segment would be resolved away and ask for something else, even where it is encoded.
            if matches!(segment.trim(), "" | "." | "..") {
                return Err(StoreError::InvalidIdentifier(operation));
            }
            text.push('/');
            text.extend(utf8_percent_encode(segment, RESERVED));
        }
        for (index, (name, value)) in query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.extend(utf8_percent_encode(value, RESERVED));
        }
        Url::parse(&text).map_err(|_| StoreError::InvalidIdentifier(operation))
    }
}

fn address(name: &'static str, text: &str) -> Result<Url, ConfigError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ConfigError::Empty(name));
    }
    let url = Url::parse(text).map_err(|_| ConfigError::NotAnAddress(name))?;
    let plain = url.query().is_none() && url.fragment().is_none();
    if !plain || !url.username().is_empty() || url.password().is_some() || url.host().is_none() {
        return Err(ConfigError::NotAnAddress(name));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(ConfigError::Insecure(name)),
        _ => Err(ConfigError::NotAnAddress(name)),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Everything but letters, digits and `-._~` is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> StoreConfig {
        StoreConfig {
            base_url: "https://store.example/V1/".into(),
            authority_url: "https://login.example".into(),
            resource: "https://audience.example".into(),
            tenant_id: "contoso.example".into(),
            client_id: "c1".into(),
            client_secret: Secret::new("s1".into()),
        }
    }

    #[test]
    fn rejects_settings_that_cannot_work() {
        type Spoil = fn(&mut StoreConfig);
        let table: [(Spoil, ConfigError); 8] = [
            (|c| c.base_url.clear(), ConfigError::Empty("base_url")),
            (
                |c| c.base_url = "http://store.example/V1".into(),
                ConfigError::Insecure("base_url"),
            ),
            (
                |c| c.base_url = "https://store.example/V1?x=1".into(),
                ConfigError::NotAnAddress("base_url"),
            ),
            (
                |c| c.base_url = "ftp://store.example".into(),
                ConfigError::NotAnAddress("base_url"),
            ),
            (
                |c| c.authority_url = "https://me:pw@login.example".into(),
                ConfigError::NotAnAddress("authority_url"),
            ),
            (
                |c| c.client_secret = Secret::new(" ".into()),
                ConfigError::Empty("client_secret"),
            ),
            (
                |c| c.tenant_id = "Common".into(),
                ConfigError::SharedTenant("Common".into()),
            ),
            (|c| c.client_id.clear(), ConfigError::Empty("client_id")),
        ];
        for (spoil, expected) in table {
            let mut config = config();
            spoil(&mut config);
            assert_eq!(config.validate(), Err(expected));
        }
    }

    #[test]
    fn accepts_plain_http_on_this_machine_only() {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let config = StoreConfig {
                base_url: format!("http://{host}:8080/V1"),
                ..config()
            };
            assert_eq!(config.validate(), Ok(()), "{host}");
        }
        let config = StoreConfig {
            base_url: "http://localhost.example/V1".into(),
            ..config()
        };
        assert_eq!(config.validate(), Err(ConfigError::Insecure("base_url")));
    }

    #[test]
    fn encodes_each_value_as_one_segment() {
        let endpoints = Endpoints::new(config()).unwrap();
        let url = |segments: &[&str], query: &[(&str, String)]| {
            endpoints.url(Operation::Seat, segments, query).map(String::from)
        };
        assert_eq!(
            url(&["Seats", "a+b'c#EXT#@d.example"], &[]).unwrap(),
            "https://store.example/V1/Seats/a%2Bb%27c%23EXT%23%40d.example"
        );
        assert_eq!(
            url(
                &["Inventory"],
                &[("continuationToken", "x+/=".into()), ("maxResults", "5".into())]
            )
            .unwrap(),
            "https://store.example/V1/Inventory?continuationToken=x%2B%2F%3D&maxResults=5"
        );
        for bad in ["", " ", ".", ".."] {
            let refused = Err(StoreError::InvalidIdentifier(Operation::Seat));
            assert_eq!(url(&["Seats", bad], &[]), refused, "{bad:?}");
        }
        assert_eq!(
            endpoints.token.as_str(),
            "https://login.example/contoso.example/oauth2/token"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", config()).contains("s1"));
    }
}
