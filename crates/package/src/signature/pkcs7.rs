//! PKCS #7 `SignedData` (RFC 2315) as Authenticode uses it: one signer, who signs attributes that hold the digest.

use super::SignatureFault;
use qm_core::Timestamp;
use ring::{
    digest::{Algorithm, SHA256, SHA384, SHA512, digest},
    signature::{self, UnparsedPublicKey, VerificationAlgorithm},
};
use x509_parser::{
    asn1_rs::{Any, Class, FromDer, Oid, Tag, oid},
    certificate::X509Certificate,
    prelude::X509Error,
    public_key::PublicKey,
};

/// A signature, taken apart.
pub(super) struct SignedData<'a> {
    pub(super) certificate: X509Certificate<'a>,
    /// Of what is signed, and of the list of digests.
    pub(super) digest: &'static Algorithm,
    /// The list of digests.
    pub(super) blob: &'a [u8],
    /// Says that it is for a bundle.
    pub(super) bundle: bool,
    content: &'a [u8],
    signer: Signer<'a>,
}

/// The `SignerInfo`.
struct Signer<'a> {
    issuer: &'a [u8],
    serial: &'a [u8],
    digest: &'static Algorithm,
    /// With tag and length, as signed.
    attributes: Vec<u8>,
    content_type: Oid<'a>,
    content_digest: &'a [u8],
    algorithm: Oid<'a>,
    value: &'a [u8],
    countersigned: bool,
}

impl<'a> SignedData<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, SignatureFault> {
        let mut info = Reader(bytes).sequence()?;
        if info.oid()? != SIGNED_DATA {
            return Err(SignatureFault::Malformed("it is no SignedData"));
        }
        let mut fields = info.tagged(0)?.sequence()?;
        fields.next(Tag::Integer)?;
        fields.next(Tag::Set)?;
        let mut inner = fields.sequence()?;
        if inner.oid()? != INDIRECT_DATA {
            return Err(SignatureFault::Malformed(
                "it signs something else than a package",
            ));
        }
        let content = inner.tagged(0)?.next(Tag::Sequence)?;
        let certificates = fields.optional(0)?.ok_or(SignatureFault::NoCertificate)?;
        fields.optional(1)?;
        let mut infos = Reader(fields.next(Tag::Set)?);
        let signer = Signer::parse(infos.sequence()?)?;
        if !infos.0.is_empty() {
            return Err(SignatureFault::Unsupported("several signers"));
        }
        let (bundle, digest, blob) = indirect_data(content)?;
        Ok(Self {
            certificate: signer.find(certificates)?,
            digest,
            blob,
            bundle,
            content,
            signer,
        })
    }

    /// Whether the certificate's key made the signature, over this content.
    pub(super) fn verify(&self) -> Result<(), SignatureFault> {
        let signer = &self.signer;
        let found = digest(signer.digest, self.content);
        if signer.content_type != INDIRECT_DATA || found.as_ref() != signer.content_digest {
            return Err(SignatureFault::Forged);
        }
        let key = self.certificate.public_key();
        let curve = key
            .algorithm
            .parameters
            .as_ref()
            .and_then(|curve| curve.as_oid().ok());
        let algorithm = algorithm(&key.algorithm.algorithm, curve.as_ref(), signer)?;
        if let Ok(PublicKey::RSA(rsa)) = key.parsed()
            && !RSA_BITS.contains(&rsa.key_size())
        {
            return Err(SignatureFault::Unsupported(
                "an RSA key of less than 2048 or more than 8192 bits",
            ));
        }
        UnparsedPublicKey::new(algorithm, &key.subject_public_key.data)
            .verify(&signer.attributes, signer.value)
            .map_err(|_| SignatureFault::Forged)
    }

    /// Whether the certificate may sign code.
    pub(super) fn check_purpose(&self) -> Result<(), SignatureFault> {
        let usage = self.certificate.extended_key_usage();
        let usage = usage.map_err(|_: X509Error| SignatureFault::Malformed("its certificate is broken"))?;
        match usage {
            Some(usage) if !usage.value.code_signing && !usage.value.any => Err(SignatureFault::Purpose),
            _ => Ok(()),
        }
    }

    /// When the certificate expires, unless somebody else told the time.
    pub(super) fn lapses(&self) -> Option<Timestamp> {
        let end = self.certificate.validity().not_after.timestamp();
        (!self.signer.countersigned).then(|| Timestamp::from_millis(end.saturating_mul(1000)))
    }
}

impl<'a> Signer<'a> {
    fn parse(mut fields: Reader<'a>) -> Result<Self, SignatureFault> {
        fields.next(Tag::Integer)?;
        let mut id = fields.sequence()?;
        let issuer = id.whole()?;
        let serial = id.next(Tag::Integer)?;
        let digest = digest_algorithm(&fields.sequence()?.oid()?)?;
        let mut attributes = fields.0;
        let signed = fields
            .optional(0)?
            .ok_or(SignatureFault::Malformed("it has no signed attributes"))?;
        attributes = &attributes[..attributes.len() - fields.0.len()];
        let algorithm = fields.sequence()?.oid()?;
        let value = fields.next(Tag::OctetString)?;
        let unsigned = fields.optional(1)?.unwrap_or_default();
        Ok(Self {
            issuer,
            serial,
            digest,
            // Signed as the SET that it is, not under the tag that it has here.
            attributes: [&[SET], &attributes[1..]].concat(),
            content_type: attribute(signed, &CONTENT_TYPE)?
                .ok_or(SignatureFault::Malformed("it does not say what it signs"))?
                .oid()?,
            content_digest: attribute(signed, &MESSAGE_DIGEST)?
                .ok_or(SignatureFault::Malformed("it has no digest"))?
                .next(Tag::OctetString)?,
            algorithm,
            value,
            countersigned: attribute(unsigned, &TIMESTAMP)?.is_some()
                || attribute(unsigned, &COUNTERSIGNATURE)?.is_some(),
        })
    }

    /// The signer's among the certificates.
    fn find(&self, mut certificates: &'a [u8]) -> Result<X509Certificate<'a>, SignatureFault> {
        while !certificates.is_empty() {
            let (rest, certificate) = X509Certificate::from_der(certificates)
                .map_err(|_| SignatureFault::Malformed("its certificate is broken"))?;
            if certificate.issuer().as_raw() == self.issuer && certificate.raw_serial() == self.serial {
                return Ok(certificate);
            }
            certificates = rest;
        }
        Err(SignatureFault::NoCertificate)
    }
}

/// `SpcIndirectDataContent`: for which kind of file, with which digests.
fn indirect_data(content: &[u8]) -> Result<(bool, &'static Algorithm, &[u8]), SignatureFault> {
    let mut fields = Reader(content);
    let mut data = fields.sequence()?;
    if data.oid()? != SIP_INFO {
        return Err(SignatureFault::Malformed(
            "it signs something else than a package",
        ));
    }
    let mut info = data.sequence()?;
    info.next(Tag::Integer)?;
    let bundle = match info.next(Tag::OctetString)? {
        id if id == PACKAGE_SIP => false,
        id if id == BUNDLE_SIP => true,
        _ => {
            return Err(SignatureFault::Malformed(
                "it signs something else than a package",
            ));
        }
    };
    let mut digest = fields.sequence()?;
    let algorithm = digest_algorithm(&digest.sequence()?.oid()?)?;
    Ok((bundle, algorithm, digest.next(Tag::OctetString)?))
}

/// The first value of an attribute.
fn attribute<'a>(attributes: &'a [u8], wanted: &Oid<'_>) -> Result<Option<Reader<'a>>, SignatureFault> {
    let mut attributes = Reader(attributes);
    while !attributes.0.is_empty() {
        let mut fields = attributes.sequence()?;
        if fields.oid()? == *wanted {
            return Ok(Some(Reader(fields.next(Tag::Set)?)));
        }
    }
    Ok(None)
}

fn digest_algorithm(oid: &Oid<'_>) -> Result<&'static Algorithm, SignatureFault> {
    [
        (HASH_SHA256, &SHA256),
        (HASH_SHA384, &SHA384),
        (HASH_SHA512, &SHA512),
    ]
    .into_iter()
    .find(|(known, _)| known == oid)
    .map(|(_, algorithm)| algorithm)
    .ok_or(SignatureFault::Unsupported(
        "another digest than SHA-256, SHA-384 or SHA-512",
    ))
}

fn algorithm(
    key: &Oid<'_>,
    curve: Option<&Oid<'_>>,
    signer: &Signer<'_>,
) -> Result<&'static dyn VerificationAlgorithm, SignatureFault> {
    if *key == RSA && signer.algorithm == RSA_PSS {
        return Err(SignatureFault::Unsupported("RSASSA-PSS"));
    }
    let key = match curve {
        _ if *key == RSA => Key::Rsa,
        Some(curve) if *curve == P256 => Key::P256,
        Some(curve) if *curve == P384 => Key::P384,
        _ => {
            return Err(SignatureFault::Unsupported(
                "another key than RSA, P-256 or P-384",
            ));
        }
    };
    Ok(match (key, signer.digest.output_len()) {
        (Key::Rsa, 32) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (Key::Rsa, 48) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (Key::Rsa, _) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (Key::P256, 32) => &signature::ECDSA_P256_SHA256_ASN1,
        (Key::P256, 48) => &signature::ECDSA_P256_SHA384_ASN1,
        (Key::P384, 32) => &signature::ECDSA_P384_SHA256_ASN1,
        (Key::P384, 48) => &signature::ECDSA_P384_SHA384_ASN1,
        _ => return Err(SignatureFault::Unsupported("SHA-512 with an elliptic curve")),
    })
}

enum Key {
    Rsa,
    P256,
    P384,
}

/// DER elements, one behind the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn any(&mut self) -> Result<Any<'a>, SignatureFault> {
        let (rest, element) =
            Any::from_der(self.0).map_err(|_| SignatureFault::Malformed("its encoding is broken"))?;
        self.0 = rest;
        Ok(element)
    }

    /// The content of the next element, which has to be of this kind.
    fn next(&mut self, tag: Tag) -> Result<&'a [u8], SignatureFault> {
        let element = self.any()?;
        if element.class() == Class::Universal && element.tag() == tag {
            Ok(element.data)
        } else {
            Err(SignatureFault::Malformed("it has another structure"))
        }
    }

    fn sequence(&mut self) -> Result<Self, SignatureFault> {
        self.next(Tag::Sequence).map(Self)
    }

    fn oid(&mut self) -> Result<Oid<'a>, SignatureFault> {
        let content = self.next(Tag::Oid)?;
        Ok(Oid::new(content.into()))
    }

    /// The next element with its tag and length.
    fn whole(&mut self) -> Result<&'a [u8], SignatureFault> {
        let all = self.0;
        self.any()?;
        Ok(&all[..all.len() - self.0.len()])
    }

    fn tagged(&mut self, number: u32) -> Result<Self, SignatureFault> {
        let content = self.optional(number)?;
        content
            .map(Self)
            .ok_or(SignatureFault::Malformed("it has another structure"))
    }

    /// The content of the next element if it has this context-specific tag.
    fn optional(&mut self, number: u32) -> Result<Option<&'a [u8]>, SignatureFault> {
        let before = self.0;
        if before.is_empty() {
            return Ok(None);
        }
        let element = self.any()?;
        if element.class() == Class::ContextSpecific && element.tag().0 == number {
            return Ok(Some(element.data));
        }
        self.0 = before;
        Ok(None)
    }
}

/// What the checker of signatures takes.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Tag of a DER SET.
const SET: u8 = 0x31;
const SIGNED_DATA: Oid<'static> = oid!(1.2.840.113549.1.7.2);
const CONTENT_TYPE: Oid<'static> = oid!(1.2.840.113549.1.9.3);
const MESSAGE_DIGEST: Oid<'static> = oid!(1.2.840.113549.1.9.4);
const COUNTERSIGNATURE: Oid<'static> = oid!(1.2.840.113549.1.9.6);
/// RFC 3161, under Microsoft's number for it.
const TIMESTAMP: Oid<'static> = oid!(1.3.6.1.4.1.311.3.3.1);
const INDIRECT_DATA: Oid<'static> = oid!(1.3.6.1.4.1.311.2.1.4);
const SIP_INFO: Oid<'static> = oid!(1.3.6.1.4.1.311.2.1.30);
const HASH_SHA256: Oid<'static> = oid!(2.16.840.1.101.3.4.2.1);
const HASH_SHA384: Oid<'static> = oid!(2.16.840.1.101.3.4.2.2);
const HASH_SHA512: Oid<'static> = oid!(2.16.840.1.101.3.4.2.3);
const RSA: Oid<'static> = oid!(1.2.840.113549.1.1.1);
const RSA_PSS: Oid<'static> = oid!(1.2.840.113549.1.1.10);
const P256: Oid<'static> = oid!(1.2.840.10045.3.1.7);
const P384: Oid<'static> = oid!(1.3.132.0.34);
/// Ids of the providers that sign packages and bundles.
const PACKAGE_SIP: &[u8] = b"\x4b\xdf\xc5\x0a\x07\xce\xe2\x4d\xb7\x6e\x23\xc8\x39\xa0\x9f\xd1";
const BUNDLE_SIP: &[u8] = b"\xb3\x58\x5f\x0f\xde\xaa\x9a\x4b\xa4\x34\x95\x74\x2d\x92\xec\xeb";
