//! The sections of the configuration file.

use super::ConfigError;
use qm_core::Secret;
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};
use url::Url;

/// Where a listener waits and how the outside reaches it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port to bind.
    pub listen: SocketAddr,
    /// The address clients use; `https`, no path.
    pub public_url: Url,
}
/// `[management]`: OMA-DM; asks for the device's certificate.
pub type Management = Listener;
/// `[admin]`: admin API.
pub type Admin = Listener;

/// `[enrollment]`: discovery, policy, enrollment, package content; never asks for a client certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrollment {
    /// Address and port to bind.
    pub listen: SocketAddr,
    /// The address clients use; `https`, no path.
    pub public_url: Url,
    /// `on_premises`.
    #[serde(default = "on_premises")]
    pub auth: String,
}

fn on_premises() -> String {
    "on_premises".to_owned()
}

impl Enrollment {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_https("enrollment.public_url", &self.public_url)?;
        match self.auth.as_str() {
            "on_premises" => Ok(()),
            other => Err(ConfigError::Value {
                key: "enrollment.auth",
                problem: format!("`{other}` is not available in this version; use \"on_premises\""),
            }),
        }
    }
}

/// `[tls]`: the server's certificate, for all three listeners.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM chain, leaf first.
    pub certificate: PathBuf,
    /// PEM key.
    pub key: PathBuf,
}

/// `[database]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:FILE` or `postgres://user:password@host/name`.
    pub url: Secret<String>,
}

impl Database {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if known.iter().any(|scheme| self.url.expose().starts_with(scheme)) {
            return Ok(());
        }
        let problem = "must begin with sqlite: or postgres://".to_owned();
        Err(ConfigError::Value {
            key: "database.url",
            problem,
        })
    }
}

/// `[content]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// `file:FOLDER`.
    pub url: String,
}

/// `[store]`: the Microsoft Store for Business management service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The service's address.
    #[serde(default = "default_base_url")]
    pub base_url: Url,
    /// Who issues tokens.
    #[serde(default = "default_authority_url")]
    pub authority_url: Url,
    /// What the tokens are for.
    #[serde(default = "default_resource")]
    pub resource: String,
    /// The organization's directory.
    pub tenant_id: String,
    /// The registered application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<Secret<String>>,
    /// A file that holds the secret.
    pub client_secret_file: Option<PathBuf>,
}

fn default_base_url() -> Url {
    Url::parse("https://bspmts.mp.microsoft.com/V1").expect("a constant address")
}
fn default_authority_url() -> Url {
    Url::parse("https://login.windows.net").expect("a constant address")
}
fn default_resource() -> String {
    "https://onestore.microsoft.com".to_owned()
}

impl Store {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_store_url("store.base_url", &self.base_url)?;
        check_store_url("store.authority_url", &self.authority_url)?;
        let problem = match (&self.client_secret, &self.client_secret_file) {
            (Some(_), Some(_)) => "give either this or store.client_secret_file, not both",
            (None, None) => "is missing; give it or store.client_secret_file",
            _ => return Ok(()),
        };
        Err(ConfigError::Value {
            key: "store.client_secret",
            problem: problem.to_owned(),
        })
    }
}

/// `[keys]`: the server's own keys, mode 0600.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Certificate of the device CA.
    pub device_ca: PathBuf,
    /// Key of the device CA.
    pub device_ca_key: PathBuf,
    /// Signs content links: 32 bytes in hexadecimal.
    pub links: PathBuf,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            device_ca: "keys/device-ca.pem".into(),
            device_ca_key: "keys/device-ca.key".into(),
            links: "keys/links.key".into(),
        }
    }
}

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest upload of packages in bytes.
    pub upload_bytes: u64,
    /// How long a link to a package works, in hours.
    pub link_hours: u64,
    /// How many management messages are kept for each device.
    pub exchanges_per_device: u32,
    /// How long another server waits for one that was lost before it takes up its jobs, in seconds.
    pub lease_seconds: u64,
    /// How long a server that was told to stop still serves, not ready any more, so that a load balancer can move on,
    /// in seconds.
    pub drain_seconds: u64,
    /// How long finished jobs, answered commands and recorded messages are kept, in days.
    pub history_days: u64,
    /// How long the audit trail is kept, in days.
    pub audit_days: u64,
    /// How many connections each listener holds.
    pub connections: usize,
    /// How many of them may come from one address (of IPv6, from one /64).
    pub connections_per_address: usize,
    /// How many of them may be in their TLS handshake.
    pub handshakes: usize,
    /// After how many seconds of silence a connection is closed.
    pub idle_seconds: u64,
    /// How many wrong credentials, tokens or link signatures may come from one address in ten minutes; 0: any number.
    pub failed_attempts_per_address: u32,
    /// How many wrong enrollment credentials may name one user in ten minutes; 0: any number.
    pub failed_attempts_per_user: u32,
    /// How long devices that have left are kept, in days.
    pub devices_days: u64,
    /// How long finished deployments are kept, in days.
    pub deployments_days: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upload_bytes: 8 * 1024 * 1024 * 1024,
            link_hours: 24 * 7,
            exchanges_per_device: 40,
            lease_seconds: 60,
            drain_seconds: 2,
            history_days: 30,
            audit_days: 400,
            connections: 4000,
            connections_per_address: 1000,
            handshakes: 1000,
            idle_seconds: 60,
            failed_attempts_per_address: 60,
            failed_attempts_per_user: 20,
            devices_days: 90,
            deployments_days: 365,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_lease()?;
        self.check_places()
    }

    /// Leases are renewed three times in their life, and looked for every two seconds.
    fn check_lease(&self) -> Result<(), ConfigError> {
        if (1..=3600).contains(&self.lease_seconds) {
            return Ok(());
        }
        Err(ConfigError::Value {
            key: "limits.lease_seconds",
            problem: format!("{} is not between 1 and 3600", self.lease_seconds),
        })
    }

    /// Nobody gets in where there is no room at all.
    fn check_places(&self) -> Result<(), ConfigError> {
        let least = [
            ("limits.connections", self.connections == 0),
            (
                "limits.connections_per_address",
                self.connections_per_address == 0,
            ),
            ("limits.handshakes", self.handshakes == 0),
            ("limits.idle_seconds", self.idle_seconds == 0),
        ];
        match least.into_iter().find(|(_, none)| *none) {
            None => Ok(()),
            Some((key, _)) => Err(ConfigError::Value {
                key,
                problem: "must be 1 or more".to_owned(),
            }),
        }
    }
}

pub(super) fn check_https(key: &'static str, url: &Url) -> Result<(), ConfigError> {
    if url.scheme() == "https" {
        return Ok(());
    }
    Err(ConfigError::Value {
        key,
        problem: format!("`{url}` must be an https address"),
    })
}

/// A local Store simulator may speak plain HTTP; nothing else may.
fn check_store_url(key: &'static str, url: &Url) -> Result<(), ConfigError> {
    let loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && loopback) {
        return Ok(());
    }
    let problem = format!("`{url}` must be https; plain http is accepted on loopback addresses only");
    Err(ConfigError::Value { key, problem })
}
