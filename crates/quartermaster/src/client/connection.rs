//! Where the server is and how its answers are shown: the options that every command shares.

use super::ClientError;
use clap::{Args, ValueEnum};
use qm_core::Secret;
use std::{convert::Infallible, path::PathBuf};
use url::{Host, Url};

/// How to reach the admin API, and how to print. The options may stand before or after the command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// Address of the admin API, for example https://mdm.example.com:9443
    #[arg(long, global = true, env = "QUARTERMASTER_URL", value_name = "URL")]
    pub url: Option<String>,
    /// API token; other users of this machine can see it here, so rather set the variable
    #[arg(long, global = true, env = "QUARTERMASTER_TOKEN", hide_env_values = true, value_parser = secret)]
    pub token: Option<Secret<String>>,
    /// Trust the certificates of this PEM file and no others, for example DIR/tls/root.pem
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// How to print what the server answers
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// The API's JSON, for scripts.
    Json,
}

impl Connection {
    /// The address, checked: `https`, or `http` to this machine.
    pub fn base(&self) -> Result<Url, ClientError> {
        let text = self
            .url
            .as_deref()
            .filter(|text| !text.is_empty())
            .ok_or(ClientError::NoUrl)?;
        let url = Url::parse(text).map_err(|error| bad_url(error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(ClientError::PlainHttp),
            other => return Err(bad_url(format!("`{other}` is not https"))),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad_url(
                "it holds a user name or password; the API token goes into QUARTERMASTER_TOKEN".into(),
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad_url("it has a query or a fragment".into()));
        }
        Ok(url)
    }

    /// The token, checked to be there.
    pub fn token(&self) -> Result<&Secret<String>, ClientError> {
        self.token
            .as_ref()
            .filter(|token| !token.expose().is_empty())
            .ok_or(ClientError::NoToken)
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "clap asks for this form of a value parser"
)]
fn secret(text: &str) -> Result<Secret<String>, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

fn bad_url(problem: String) -> ClientError {
    ClientError::BadUrl(problem)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
