//! The certificate request as Windows writes it, rule breaches included: `!` (and NUL) in the subject, a private
//! extension whose content is no DER. No library writes such a thing, so the DER is written here.

use crate::{CsrStyle, SimError};
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};

/// A PKCS#10 request, DER. `common_name` is at most 127 bytes.
pub(super) fn certificate_request(
    key: &KeyPair,
    common_name: &str,
    device_id: &str,
    style: CsrStyle,
) -> Result<Vec<u8>, SimError> {
    let info = der(
        SEQUENCE,
        &[
            &der(INTEGER, &[&[0]]),
            &subject(common_name, style),
            &key.subject_public_key_info(),
            &der(CONTEXT_0, &[&extension_request(device_id)]),
        ],
    );
    let signature = key.sign(&info)?;
    let algorithm = der(SEQUENCE, &[&der(OID, &[ECDSA_WITH_SHA256])]);
    Ok(der(
        SEQUENCE,
        &[&info, &algorithm, &der(BIT_STRING, &[&[0], &signature])],
    ))
}

fn subject(common_name: &str, style: CsrStyle) -> Vec<u8> {
    let value = match style {
        CsrStyle::Utf8 => der(UTF8_STRING, &[common_name.as_bytes()]),
        CsrStyle::Printable => der(PRINTABLE_STRING, &[common_name.as_bytes()]),
        CsrStyle::PrintableNul => der(PRINTABLE_STRING, &[common_name.as_bytes(), &[0]]),
    };
    let attribute = der(SEQUENCE, &[&der(OID, &[COMMON_NAME]), &value]);
    der(SEQUENCE, &[&der(SET, &[&attribute])])
}

fn extension_request(device_id: &str) -> Vec<u8> {
    let usage = der(SEQUENCE, &[&der(OID, &[CLIENT_AUTH])]);
    let extensions = der(
        SEQUENCE,
        &[
            &der(
                SEQUENCE,
                &[&der(OID, &[EXTENDED_KEY_USAGE]), &der(OCTET_STRING, &[&usage])],
            ),
            // Not DER inside: the DeviceID as it is, and a NUL.
            &der(
                SEQUENCE,
                &[
                    &der(OID, &[PRIVATE_EXTENSION]),
                    &der(OCTET_STRING, &[device_id.as_bytes(), &[0]]),
                ],
            ),
        ],
    );
    der(
        SEQUENCE,
        &[&der(OID, &[EXTENSION_REQUEST]), &der(SET, &[&extensions])],
    )
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = vec![tag];
    match significant {
        [] => out.push(0),
        [one] if *one < 0x80 => out.push(*one),
        many => {
            // A length has at most eight bytes, so this does not overflow.
            out.push(0x80 | many.len().to_le_bytes()[0]);
            out.extend_from_slice(many);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xA0;
/// 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 1.2.840.113549.1.9.14
const EXTENSION_REQUEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x0E];
/// 2.5.29.37
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x25];
/// 1.3.6.1.5.5.7.3.2
const CLIENT_AUTH: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// 1.3.6.1.4.1.311.66.1.0
const PRIVATE_EXTENSION: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x42, 0x01, 0x00];

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer as _};

    const DEVICE_ID: &str = "7D20C5E1A94F4B0BB2C6F0E3A1D58F42";
    const NAME: &str = "0F9C2A64-1111-2222-3333-444455!7D20C5E1A94F4B0BB2C6F0E3A1D58F42";

    fn request(style: CsrStyle) -> Vec<u8> {
        certificate_request(&KeyPair::generate().unwrap(), NAME, DEVICE_ID, style).unwrap()
    }

    #[test]
    fn the_request_proves_its_key() {
        let der = request(CsrStyle::Utf8);
        let (rest, request) = X509CertificationRequest::from_der(&der).unwrap();
        assert!(rest.is_empty());
        request.verify_signature().unwrap();
        assert_eq!(
            request.certification_request_info.subject.to_string(),
            format!("CN={NAME}")
        );
    }

    #[test]
    fn the_rules_are_broken_as_asked() {
        let holds = |der: &[u8], part: &[u8]| der.windows(part.len()).any(|window| window == part);
        let printable = [&[PRINTABLE_STRING, 63], NAME.as_bytes()].concat();
        let nul = [&[PRINTABLE_STRING, 64], NAME.as_bytes(), &[0]].concat();
        assert!(holds(&request(CsrStyle::Printable), &printable));
        assert!(holds(&request(CsrStyle::PrintableNul), &nul));
        let raw = [&[OCTET_STRING, 33], DEVICE_ID.as_bytes(), &[0]].concat();
        assert!(holds(&request(CsrStyle::Utf8), &raw));
    }

    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        assert_eq!(der(0x04, &[]), [0x04, 0x00]);
        assert_eq!(der(0x04, &[&[7; 127]])[..2], [0x04, 0x7F]);
        assert_eq!(der(0x04, &[&[7; 128]])[..3], [0x04, 0x81, 0x80]);
        assert_eq!(der(0x04, &[&[7; 300]])[..4], [0x04, 0x82, 0x01, 0x2C]);
    }
}
