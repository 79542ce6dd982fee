//! What a server did wrong, as data.

use std::fmt;

/// One breach of the protocol by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When: `discovery`, `session 1F message 2`, `install Contoso.App_…`.
    pub during: String,
    /// Which rule.
    pub rule: Rule,
    /// What was seen. Holds no payloads and no secrets.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}: {}", self.during, self.rule, self.detail)
    }
}

/// The rules a server has to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// `a:Action` of an answer, with `mustUnderstand`.
    Action,
    /// `ActivityId` with its `CorrelationId`.
    ActivityId,
    /// Both `APPAUTH` sets of the provisioning document.
    AppAuth,
    /// Commands in an `Atomic` that cannot be rolled back, or cannot be there at all.
    Atomic,
    /// A feature that this build of Windows does not have.
    Capability,
    /// `CDATA` where character data belongs.
    Cdata,
    /// The issued certificate or its issuer.
    Certificate,
    /// `CmdID` missing, `0` or used twice in a message.
    CmdId,
    /// Something a server never sends.
    Command,
    /// `Content-Length` absent or wrong.
    ContentLength,
    /// `Content-Type` is not that of the request's kind.
    ContentType,
    /// `DeploymentOptions` in device context, or with a value that it does not have.
    DeploymentOptions,
    /// The device's name for itself in `Target`, the server's in `Source`.
    Address,
    /// A package could not be downloaded as the device needs it: HEAD, ranges, entity tag, TLS.
    Download,
    /// `Final` missing at the end of the server's package.
    Final,
    /// An HTTP status other than the one that belongs there.
    HttpStatus,
    /// A licensed app before its license was in place in the same scope.
    License,
    /// A LocURI that Windows rejects.
    LocUri,
    /// `MsgID` or `SessionID` not as the device has them.
    MessageId,
    /// An element in a namespace where it does not belong.
    Namespace,
    /// New commands before the device's package was complete.
    NextMessage,
    /// Elements in an order other than the schema's.
    Order,
    /// A parameter of the provisioning document.
    Parameter,
    /// The payload of a command is not what its node takes.
    Payload,
    /// The poll schedule: a count or interval that Windows would have to repair.
    Poll,
    /// `RelatesTo` is not the request's `MessageID`.
    RelatesTo,
    /// A repeated message got another answer.
    Replay,
    /// `./User` commands while nobody with an account here is signed in, or scopes mixed in one `Atomic`.
    Scope,
    /// A 503 without the seconds after which to come again.
    RetryAfter,
    /// `SSLCLIENTCERTSEARCHCRITERIA` does not find the certificate.
    SearchCriteria,
    /// `StoreInstall` before the user held a seat.
    Seat,
    /// A `Status` that answers nothing the device sent.
    StatusRef,
    /// A `Status` missing, or not in the order of the commands.
    StatusOrder,
    /// An element missing, repeated or unknown; a document that is not what it should be.
    Structure,
    /// The name of a certificate node is not the certificate's SHA-1.
    Thumbprint,
    /// `u:Timestamp` of the enrollment's answer.
    Timestamp,
    /// Chunked or compressed answers, redirects.
    Transfer,
    /// An address that is not absolute `https`, or on another host than it has to be.
    Url,
    /// Bytes that are no document at all.
    Unreadable,
}

/// Where violations are collected, with the occasion they belong to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    during: String,
    found: Vec<Violation>,
    execs: Vec<(String, String)>,
}

impl Watch {
    /// Names the occasion of what follows.
    pub(crate) fn during(&mut self, occasion: impl Into<String>) {
        self.during = occasion.into();
    }

    pub(crate) fn note(&mut self, rule: Rule, detail: impl Into<String>) {
        let violation = Violation {
            during: self.during.clone(),
            rule,
            detail: detail.into(),
        };
        tracing::warn!(%violation, "the server broke a rule");
        if self.found.len() < MAX_KEPT {
            self.found.push(violation);
        }
    }

    /// Notes a violation unless the condition holds; tells whether it did.
    pub(crate) fn check(&mut self, condition: bool, rule: Rule, detail: impl FnOnce() -> String) -> bool {
        if !condition {
            self.note(rule, detail());
        }
        condition
    }

    /// Keeps an `Exec`, which starts something that may not be safe to start twice.
    pub(crate) fn executed(&mut self, uri: &str, data: &str) {
        if self.execs.len() < MAX_KEPT {
            self.execs.push((uri.to_owned(), data.to_owned()));
        }
    }

    pub(crate) fn execs(&self) -> &[(String, String)] {
        &self.execs
    }

    pub(crate) fn found(&self) -> &[Violation] {
        &self.found
    }

    #[cfg(test)]
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.found.iter().map(|violation| violation.rule).collect()
    }
}

/// A server that breaks a rule in every message shall not fill the memory.
const MAX_KEPT: usize = 10_000;
