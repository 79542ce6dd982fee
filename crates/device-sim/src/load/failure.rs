//! Why a session did not end well, by kind.

use crate::{Ended, Rule, SimError};
use std::io;

/// What ended a session. The text is the kind, under which a report counts it; the source tells the rest.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No TCP connection.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// The handshake failed.
    #[error("no TLS")]
    Tls(#[source] io::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("connection broken")]
    Http(#[from] hyper::Error),
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The server refused.
    #[error("HTTP status {0}")]
    Status(u16),
    /// A rule of the protocol was broken.
    #[error("rule broken: {0:?}")]
    Violation(Rule),
    /// The session ended before its end.
    #[error("session ended: {0:?}")]
    Ended(Ended),
    /// Whatever else stops a device.
    #[error("{0}")]
    Device(#[from] SimError),
}
