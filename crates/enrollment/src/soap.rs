//! Envelopes: what every request and response has around its own content.

use crate::{
    Correlation, Credential, DecodeError, Operation, Rejected,
    names::{ADDRESSING, DIAGNOSTICS, SECURITY, SOAP, UTILITY},
    xml::{Element, XmlWriter},
};
use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use qm_core::Timestamp;
use std::time::Duration;
use time::{format_description::BorrowedFormatItem, macros::format_description};

/// What the header of a request tells.
pub(crate) struct Header {
    pub(crate) message_id: Option<String>,
    pub(crate) credential: Credential,
}

/// Reads the envelope and hands header and body to the reader of the message itself.
pub(crate) fn decode<T>(
    operation: Operation,
    bytes: &[u8],
    read: impl FnOnce(Header, &Element) -> Result<T, DecodeError>,
) -> Result<T, Rejected> {
    let mut message_id = None;
    read_envelope(operation, bytes, &mut message_id, read).map_err(|error| Rejected {
        operation,
        message_id,
        error,
    })
}

/// Writes an envelope; the body gets `attributes` and what `write` puts into it.
pub(crate) fn encode(
    operation: Operation,
    correlation: Correlation<'_>,
    signed_at: Option<Timestamp>,
    attributes: &[(&str, &str)],
    write: impl FnOnce(&mut XmlWriter),
) -> Vec<u8> {
    XmlWriter::document(|xml| {
        xml.element(
            "s:Envelope",
            &[("xmlns:s", SOAP), ("xmlns:a", ADDRESSING)],
            |xml| {
                xml.element("s:Header", &[], |xml| {
                    write_header(xml, operation, correlation, signed_at);
                });
                xml.element("s:Body", attributes, write);
            },
        );
    })
}

/// Decodes base64 text with white space in it and with or without its padding.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.split_ascii_whitespace().collect();
    BASE64.decode(compact).ok().filter(|bytes| !bytes.is_empty())
}

/// Whether a `BinarySecurityToken` says that it is base64, or nothing about it.
pub(crate) fn is_base64(token: &Element) -> bool {
    let kind = token.attribute("EncodingType").unwrap_or("base64binary");
    let kind = kind.rsplit('#').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("base64binary")
}

fn read_envelope<T>(
    operation: Operation,
    bytes: &[u8],
    message_id: &mut Option<String>,
    read: impl FnOnce(Header, &Element) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let envelope = Element::parse(bytes, operation.max_body())?;
    if !envelope.is(SOAP, "Envelope") {
        return Err(DecodeError::NotSoap);
    }
    let header = envelope.required(SOAP, "Header")?;
    *message_id = read_message_id(header)?;
    let action = header.required(ADDRESSING, "Action")?;
    if action.text() != operation.request_action() {
        return Err(DecodeError::ActionMismatch);
    }
    let security = header.optional(SECURITY, "Security")?;
    let credential = security.map_or(Ok(Credential::None), Credential::read)?;
    let header = Header {
        message_id: message_id.clone(),
        credential,
    };
    read(header, envelope.required(SOAP, "Body")?)
}

/// It is sent back, so it must not be long.
fn read_message_id(header: &Element) -> Result<Option<String>, DecodeError> {
    match header.optional_text(ADDRESSING, "MessageID")? {
        Some(id) if id.len() > MAX_MESSAGE_ID => Err(DecodeError::Invalid("MessageID")),
        id => Ok(id.map(str::to_owned)),
    }
}

fn write_header(
    xml: &mut XmlWriter,
    operation: Operation,
    correlation: Correlation<'_>,
    signed_at: Option<Timestamp>,
) {
    let activity_id = correlation.activity_id.to_string();
    xml.text("a:Action", &[MUST_UNDERSTAND], operation.response_action());
    let attributes = [("xmlns", DIAGNOSTICS), ("CorrelationId", &activity_id)];
    xml.text("ActivityId", &attributes, &activity_id);
    if let Some(message_id) = correlation.relates_to {
        xml.text("a:RelatesTo", &[], message_id);
    }
    if let Some(created) = signed_at {
        write_security(xml, created);
    }
}

fn write_security(xml: &mut XmlWriter, created: Timestamp) {
    xml.element("o:Security", &[("xmlns:o", SECURITY), MUST_UNDERSTAND], |xml| {
        xml.element("u:Timestamp", &[("xmlns:u", UTILITY), ("u:Id", "_0")], |xml| {
            xml.text("u:Created", &[], &with_millis(created));
            xml.text("u:Expires", &[], &with_millis(created + LIFETIME));
        });
    });
}

fn with_millis(at: Timestamp) -> String {
    at.to_offset_date_time()
        .format(MILLIS)
        .expect("a date of the calendar fits the format")
}

/// Standard alphabet; padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const LIFETIME: Duration = Duration::from_mins(5);
const MAX_MESSAGE_ID: usize = 256;
const MILLIS: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const MUST_UNDERSTAND: (&str, &str) = ("s:mustUnderstand", "1");
