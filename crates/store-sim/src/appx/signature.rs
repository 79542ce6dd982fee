//! The signature part of a package: `PKCX`, then PKCS #7 over the digests of the archive, as SignTool writes it.

use super::{AppxError, publisher_hash};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, SerialNumber, SigningKey as _,
    date_time_ymd,
};
use sha2::{Digest, Sha256, Sha384, Sha512};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};
use yasna::{DERWriter, Tag, models::ObjectIdentifier};

/// The digest algorithm of a signature; that of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The digest of some bytes.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    const fn oid(self) -> &'static [u64] {
        match self {
            Self::Sha256 => &[2, 16, 840, 1, 101, 3, 4, 2, 1],
            Self::Sha384 => &[2, 16, 840, 1, 101, 3, 4, 2, 2],
            Self::Sha512 => &[2, 16, 840, 1, 101, 3, 4, 2, 3],
        }
    }
}

/// A key with a certificate that it made for itself.
pub struct Signer {
    key: KeyPair,
    hash: Hash,
    certificate: Vec<u8>,
}

/// What a signer's certificate says.
pub struct Subject<'a> {
    /// Distinguished name as manifests write publishers.
    pub publisher: &'a str,
    /// First and last moment of validity.
    pub valid: (OffsetDateTime, OffsetDateTime),
    /// May sign code; otherwise servers.
    pub signs_code: bool,
}

impl Signer {
    /// The signer of every simulated package. Its key is in the source: it vouches for nothing, and the same package
    /// gets the same signature each time.
    pub fn simulated(publisher: &str) -> Result<Self, AppxError> {
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(include_str!("signing-key.pem"), &PKCS_RSA_SHA256)?;
        let valid = (date_time_ymd(2020, 1, 1), date_time_ymd(2060, 1, 1));
        Self::new(
            key,
            &Subject {
                publisher,
                valid,
                signs_code: true,
            },
        )
    }

    /// Another signer, with the digest algorithm of its key.
    pub fn new(key: KeyPair, subject: &Subject<'_>) -> Result<Self, AppxError> {
        let algorithm = key.algorithm();
        let hash = if algorithm == &PKCS_RSA_SHA512 {
            Hash::Sha512
        } else if algorithm == &PKCS_RSA_SHA384 || algorithm == &PKCS_ECDSA_P384_SHA384 {
            Hash::Sha384
        } else {
            Hash::Sha256
        };
        let certificate = subject.parameters()?.self_signed(&key)?.der().to_vec();
        Ok(Self {
            key,
            hash,
            certificate,
        })
    }

    /// Its digest algorithm.
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// The signature part over digests as `digest_blob` writes them.
    pub fn sign(&self, blob: &[u8], bundle: bool) -> Result<Vec<u8>, AppxError> {
        let content = yasna::construct_der(|writer| self.indirect_data(writer, blob, bundle));
        // The digest is over the content's value, without its tag and length.
        let header = content.len() - value_length(&content);
        let attributes = attributes(&self.hash.digest(&content[header..]));
        let signed = yasna::construct_der(|writer| {
            writer.write_set_of(|set| attributes.iter().for_each(|one| set.next().write_der(one)));
        });
        let signature = self.key.sign(&signed)?;
        let (_, certificate) =
            X509Certificate::from_der(&self.certificate).map_err(|_| AppxError::Missing("certificate"))?;
        let signer_info = |writer: DERWriter<'_>| {
            writer.write_sequence(|fields| {
                fields.next().write_u8(1);
                fields.next().write_sequence(|id| {
                    id.next().write_der(certificate.issuer().as_raw());
                    id.next().write_bigint_bytes(certificate.raw_serial(), true);
                });
                algorithm(fields.next(), self.hash.oid());
                fields.next().write_tagged_implicit(Tag::context(0), |writer| {
                    writer.write_set_of(|set| attributes.iter().for_each(|one| set.next().write_der(one)));
                });
                algorithm(fields.next(), self.key_algorithm());
                fields.next().write_bytes(&signature);
            });
        };
        let pkcs7 = yasna::construct_der(|writer| self.signed_data(writer, &content, signer_info));
        Ok([b"PKCX", pkcs7.as_slice()].concat())
    }

    fn signed_data(&self, writer: DERWriter<'_>, content: &[u8], signer_info: impl Fn(DERWriter<'_>)) {
        writer.write_sequence(|info| {
            write_oid(info.next(), SIGNED_DATA);
            info.next().write_tagged(Tag::context(0), |writer| {
                writer.write_sequence(|fields| {
                    fields.next().write_u8(1);
                    fields
                        .next()
                        .write_set_of(|set| algorithm(set.next(), self.hash.oid()));
                    fields.next().write_sequence(|inner| {
                        write_oid(inner.next(), INDIRECT_DATA);
                        inner
                            .next()
                            .write_tagged(Tag::context(0), |writer| writer.write_der(content));
                    });
                    fields.next().write_tagged_implicit(Tag::context(0), |writer| {
                        writer.write_set_of(|set| set.next().write_der(&self.certificate));
                    });
                    fields.next().write_set_of(|set| signer_info(set.next()));
                });
            });
        });
    }

    fn indirect_data(&self, writer: DERWriter<'_>, blob: &[u8], bundle: bool) {
        writer.write_sequence(|fields| {
            fields.next().write_sequence(|data| {
                write_oid(data.next(), SIP_INFO);
                data.next().write_sequence(|info| {
                    info.next().write_u32(0x0101_0000);
                    info.next()
                        .write_bytes(if bundle { BUNDLE_SIP } else { PACKAGE_SIP });
                    for _ in 0..5 {
                        info.next().write_u8(0);
                    }
                });
            });
            fields.next().write_sequence(|digest| {
                algorithm(digest.next(), self.hash.oid());
                digest.next().write_bytes(blob);
            });
        });
    }

    fn key_algorithm(&self) -> &'static [u64] {
        let algorithm = self.key.algorithm();
        if [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384, &PKCS_RSA_SHA512].contains(&algorithm) {
            RSA
        } else if self.hash == Hash::Sha384 {
            ECDSA_SHA384
        } else {
            ECDSA_SHA256
        }
    }
}

impl Subject<'_> {
    fn parameters(&self) -> Result<CertificateParams, AppxError> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = distinguished_name(self.publisher)?;
        (parameters.not_before, parameters.not_after) = self.valid;
        parameters.serial_number = Some(SerialNumber::from_slice(
            publisher_hash(self.publisher).as_bytes(),
        ));
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![if self.signs_code {
            ExtendedKeyUsagePurpose::CodeSigning
        } else {
            ExtendedKeyUsagePurpose::ServerAuth
        }];
        Ok(parameters)
    }
}

/// The digests of a package as they are signed: a magic, then a tag before each.
pub fn digest_blob(digests: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let tagged = digests
        .iter()
        .flat_map(|(tag, digest)| [tag.as_slice(), digest.as_slice()].concat());
    b"APPX".iter().copied().chain(tagged).collect()
}

/// A publisher as a name of a certificate, the last attribute first, as Windows encodes it.
fn distinguished_name(publisher: &str) -> Result<DistinguishedName, AppxError> {
    let mut name = DistinguishedName::new();
    for attribute in publisher.rsplit(',') {
        let (key, value) = attribute
            .trim()
            .split_once('=')
            .ok_or(AppxError::Missing("Publisher"))?;
        let kind = match key {
            "CN" => DnType::CommonName,
            "O" => DnType::OrganizationName,
            "OU" => DnType::OrganizationalUnitName,
            "L" => DnType::LocalityName,
            "S" => DnType::StateOrProvinceName,
            "C" => DnType::CountryName,
            _ => return Err(AppxError::Missing("Publisher")),
        };
        name.push(kind, value);
    }
    Ok(name)
}

/// The signed attributes in the order that DER wants: what is signed, its digest, and that nothing is said about it.
fn attributes(digest: &[u8]) -> Vec<Vec<u8>> {
    let attribute = |oid, value: &dyn Fn(DERWriter<'_>)| {
        yasna::construct_der(|writer| {
            writer.write_sequence(|fields| {
                write_oid(fields.next(), oid);
                fields.next().write_set_of(|set| value(set.next()));
            });
        })
    };
    let mut all = vec![
        attribute(OPUS_INFO, &|writer| writer.write_sequence(|_| {})),
        attribute(CONTENT_TYPE, &|writer| write_oid(writer, INDIRECT_DATA)),
        attribute(MESSAGE_DIGEST, &|writer| writer.write_bytes(digest)),
    ];
    all.sort_unstable();
    all
}

fn algorithm(writer: DERWriter<'_>, oid: &[u64]) {
    writer.write_sequence(|fields| {
        write_oid(fields.next(), oid);
        fields.next().write_null();
    });
}

fn write_oid(writer: DERWriter<'_>, oid: &[u64]) {
    writer.write_oid(&ObjectIdentifier::from_slice(oid));
}

/// The length of the value in a DER element that fills the bytes.
fn value_length(der: &[u8]) -> usize {
    match usize::from(der[1]) {
        short @ 0..0x80 => short,
        long => der.len() - 2 - (long & 0x7f),
    }
}

const SIGNED_DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 2];
const CONTENT_TYPE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: &[u64] = &[1, 2, 840, 113_549, 1, 9, 4];
const RSA: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];
const ECDSA_SHA256: &[u64] = &[1, 2, 840, 10_045, 4, 3, 2];
const ECDSA_SHA384: &[u64] = &[1, 2, 840, 10_045, 4, 3, 3];
const INDIRECT_DATA: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 2, 1, 4];
const OPUS_INFO: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 2, 1, 12];
const SIP_INFO: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 2, 1, 30];
const PACKAGE_SIP: &[u8; 16] = b"\x4b\xdf\xc5\x0a\x07\xce\xe2\x4d\xb7\x6e\x23\xc8\x39\xa0\x9f\xd1";
const BUNDLE_SIP: &[u8; 16] = b"\xb3\x58\x5f\x0f\xde\xaa\x9a\x4b\xa4\x34\x95\x74\x2d\x92\xec\xeb";
