//! What goes wrong in the client, worded for the person at the terminal: what happened, then what to do about it.

use super::text;
use crate::output;
use http::StatusCode;
use qm_admin_api::types::Problem;
use rustls::{AlertDescription, CertificateError};
use std::{error::Error, io, path::PathBuf, process::ExitCode};
use url::Url;

/// Why a command failed. Its text ends with `hint:` lines where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No address.
    #[error(
        "no server is named\nhint: set QUARTERMASTER_URL, or give --url, to the admin listener's address, for example https://mdm.example.com:9443"
    )]
    NoUrl,
    /// An address that is none.
    #[error("the server's address cannot be used: {0}\nhint: it looks like https://mdm.example.com:9443")]
    BadUrl(String),
    /// A token would travel in the clear.
    #[error(
        "the server's address cannot be used: plain http is for this machine only\nhint: use https, so that nobody can read the token on the way"
    )]
    PlainHttp,
    /// No token.
    #[error(
        "no API token is given\nhint: set QUARTERMASTER_TOKEN; on the server, `quartermaster token create --config FILE --name NAME --role operator` makes one"
    )]
    NoToken,
    /// A token with characters that cannot be sent.
    #[error(
        "the API token cannot be sent: it holds characters that no token has\nhint: look for a line break or a quotation mark in QUARTERMASTER_TOKEN"
    )]
    BadToken,
    /// The file of `--ca-cert`.
    #[error("cannot use the certificates in {}: {problem}\nhint: --ca-cert wants a PEM file such as DIR/tls/root.pem of the installation", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The operating system has no roots.
    #[error(
        "this machine's trusted certificates cannot be used: {0}\nhint: name the server's root with --ca-cert FILE"
    )]
    SystemRoots(#[source] rustls::Error),
    /// A file to send.
    #[error("cannot read {}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file for `--data-file` that is no text.
    #[error("{} is no UTF-8 text\nhint: send other bytes as base64, with --format b64", .0.display())]
    NotText(PathBuf),
    /// `--wait` for something that nobody may ever ask for.
    #[error(
        "there is nothing to wait for: an app that is offered is installed only when somebody asks for it\nhint: leave out --wait, or use --intent required"
    )]
    WaitForOffer,
    /// The connection was refused.
    #[error(
        "nothing answers at {0}\nhint: is the server running (`quartermaster serve`), and is this the address of its [admin] listener?"
    )]
    Refused(Url),
    /// No connection for another reason.
    #[error("cannot connect to {url}: {problem}\nhint: check the address and the network")]
    Unreachable {
        /// The server.
        url: Url,
        /// Why not.
        problem: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "the certificate of {0} is not trusted\nhint: if the server made its own certificate, give --ca-cert DIR/tls/root.pem from its data folder"
    )]
    Untrusted(Url),
    /// The server's certificate is for another name.
    #[error(
        "the certificate of {0} is for another name\nhint: use the name in [admin] public_url of the server's configuration"
    )]
    OtherName(Url),
    /// The server asks for a device's certificate.
    #[error(
        "{0} wants a device's certificate\nhint: this is the management listener; the admin API is on the [admin] listener, usually port 9443"
    )]
    DeviceListener(Url),
    /// Another failure of TLS.
    #[error("no secure connection: {0}")]
    Tls(#[source] rustls::Error),
    /// No answer in time.
    #[error("{0} did not answer in time\nhint: try again; the server's log says what it is busy with")]
    TimedOut(Url),
    /// The connection broke.
    #[error("the connection to {url} broke: {problem}")]
    Broken {
        /// The server.
        url: Url,
        /// How.
        problem: String,
    },
    /// The server refused and said why.
    #[error("{title}: {detail}{}", hint(*status))]
    Problem {
        /// The HTTP status.
        status: StatusCode,
        /// The kind of problem.
        title: String,
        /// What happened.
        detail: String,
    },
    /// An error that the admin API did not word.
    #[error(
        "the server answered {0}, but not as the admin API does\nhint: is this the address of the [admin] listener, usually port 9443?"
    )]
    Status(StatusCode),
    /// An answer that cannot be read.
    #[error(
        "the server's answer cannot be understood: {0}\nhint: is this the address of the [admin] listener, and is the server of the same version?"
    )]
    Answer(#[source] serde_json::Error),
    /// An answer that is no list.
    #[error(
        "the server's answer is no list\nhint: is this the address of the [admin] listener, and is the server of the same version?"
    )]
    NoList,
    /// An answer without end.
    #[error("the server's answer is too long\nhint: ask for less with --limit")]
    TooLong,
    /// A list that goes in circles.
    #[error("the server's list has no end: it names the same next page twice")]
    EndlessList,
    /// A deployment came to its end, but not everywhere.
    #[error(
        "the deployment is {state}, {missed} of {targets} devices were not reached\nhint: `quartermaster deployments targets {id}` shows what stands in their way, `quartermaster deployments retry {id}` starts them again"
    )]
    NotEverywhere {
        /// Which deployment.
        id: uuid::Uuid,
        /// `completed` or `cancelled`.
        state: String,
        /// Targets that failed or were cancelled.
        missed: i64,
        /// All targets.
        targets: i64,
    },
}

impl ClientError {
    /// The refusal that a problem document describes.
    pub fn problem(status: StatusCode, problem: &Problem) -> Self {
        Self::Problem {
            status,
            title: text::line(&problem.title),
            detail: text::line(&problem.detail),
        }
    }

    /// 1 where the request or the call was wrong or its aim was not reached, 2 where the server or the way to it is at fault.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Problem { status, .. } | Self::Status(status) => 1 + u8::from(is_the_servers(*status)),
            Self::SystemRoots(_)
            | Self::Refused(_)
            | Self::Unreachable { .. }
            | Self::Tls(_)
            | Self::TimedOut(_)
            | Self::Broken { .. }
            | Self::Answer(_)
            | Self::NoList
            | Self::TooLong
            | Self::EndlessList => 2,
            _ => 1,
        }
    }

    /// Tells it on stderr; the exit status to leave with.
    pub fn report(&self) -> ExitCode {
        output::note(&format!("error: {self}"));
        ExitCode::from(self.exit_code())
    }

    /// Whether the same call may succeed a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Problem { status, .. } | Self::Status(status) => is_the_servers(*status),
            Self::Refused(_) | Self::Unreachable { .. } | Self::TimedOut(_) | Self::Broken { .. } => true,
            _ => false,
        }
    }
}

fn is_the_servers(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            "\nhint: set QUARTERMASTER_TOKEN to a token of this server; `quartermaster token create --config FILE --name NAME --role operator`, run there, makes one"
        }
        StatusCode::FORBIDDEN => {
            "\nhint: use a token with that role; `quartermaster token create --config FILE --name NAME --role admin`, run on the server, makes one"
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            "\nhint: [limits] upload_bytes in the server's configuration is the most that an upload may have"
        }
        status if is_the_servers(status) => "\nhint: try again in a moment; the server's log says more",
        _ => "",
    }
}

/// Finds out why a request to `base` got no answer.
pub fn failed(error: reqwest::Error, base: &Url) -> ClientError {
    let url = base.clone();
    if let Some(tls) = cause(&error, tls_error) {
        return refused_by_tls(tls.clone(), url);
    }
    if cause(&error, connection_refused).is_some() {
        return ClientError::Refused(url);
    }
    if error.is_timeout() {
        return ClientError::TimedOut(url);
    }
    let connecting = error.is_connect();
    let problem = innermost(&error.without_url());
    if connecting {
        ClientError::Unreachable { url, problem }
    } else {
        ClientError::Broken { url, problem }
    }
}

fn refused_by_tls(error: rustls::Error, url: Url) -> ClientError {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => ClientError::Untrusted(url),
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => ClientError::OtherName(url),
        Tls::AlertReceived(AlertDescription::CertificateRequired) => ClientError::DeviceListener(url),
        other => ClientError::Tls(other),
    }
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref()
}

fn connection_refused<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    error
        .downcast_ref::<io::Error>()
        .filter(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The first cause that `found` recognizes. An `io::Error` hides the error it wraps from `source`, so it is opened.
fn cause<'a, T>(
    error: &'a (dyn Error + 'static),
    found: fn(&'a (dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    found(error).or_else(|| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next: &'a (dyn Error + 'static) = match wrapped {
            Some(wrapped) => wrapped,
            None => error.source()?,
        };
        cause(next, found)
    })
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    text::line(&innermost.to_string())
}
