//! Why a request cannot be read, and what its sender is told.

use crate::{Answer, Correlation, Fault, FaultKind, Operation};
use uuid::Uuid;

/// A request that could not be read, with what is needed to answer it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Rejected {
    /// What was asked for.
    pub operation: Operation,
    /// The request's `MessageID`, as far as it was found.
    pub message_id: Option<String>,
    /// What is wrong with it.
    #[source]
    pub error: DecodeError,
}

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No XML that we read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not a SOAP 1.2 envelope.
    #[error("the message is no SOAP 1.2 envelope")]
    NotSoap,
    /// The action belongs to another service.
    #[error("the action of the message belongs to another service")]
    ActionMismatch,
    /// An element that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// An element that may be there once is there more often; none of them is trusted.
    #[error("`{0}` is given more than once")]
    Duplicate(&'static str),
    /// An element's content is not what it has to be.
    #[error("`{0}` cannot be read")]
    Invalid(&'static str),
    /// Neither issue nor renewal.
    #[error("the request type is neither Issue nor Renew")]
    RequestType,
    /// The security header is unusable.
    #[error(transparent)]
    Security(#[from] SecurityError),
}

/// What is wrong with a body as XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// No body.
    #[error("the body is empty")]
    Empty,
    /// More bytes than [`Operation::max_body`].
    #[error("the body has {size} bytes, {limit} are allowed")]
    TooLarge {
        /// Its size.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Not well-formed, or with an unbound prefix or undefined entity.
    #[error("the body is not well-formed XML")]
    Malformed,
    /// A document type or a processing instruction.
    #[error("{0} is not allowed")]
    Forbidden(&'static str),
    /// More of something than any device sends.
    #[error("the body exceeds the limit of {0}")]
    Limit(&'static str),
}

/// What is wrong with `wsse:Security`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// Both a user name and a token.
    #[error("the security header holds two kinds of credentials")]
    TwoCredentials,
    /// A password that is not `PasswordText`.
    #[error("the password is not of type PasswordText")]
    PasswordType,
    /// A token that is not base64.
    #[error("the security token is not base64")]
    TokenEncoding,
}

impl Rejected {
    /// The answer: a bare 400 (413 for size) to what is no XML, a fault to everything else.
    pub fn answer(&self, activity_id: Uuid) -> Answer {
        match &self.error {
            DecodeError::Xml(error @ XmlError::TooLarge { .. }) => Answer::plain(413, &error.to_string()),
            DecodeError::Xml(error) => Answer::plain(400, &error.to_string()),
            error => Fault::from(error).encode(
                self.operation,
                Correlation {
                    activity_id,
                    relates_to: self.message_id.as_deref(),
                },
            ),
        }
    }
}

impl From<&DecodeError> for Fault {
    fn from(error: &DecodeError) -> Self {
        let kind = match error {
            DecodeError::ActionMismatch => FaultKind::ActionMismatch,
            DecodeError::Security(_) => FaultKind::InvalidSecurity,
            _ => FaultKind::MessageFormat,
        };
        Self::new(kind, error.to_string())
    }
}
