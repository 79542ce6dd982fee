//! Enrollment (MS-WSTEP as profiled by MS-MDE2 3.4): the request for a certificate and the answer
//! that carries the provisioning document.

use crate::{
    Answer, ContextItems, Correlation, Credential, DecodeError, Operation, Rejected,
    names::{
        AUTHORIZATION, BASE64_BINARY, DEVICE_TOKEN, ENROLLMENT, ISSUE, PROVISION_DOC, RENEW, SECURITY, TRUST,
    },
    soap::{self, Header, decode_base64, is_base64},
    xml::{Element, XmlWriter},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::Timestamp;
use uuid::Uuid;

/// `RequestSecurityToken`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSecurityToken {
    /// `MessageID`, to be repeated.
    pub message_id: Option<String>,
    /// Who asks; check it before anything else of the request is used.
    pub credential: Credential,
    /// What is asked for.
    pub request: TokenRequest,
    /// What the device tells about itself.
    pub context: ContextItems,
}

/// `RequestType` with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRequest {
    /// The first certificate of an enrollment.
    Issue {
        /// The PKCS#10 request in DER, not looked at.
        pkcs10: Vec<u8>,
        /// `DeviceID` of the context: at most 256 bytes, later the SyncML `Source/LocURI`.
        device_id: String,
    },
    /// The next certificate of an enrollment; whose, the TLS certificate tells.
    Renew {
        /// The PKCS#7 signed request, not looked at.
        pkcs7: Vec<u8>,
    },
}

/// `RequestSecurityTokenResponseCollection`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSecurityTokenResponseCollection {
    /// The provisioning document as [`crate::ProvisioningDocument::encode`] wrote it. It holds secrets;
    /// a repeated request gets the same one again.
    pub document: qm_core::Secret<Vec<u8>>,
    /// When the answer is made; it says of itself that it is good for five minutes.
    pub created_at: Timestamp,
}

impl RequestSecurityToken {
    /// Reads a request.
    pub fn decode(body: &[u8]) -> Result<Self, Rejected> {
        soap::decode(Operation::RequestSecurityToken, body, Self::read)
    }

    /// What an answer repeats.
    pub fn correlation(&self, activity_id: Uuid) -> Correlation<'_> {
        Correlation {
            activity_id,
            relates_to: self.message_id.as_deref(),
        }
    }

    fn read(header: Header, body: &Element) -> Result<Self, DecodeError> {
        let request = body.required(TRUST, "RequestSecurityToken")?;
        let context = request.optional(AUTHORIZATION, "AdditionalContext")?;
        let context = context.map_or_else(|| Ok(ContextItems::default()), ContextItems::read)?;
        Ok(Self {
            message_id: header.message_id,
            credential: header.credential,
            request: TokenRequest::read(request, &context)?,
            context,
        })
    }
}

impl TokenRequest {
    fn read(request: &Element, context: &ContextItems) -> Result<Self, DecodeError> {
        match request.required(TRUST, "RequestType")?.text() {
            ISSUE => Ok(Self::Issue {
                pkcs10: read_token(request, "PKCS10")?,
                device_id: read_device_id(context)?,
            }),
            RENEW => Ok(Self::Renew {
                pkcs7: read_token(request, "PKCS7")?,
            }),
            _ => Err(DecodeError::RequestType),
        }
    }
}

impl RequestSecurityTokenResponseCollection {
    /// The message, with HTTP status 200.
    pub fn encode(&self, correlation: Correlation<'_>) -> Answer {
        let operation = Operation::RequestSecurityToken;
        let body = soap::encode(operation, correlation, Some(self.created_at), &[], |xml| {
            xml.element(
                "RequestSecurityTokenResponseCollection",
                &[("xmlns", TRUST)],
                |xml| {
                    xml.element("RequestSecurityTokenResponse", &[], |xml| {
                        self.write_response(xml);
                    });
                },
            );
        });
        Answer::soap(200, body)
    }

    fn write_response(&self, xml: &mut XmlWriter) {
        let document = BASE64_STANDARD.encode(self.document.expose());
        let attributes = [
            ("xmlns", SECURITY),
            ("ValueType", PROVISION_DOC),
            ("EncodingType", BASE64_BINARY),
        ];
        xml.text("TokenType", &[], DEVICE_TOKEN);
        xml.empty("DispositionMessage", &[("xmlns", ENROLLMENT)]);
        xml.element("RequestedSecurityToken", &[], |xml| {
            xml.text("BinarySecurityToken", &attributes, &document);
        });
        xml.text("RequestID", &[("xmlns", ENROLLMENT)], "0");
    }
}

/// The request's own token: a child of `RequestSecurityToken`, never the one of the header. Its type
/// is told by what follows `#`; clients disagree about the rest.
fn read_token(request: &Element, expected: &str) -> Result<Vec<u8>, DecodeError> {
    let token = request.required(SECURITY, TOKEN)?;
    let kind = token.attribute("ValueType").unwrap_or(expected);
    let kind = kind.rsplit('#').next().unwrap_or_default();
    if !kind.eq_ignore_ascii_case(expected) || !is_base64(token) {
        return Err(DecodeError::Invalid(TOKEN));
    }
    decode_base64(token.text()).ok_or(DecodeError::Invalid(TOKEN))
}

fn read_device_id(context: &ContextItems) -> Result<String, DecodeError> {
    let device_id = context.device_id().ok_or(DecodeError::Missing("DeviceID"))?;
    if device_id.len() > MAX_DEVICE_ID || device_id.chars().any(char::is_control) {
        return Err(DecodeError::Invalid("DeviceID"));
    }
    Ok(device_id.to_owned())
}

const MAX_DEVICE_ID: usize = 256;
const TOKEN: &str = "BinarySecurityToken";

#[cfg(test)]
mod tests;
