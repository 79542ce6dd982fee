//! What the service saw: every request, and what a well-behaved client would not have done.

use crate::{Operation, catalogue::ProductKey};
use qm_core::Timestamp;
use std::{collections::BTreeSet, fmt};

/// A request as it was seen. Tokens, signatures and bodies are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it came.
    pub at: Timestamp,
    /// What it asked for; `None` if that was not recognised.
    pub operation: Option<Operation>,
    /// The verb.
    pub method: String,
    /// The path, percent-encoded as sent, without the query.
    pub path: String,
    /// The query of an API call, percent-encoded as sent; empty for tokens and content.
    pub query: String,
    /// The status of the answer; `None` while there is none, or if the connection was closed instead.
    pub status: Option<u16>,
}

/// Something that a well-behaved client does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub at: Timestamp,
    /// The verb and path of the request.
    pub request: String,
    /// What.
    pub kind: ViolationKind,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.request, self.kind)
    }
}

/// What a well-behaved client does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViolationKind {
    /// The token went to the content host.
    #[error("an Authorization header was sent to the content host")]
    CredentialsToContentHost,
    /// The API can also produce XML.
    #[error("the Accept header does not ask for application/json")]
    AcceptMissing,
    /// Strict front ends answer 411.
    #[error("a POST came without Content-Length")]
    LengthMissing,
    /// Only the bulk operation has a body.
    #[error("a body was sent with an operation that has none")]
    UnexpectedBody,
    /// A body that is not declared as what it is.
    #[error("the body's Content-Type is wrong")]
    WrongMediaType,
    /// A path or verb that the service does not have.
    #[error("the service has no such operation")]
    UnknownOperation,
    /// A query parameter that the operation does not have.
    #[error("the operation has no parameter `{0}`")]
    UnknownParameter(String),
    /// A parameter without a value, which should have been left out.
    #[error("the parameter `{0}` is empty")]
    EmptyParameter(String),
    /// Collections are sent by repeating the parameter.
    #[error("a collection was sent as one text")]
    JoinedCollection,
    /// More users than one bulk request may name.
    #[error("{0} users were named in one bulk request")]
    BulkTooLarge(usize),
    /// Frameworks need no license.
    #[error("a license was asked for a framework")]
    LicenseForFramework,
    /// A bulk request names users again whose seats were left in doubt by a lost answer, without having looked.
    #[error("a bulk request was repeated for {0} without reading the seats first")]
    RepeatedBlindly(String),
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) requests: Vec<RequestRecord>,
    pub(crate) violations: Vec<Violation>,
    /// Product and folded user name of seats whose bulk answer was lost.
    doubtful: BTreeSet<(ProductKey, String)>,
    in_flight: usize,
    pub(crate) peak_in_flight: usize,
}

impl Journal {
    /// Notes a request; the number finds it again.
    pub(crate) fn begin(&mut self, record: RequestRecord) -> usize {
        self.in_flight += 1;
        self.peak_in_flight = self.peak_in_flight.max(self.in_flight);
        self.requests.push(record);
        self.requests.len() - 1
    }

    pub(crate) fn end(&mut self, number: usize, status: Option<u16>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(record) = self.requests.get_mut(number) {
            record.status = status;
        }
    }

    pub(crate) fn violation(&mut self, number: usize, kind: ViolationKind) {
        let Some(record) = self.requests.get(number) else {
            return;
        };
        let request = format!("{} {}", record.method, record.path);
        tracing::warn!(http.request = %request, violation = %kind, "client misbehaved");
        self.violations.push(Violation {
            at: record.at,
            request,
            kind,
        });
    }

    /// The answer to a bulk request for this user was lost.
    pub(crate) fn doubt(&mut self, key: &ProductKey, user: &str) {
        self.doubtful.insert((key.clone(), fold(user)));
    }

    /// Whether this user's seat is in doubt; asking settles it, so that a repetition counts once.
    pub(crate) fn take_doubt(&mut self, key: &ProductKey, user: &str) -> bool {
        self.doubtful.remove(&(key.clone(), fold(user)))
    }

    /// The client looked at the seats of a product, of a user, or of both.
    pub(crate) fn looked(&mut self, key: Option<&ProductKey>, user: Option<&str>) {
        let user = user.map(fold);
        self.doubtful.retain(|(doubtful_key, doubtful_user)| {
            let seen = key.is_none_or(|key| key == doubtful_key)
                && user.as_ref().is_none_or(|user| user == doubtful_user);
            !seen
        });
    }
}

/// User names compare without case.
pub(crate) fn fold(user: &str) -> String {
    user.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_settles_what_was_looked_at() {
        let mut journal = Journal::default();
        let (a, b) = (ProductKey::new("9A", "0010"), ProductKey::new("9B", "0010"));
        for key in [&a, &b] {
            for user in ["Ann@x", "bob@x"] {
                journal.doubt(key, user);
            }
        }
        journal.looked(Some(&a), Some("ann@X"));
        assert!(!journal.take_doubt(&a, "ann@x"));
        assert!(journal.take_doubt(&a, "BOB@x"));
        journal.looked(None, Some("bob@x"));
        journal.looked(Some(&a), None);
        assert!(!journal.take_doubt(&b, "bob@x"));
        assert!(journal.take_doubt(&b, "ann@x"));
    }
}
