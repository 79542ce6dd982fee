//! Discovery (MS-MDE2 3.1.4): which services there are and how to authenticate.

use crate::{
    Answer, Correlation, DecodeError, Fault, FaultKind, Operation, Rejected,
    names::DISCOVERY,
    soap::{self, Header},
    xml::Element,
};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// `Discover`. Nothing in it is required but the element itself: old clients send half of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverRequest {
    /// `MessageID`, to be repeated.
    pub message_id: Option<String>,
    /// `EmailAddress`: a UPN, `DOMAIN\user`, or empty.
    pub email_address: String,
    /// `RequestVersion`.
    pub request_version: Option<RequestVersion>,
    /// `AuthPolicies`: what the client can do; empty where it does not say.
    pub auth_policies: Vec<AuthPolicy>,
    /// The other elements with text, by name: `DeviceType`, `ApplicationVersion`, `OSEdition` and
    /// whatever comes next.
    pub details: Vec<(String, String)>,
}

/// `DiscoverResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverResponse {
    /// Where to go and how to authenticate.
    pub services: Services,
    /// `EnrollmentVersion`: what both sides speak.
    pub enrollment_version: RequestVersion,
}

/// The services of an installation, as absolute https addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// The one way to authenticate.
    pub auth_policy: AuthPolicy,
    /// `EnrollmentPolicyServiceUrl`; on the same host as the next.
    pub policy_url: String,
    /// `EnrollmentServiceUrl`.
    pub enrollment_url: String,
    /// `AuthenticationServiceUrl`: must be there for [`AuthPolicy::Federated`].
    pub authentication_url: Option<String>,
}

/// How a device authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthPolicy {
    /// User name and password in the request.
    OnPremise,
    /// A token from a web page.
    Federated,
    /// A certificate from a provisioning package.
    Certificate,
    /// What this server does not know.
    Other(String),
}

/// A protocol version, `9.0`: compares by number and is never held against a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl DiscoverRequest {
    /// Reads a request.
    pub fn decode(body: &[u8]) -> Result<Self, Rejected> {
        soap::decode(Operation::Discover, body, Self::read)
    }

    /// What an answer repeats.
    pub fn correlation(&self, activity_id: Uuid) -> Correlation<'_> {
        Correlation {
            activity_id,
            relates_to: self.message_id.as_deref(),
        }
    }

    /// The answer for an installation's services, or the fault for a client that cannot use them. It
    /// is the same for every user.
    pub fn answer(&self, services: &Services) -> Result<DiscoverResponse, Fault> {
        let version = self.request_version.unwrap_or(RequestVersion::OLDEST);
        if version < RequestVersion::OLDEST {
            let text = "This version of Windows cannot be managed here.";
            return Err(Fault::new(FaultKind::DeviceNotSupported, text));
        }
        if !self.auth_policies.is_empty() && !self.auth_policies.contains(&services.auth_policy) {
            let text = "This device does not offer the way to sign in that the server needs.";
            return Err(Fault::new(FaultKind::NotSupported, text));
        }
        Ok(DiscoverResponse {
            services: services.clone(),
            enrollment_version: version.min(RequestVersion::NEWEST),
        })
    }

    fn read(header: Header, body: &Element) -> Result<Self, DecodeError> {
        let request = body
            .required(DISCOVERY, "Discover")?
            .required(DISCOVERY, "request")?;
        let version = request.optional_text(DISCOVERY, "RequestVersion")?;
        let email_address = request.optional_text(DISCOVERY, "EmailAddress")?;
        Ok(Self {
            message_id: header.message_id,
            email_address: email_address.unwrap_or_default().to_owned(),
            request_version: version.map(str::parse).transpose()?,
            auth_policies: read_auth_policies(request)?,
            details: read_details(request),
        })
    }
}

impl DiscoverResponse {
    /// The message, with HTTP status 200.
    pub fn encode(&self, correlation: Correlation<'_>) -> Answer {
        let services = &self.services;
        let version = self.enrollment_version.to_string();
        let body = soap::encode(Operation::Discover, correlation, None, &[], |xml| {
            xml.element("DiscoverResponse", &[("xmlns", DISCOVERY)], |xml| {
                xml.element("DiscoverResult", &[], |xml| {
                    xml.text("AuthPolicy", &[], services.auth_policy.as_str());
                    xml.text("EnrollmentVersion", &[], &version);
                    xml.text("EnrollmentPolicyServiceUrl", &[], &services.policy_url);
                    xml.text("EnrollmentServiceUrl", &[], &services.enrollment_url);
                    if let Some(url) = &services.authentication_url {
                        xml.text("AuthenticationServiceUrl", &[], url);
                    }
                });
            });
        });
        Answer::soap(200, body)
    }
}

impl AuthPolicy {
    /// The protocol's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::OnPremise => "OnPremise",
            Self::Federated => "Federated",
            Self::Certificate => "Certificate",
            Self::Other(other) => other,
        }
    }

    fn parse(text: &str) -> Self {
        let known = [Self::OnPremise, Self::Federated, Self::Certificate];
        let found = known.into_iter().find(|policy| policy.as_str() == text);
        found.unwrap_or_else(|| Self::Other(text.to_owned()))
    }
}

impl RequestVersion {
    /// The first that speaks MS-MDE2.
    pub const OLDEST: Self = Self { major: 3, minor: 0 };
    /// The newest that this server speaks; a client with a newer one comes down to it.
    pub const NEWEST: Self = Self { major: 5, minor: 0 };
}

impl FromStr for RequestVersion {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let number = |digits: &str| digits.parse().map_err(|_| DecodeError::Invalid("RequestVersion"));
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

impl fmt::Display for RequestVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A list of elements; one published sample has the text right inside the list.
fn read_auth_policies(request: &Element) -> Result<Vec<AuthPolicy>, DecodeError> {
    let Some(list) = request.optional(DISCOVERY, "AuthPolicies")? else {
        return Ok(Vec::new());
    };
    let listed = list.children(DISCOVERY, "AuthPolicy").map(Element::text);
    let bare = Some(list.text()).into_iter();
    let texts = listed.chain(bare).filter(|text| !text.is_empty());
    Ok(texts.map(AuthPolicy::parse).collect())
}

fn read_details(request: &Element) -> Vec<(String, String)> {
    let others = request.all_children().iter();
    others
        .filter(|child| !["EmailAddress", "RequestVersion", "AuthPolicies"].contains(&child.name()))
        .map(|child| (child.name().to_owned(), child.text().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
