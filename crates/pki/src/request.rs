//! The PKCS#10 request as Windows really sends it.
//!
//! Real requests break the rules: `!` or a NUL inside a PrintableString subject, and a private
//! extension whose content is no DER. Nothing of subject and attributes is ever used, so they are not
//! parsed at all: a walk over the outer DER finds the public key and the signature, and only these
//! two are held to the standards.

use crate::public_key_digest;
use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use qm_core::Sha256;
use rcgen::{PublicKeyData as _, SubjectPublicKeyInfo};
use x509_parser::{
    asn1_rs::{Any, BitString, Class, FromDer as _, Oid, Tag},
    oid_registry::{
        OID_EC_P256, OID_NIST_EC_P384, OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
        OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384,
    },
    prelude::AlgorithmIdentifier,
    public_key::{PublicKey, RSAPublicKey},
    verify::verify_signature,
};

/// A request that proved possession of an acceptable key. Only that key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    public_key: SubjectPublicKeyInfo,
    kind: KeyKind,
    device_id: Option<String>,
}

/// The keys that are certified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of so many bits, 2048 to 4096.
    Rsa(usize),
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
}

/// Why a certificate request is refused; all of them are the `CertificateRequest` fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// More than 16 KiB of DER, or what base64 makes of it.
    #[error("the certificate request has {0} bytes, more than any device sends")]
    TooLarge(usize),
    /// Neither DER nor base64 of it.
    #[error("the certificate request is neither DER nor base64")]
    Encoding,
    /// Not the outer structure of PKCS#10, or bytes after its end.
    #[error("the certificate request is no PKCS#10")]
    Structure,
    /// A key that is not certified: see [`KeyKind`].
    #[error("the key is refused: RSA of 2048 to 4096 bits, P-256 and P-384 are certified")]
    Key,
    /// Signed with an algorithm that is unknown or too weak (SHA-1, MD5).
    #[error("the request is signed with {0}; SHA-256 or stronger is needed")]
    SignatureAlgorithm(String),
    /// The signature is not by the request's own key.
    #[error("the request does not prove possession of its key")]
    Signature,
}

impl CertificateRequest {
    /// Reads DER, or base64 of it with any white space and with left-over character references.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > MAX_TEXT {
            return Err(RequestError::TooLarge(bytes.len()));
        }
        if bytes.first() == Some(&DER_SEQUENCE) {
            Self::parse_der(bytes)
        } else {
            Self::parse_der(&decode_base64(bytes)?)
        }
    }

    /// SHA-256 of the public key: the same key is never certified for two devices.
    pub fn public_key_digest(&self) -> Sha256 {
        public_key_digest(&self.public_key.subject_public_key_info())
    }

    /// What kind of key it is.
    pub const fn key_kind(&self) -> KeyKind {
        self.kind
    }

    /// The DeviceID in Windows' private extension, where there is one: a claim to compare and log,
    /// not an identity.
    pub fn claimed_device_id(&self) -> Option<&str> {
        self.device_id.as_deref()
    }

    pub(crate) const fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.public_key
    }

    fn parse_der(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > MAX_DER {
            return Err(RequestError::TooLarge(der.len()));
        }
        let parts = Parts::split(der)?;
        let key = parts.key()?;
        let kind = key_kind(&key)?;
        parts.verify(&key)?;
        let public_key = SubjectPublicKeyInfo::from_der(parts.key).map_err(|_| RequestError::Key)?;
        // What is certified is written anew; a key that comes out differently has been tampered with.
        if public_key.subject_public_key_info() != parts.key {
            return Err(RequestError::Key);
        }
        Ok(Self {
            public_key,
            kind,
            device_id: private_device_id(parts.attributes),
        })
    }
}

/// The raw parts of a request that are looked at.
struct Parts<'a> {
    info: &'a [u8],
    key: &'a [u8],
    attributes: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(der: &'a [u8]) -> Result<Self, RequestError> {
        let (outer, rest) = element(der, Tag::Sequence)?;
        let (info, after_info) = element(outer.content, Tag::Sequence)?;
        let (algorithm, after_algorithm) = element(after_info, Tag::Sequence)?;
        let (signature, end) = element(after_algorithm, Tag::BitString)?;
        let (_version, after_version) = element(info.content, Tag::Integer)?;
        let (_subject, after_subject) = element(after_version, Tag::Sequence)?;
        let (key, attributes) = element(after_subject, Tag::Sequence)?;
        if !rest.is_empty() || !end.is_empty() {
            return Err(RequestError::Structure);
        }
        Ok(Self {
            info: info.raw,
            key: key.raw,
            attributes,
            algorithm: algorithm.raw,
            signature: signature.raw,
        })
    }

    fn key(&self) -> Result<x509_parser::x509::SubjectPublicKeyInfo<'a>, RequestError> {
        let (_, key) = x509_parser::x509::SubjectPublicKeyInfo::from_der(self.key)
            .map_err(|_| RequestError::Structure)?;
        Ok(key)
    }

    fn verify(&self, key: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> Result<(), RequestError> {
        let (_, algorithm) =
            AlgorithmIdentifier::from_der(self.algorithm).map_err(|_| RequestError::Structure)?;
        let (_, signature) = BitString::from_der(self.signature).map_err(|_| RequestError::Structure)?;
        if !SIGNATURE_ALGORITHMS.contains(&algorithm.algorithm) {
            return Err(RequestError::SignatureAlgorithm(
                algorithm.algorithm.to_id_string(),
            ));
        }
        verify_signature(key, &algorithm, &signature, self.info).map_err(|_| RequestError::Signature)
    }
}

/// One DER element: its content and the whole of it.
struct Element<'a> {
    content: &'a [u8],
    raw: &'a [u8],
}

/// Takes one element of the expected kind; the content is not looked at.
fn element(input: &[u8], expected: Tag) -> Result<(Element<'_>, &[u8]), RequestError> {
    let (rest, any) = Any::from_der(input).map_err(|_| RequestError::Structure)?;
    if any.class() != Class::Universal || any.tag() != expected {
        return Err(RequestError::Structure);
    }
    let raw = &input[..input.len() - rest.len()];
    let element = Element {
        content: any.data,
        raw,
    };
    Ok((element, rest))
}

fn key_kind(key: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> Result<KeyKind, RequestError> {
    match key.parsed().map_err(|_| RequestError::Key)? {
        PublicKey::RSA(rsa) => rsa_kind(&rsa),
        PublicKey::EC(_) => {
            let parameters = key.algorithm.parameters.as_ref().ok_or(RequestError::Key)?;
            let curve = parameters.as_oid().map_err(|_| RequestError::Key)?;
            curve_kind(&curve)
        }
        _ => Err(RequestError::Key),
    }
}

fn rsa_kind(rsa: &RSAPublicKey<'_>) -> Result<KeyKind, RequestError> {
    let exponent = rsa.try_exponent().map_err(|_| RequestError::Key)?;
    let leading = rsa.modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = &rsa.modulus[leading..];
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let exponent_fits = exponent >= 65_537 && exponent % 2 == 1 && u32::try_from(exponent).is_ok();
    if (2048..=4096).contains(&bits) && exponent_fits {
        Ok(KeyKind::Rsa(bits))
    } else {
        Err(RequestError::Key)
    }
}

fn curve_kind(curve: &Oid<'_>) -> Result<KeyKind, RequestError> {
    if *curve == OID_EC_P256 {
        Ok(KeyKind::P256)
    } else if *curve == OID_NIST_EC_P384 {
        Ok(KeyKind::P384)
    } else {
        Err(RequestError::Key)
    }
}

/// Strips white space and the references (`&#xD;`) that some senders leave in the text.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, RequestError> {
    let text = std::str::from_utf8(text).map_err(|_| RequestError::Encoding)?;
    let mut text = text.to_owned();
    for reference in ["&#xD;", "&#xd;", "&#13;", "&#xA;", "&#xa;", "&#10;"] {
        text = text.replace(reference, "");
    }
    text.retain(|character| !character.is_ascii_whitespace());
    BASE64.decode(text).map_err(|_| RequestError::Encoding)
}

/// Finds the private extension by its encoded OID: its OCTET STRING holds the DeviceID as plain text.
fn private_device_id(attributes: &[u8]) -> Option<String> {
    let at = attributes
        .windows(PRIVATE_EXTENSION.len())
        .position(|window| window == PRIVATE_EXTENSION)?;
    let (octets, _) = element(&attributes[at + PRIVATE_EXTENSION.len()..], Tag::OctetString).ok()?;
    let text = std::str::from_utf8(octets.content).ok()?.trim_end_matches('\0');
    let plain = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    (plain && !text.is_empty()).then(|| text.to_owned())
}

/// Standard alphabet; padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const DER_SEQUENCE: u8 = 0x30;
const MAX_DER: usize = 16 * 1024;
const MAX_TEXT: usize = 2 * MAX_DER;
/// OBJECT IDENTIFIER 1.3.6.1.4.1.311.66.1.0, encoded.
const PRIVATE_EXTENSION: &[u8] = &[
    0x06, 0x0A, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x42, 0x01, 0x00,
];
const SIGNATURE_ALGORITHMS: [Oid<'static>; 6] = [
    OID_PKCS1_SHA256WITHRSA,
    OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA,
    OID_PKCS1_RSASSAPSS,
    OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384,
];

#[cfg(test)]
mod tests;
