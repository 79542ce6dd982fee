//! SOAP faults (MS-MDE2 2.2.10): how a device learns why it was not enrolled.
//!
//! Names are sent in their canonical casing and with HTTP status 500; Windows was seen to decode
//! neither lower-case names nor faults with status 200.

use crate::{
    Answer, Correlation, Operation,
    names::{DISPATCHER, ENROLLMENT},
    soap,
    xml::XmlWriter,
};
use qm_core::HResult;

/// A reason, and a text that newer Windows shows to the user: no internals, no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The reason as Windows knows it.
    pub kind: FaultKind,
    /// The reason in words.
    pub message: String,
}

/// Every reason that a server can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The request cannot be read.
    MessageFormat,
    /// Wrong user name, password or token.
    Authentication,
    /// The user may not enroll.
    Authorization,
    /// The certificate request is refused.
    CertificateRequest,
    /// Database or other failure behind the service.
    EnrollmentServer,
    /// A failure nobody foresaw.
    InternalServiceFault,
    /// The security header is unusable.
    InvalidSecurity,
    /// The action belongs to another service.
    ActionMismatch,
    /// The service is not offered.
    EndpointUnavailable,
    /// The user has too many devices.
    DeviceCapReached,
    /// This platform or version is not managed.
    DeviceNotSupported,
    /// Management is not offered to this device.
    NotSupported,
    /// The certificate is not to be renewed yet.
    NotEligibleToRenew,
    /// Try again later.
    InMaintenance,
    /// The user has no licence.
    UserLicense,
    /// The data from the terms-of-use page is not accepted.
    InvalidEnrollmentData,
    /// Something else, in the words of the message; newer builds only.
    CustomServerError,
}

impl Fault {
    /// A fault of that kind.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The message, with HTTP status 500.
    pub fn encode(&self, operation: Operation, correlation: Correlation<'_>) -> Answer {
        let message: String = self.message.chars().take(MAX_MESSAGE).collect();
        let trace_id = correlation.activity_id.to_string();
        let body = soap::encode(operation, correlation, None, &[], |xml| {
            xml.element("s:Fault", &[], |xml| {
                xml.element("s:Code", &[], |xml| self.kind.write_code(xml));
                xml.element("s:Reason", &[], |xml| {
                    xml.text("s:Text", &[("xml:lang", "en-US")], &message);
                });
                xml.element("s:Detail", &[], |xml| {
                    self.kind.write_detail(xml, &message, &trace_id);
                });
            });
        });
        Answer::soap(500, body)
    }
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::MessageFormat,
        Self::Authentication,
        Self::Authorization,
        Self::CertificateRequest,
        Self::EnrollmentServer,
        Self::InternalServiceFault,
        Self::InvalidSecurity,
        Self::ActionMismatch,
        Self::EndpointUnavailable,
        Self::DeviceCapReached,
        Self::DeviceNotSupported,
        Self::NotSupported,
        Self::NotEligibleToRenew,
        Self::InMaintenance,
        Self::UserLicense,
        Self::InvalidEnrollmentData,
        Self::CustomServerError,
    ];

    /// What Windows shows for it.
    pub const fn hresult(self) -> HResult {
        HResult(match self {
            Self::MessageFormat => 0x8018_0001,
            Self::Authentication => 0x8018_0002,
            Self::Authorization => 0x8018_0003,
            Self::CertificateRequest => 0x8018_0004,
            Self::EnrollmentServer => 0x8018_0005,
            Self::InternalServiceFault => 0x8018_0006,
            Self::InvalidSecurity => 0x8018_0007,
            Self::ActionMismatch | Self::EndpointUnavailable => 0x8018_0008,
            Self::DeviceCapReached => 0x8018_0013,
            Self::DeviceNotSupported => 0x8018_0014,
            Self::NotSupported => 0x8018_0015,
            Self::NotEligibleToRenew => 0x8018_0016,
            Self::InMaintenance => 0x8018_0017,
            Self::UserLicense => 0x8018_0018,
            Self::InvalidEnrollmentData => 0x8018_0019,
            Self::CustomServerError => 0x8018_0032,
        })
    }

    /// The subcode; those of `a:` come from WCF's dispatcher and live in its namespace.
    pub const fn subcode(self) -> &'static str {
        match self {
            Self::MessageFormat => "s:MessageFormat",
            Self::Authentication => "s:Authentication",
            Self::CertificateRequest => "s:CertificateRequest",
            Self::EnrollmentServer => "s:EnrollmentServer",
            Self::InternalServiceFault => "a:InternalServiceFault",
            Self::InvalidSecurity => "a:InvalidSecurity",
            Self::ActionMismatch => "a:ActionMismatch",
            Self::EndpointUnavailable => "a:EndpointUnavailable",
            Self::Authorization
            | Self::DeviceCapReached
            | Self::DeviceNotSupported
            | Self::NotSupported
            | Self::NotEligibleToRenew
            | Self::InMaintenance
            | Self::UserLicense
            | Self::InvalidEnrollmentData
            | Self::CustomServerError => "s:Authorization",
        }
    }

    /// `ErrorType` of the detail, for the kinds that a subcode alone does not tell apart.
    pub const fn error_type(self) -> Option<&'static str> {
        match self {
            Self::DeviceCapReached => Some("DeviceCapReached"),
            Self::DeviceNotSupported => Some("DeviceNotSupported"),
            Self::NotSupported => Some("NotSupported"),
            Self::NotEligibleToRenew => Some("NotEligibleToRenew"),
            Self::InMaintenance => Some("InMaintenance"),
            Self::UserLicense => Some("UserLicense"),
            Self::InvalidEnrollmentData => Some("InvalidEnrollmentData"),
            Self::CustomServerError => Some("CustomServerError"),
            _ => None,
        }
    }

    fn write_code(self, xml: &mut XmlWriter) {
        // Without it `a` would mean WS-Addressing.
        let dispatcher = [("xmlns:a", DISPATCHER)];
        let attributes = if self.subcode().starts_with("a:") {
            dispatcher.as_slice()
        } else {
            &[]
        };
        xml.text("s:Value", &[], "s:Receiver");
        xml.element("s:Subcode", &[], |xml| {
            xml.text("s:Value", attributes, self.subcode());
        });
    }

    fn write_detail(self, xml: &mut XmlWriter, message: &str, trace_id: &str) {
        xml.element("DeviceEnrollmentServiceError", &[("xmlns", ENROLLMENT)], |xml| {
            if let Some(error_type) = self.error_type() {
                xml.text("ErrorType", &[], error_type);
            }
            xml.text("Message", &[], message);
            xml.text("TraceId", &[], trace_id);
        });
    }
}

const MAX_MESSAGE: usize = 512;

#[cfg(test)]
mod tests;
