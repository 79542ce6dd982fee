//! Why a simulated device could not go on.

use crate::Violation;
use qm_core::HResult;
use std::fmt;

/// What ends an enrollment or a session.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The address is not a URL.
    #[error("`{0}` is no usable address")]
    Address(String),
    /// The root certificates given to the device cannot be used.
    #[error("the root certificates cannot be used: {0}")]
    Roots(String),
    /// The TLS configuration cannot be made.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The key cannot be made or used.
    #[error("the device's key cannot be made")]
    Key(#[from] rcgen::Error),
    /// The connection failed.
    #[error("the server cannot be reached")]
    Http(#[from] reqwest::Error),
    /// More bytes than a device reads.
    #[error("the server's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// An HTTP status that ends the matter.
    #[error("the server answered with HTTP status {0}")]
    Refused(u16),
    /// The server refused the enrollment with a SOAP fault.
    #[error("the server refused: {0}")]
    Fault(Box<EnrollmentFault>),
    /// The server's answer cannot be used; the code is what Windows would show.
    #[error("enrollment ends with {code}: {violation}")]
    Enrollment {
        /// The HRESULT that Windows shows.
        code: HResult,
        /// What was wrong.
        violation: Box<Violation>,
    },
    /// There is no enrollment (any more).
    #[error("the device is not enrolled")]
    NotEnrolled,
    /// The device is enrolled already.
    #[error("the device is already enrolled")]
    AlreadyEnrolled,
}

/// A SOAP fault of an enrollment service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentFault {
    /// `s:Subcode`, without its prefix.
    pub subcode: String,
    /// `ErrorType` of the detail.
    pub error_type: Option<String>,
    /// `s:Reason`.
    pub reason: String,
    /// `TraceId` of the detail.
    pub trace_id: Option<String>,
    /// What Windows makes of it.
    pub code: HResult,
}

impl fmt::Display for EnrollmentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.code, self.subcode)?;
        if let Some(kind) = &self.error_type {
            write!(f, ", {kind}")?;
        }
        write!(f, "): {}", self.reason)
    }
}
