//! What goes back over HTTP, and what ties it to its request.

use crate::names;
use uuid::Uuid;

/// Media type of every SOAP message, both ways.
pub const CONTENT_TYPE: &str = "application/soap+xml; charset=utf-8";

/// Media type of the short answers to what is no SOAP at all.
pub const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// A whole HTTP answer. The body is complete, so that it goes out with a `Content-Length`: Windows
/// does not accept chunked or compressed answers (MS-MDE2 3.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

/// The three enrollment services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Discovery (MS-MDE2 3.1).
    Discover,
    /// Enrollment policy (MS-XCEP).
    GetPolicies,
    /// Enrollment and renewal (MS-WSTEP).
    RequestSecurityToken,
}

/// What an answer repeats from its request, and the id that the log knows it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation<'a> {
    /// A fresh id; appears as `ActivityId` and in faults as `TraceId`. Log it.
    pub activity_id: Uuid,
    /// The request's `MessageID`, verbatim.
    pub relates_to: Option<&'a str>,
}

/// Whether a request's `Content-Type` is that of SOAP 1.2; anything else deserves a 415.
pub fn is_soap(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/soap+xml")
}

impl Operation {
    /// `a:Action` of the request.
    pub const fn request_action(self) -> &'static str {
        match self {
            Self::Discover => names::DISCOVER_ACTION,
            Self::GetPolicies => names::GET_POLICIES_ACTION,
            Self::RequestSecurityToken => names::RST_ACTION,
        }
    }

    /// `a:Action` of the response and of its faults.
    pub const fn response_action(self) -> &'static str {
        match self {
            Self::Discover => names::DISCOVER_RESPONSE_ACTION,
            Self::GetPolicies => names::GET_POLICIES_RESPONSE_ACTION,
            Self::RequestSecurityToken => names::RSTRC_ACTION,
        }
    }

    /// The largest body that is read, in bytes.
    pub const fn max_body(self) -> usize {
        match self {
            Self::Discover => 16 * 1024,
            Self::GetPolicies => 32 * 1024,
            Self::RequestSecurityToken => 128 * 1024,
        }
    }
}

impl Answer {
    pub(crate) const fn soap(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type: CONTENT_TYPE,
            body,
        }
    }

    pub(crate) fn plain(status: u16, text: &str) -> Self {
        Self {
            status,
            content_type: PLAIN_TEXT,
            body: text.as_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_soap_from_other_media_types() {
        assert!(is_soap(CONTENT_TYPE));
        assert!(is_soap("Application/SOAP+xml"));
        for other in ["", "text/xml", "application/json; charset=utf-8"] {
            assert!(!is_soap(other), "{other}");
        }
    }
}
