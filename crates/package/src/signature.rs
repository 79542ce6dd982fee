//! `AppxSignature.p7x`: who signed a package, and the digests that were signed.
//!
//! Four bytes, then PKCS #7 `SignedData` over an Authenticode `SpcIndirectDataContent`, whose digest is a list: `APPX`,
//! then a tag and digest for each of
//!
//! | tag | of |
//! | --- | --- |
//! | `AXPC` | all bytes before the signature's local header |
//! | `AXCD` | directory and end records as they were before the signature was added |
//! | `AXCT`, `AXBM`, `AXCI` | `[Content_Types].xml`, `AppxBlockMap.xml`, `AppxMetadata/CodeIntegrity.cat`, unpacked |
//!
//! Whether the certificate is trusted, and was valid when it was used, is for the device to say: it has the roots,
//! revocation, and the means to check timestamps.

mod pkcs7;
mod publisher;

use pkcs7::SignedData;
use qm_core::Timestamp;
use ring::digest::Algorithm;

/// What is wrong with a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// Not the structure that it should be.
    #[error("cannot be read ({0}); sign the package again, for instance with SignTool")]
    Malformed(&'static str),
    /// A signature that this server cannot check.
    #[error(
        "uses {0}, which is not supported; sign again with RSA (2048 bits or more), P-256 or P-384 and SHA-256 or better"
    )]
    Unsupported(&'static str),
    /// The signing certificate is not inside.
    #[error("does not contain its signer's certificate; sign the package again")]
    NoCertificate,
    /// The signature was not made with the certificate's key, or over other data.
    #[error(
        "is forged or damaged: its signer's key did not make it; transfer the package again, or sign it again"
    )]
    Forged,
    /// Content was changed after signing.
    #[error(
        "does not belong to this package: {0} changed after it was signed; transfer the package again, or sign it again"
    )]
    Changed(&'static str),
    /// Not all is covered.
    #[error("does not cover {0}; sign the package again, for instance with SignTool")]
    Uncovered(&'static str),
    /// Something is covered that is not in the package.
    #[error("covers {0}, which is not in the package; transfer the package again, or sign it again")]
    Absent(&'static str),
    /// Made for the other kind of file.
    #[error("was made for a {0}, which this is not; sign the file again")]
    Kind(&'static str),
    /// The signer is somebody else than the publisher.
    #[error(
        "is by `{signer}`, but the manifest's publisher is `{publisher}`; devices refuse that: sign with a certificate of the publisher"
    )]
    Publisher {
        /// Subject of the certificate.
        signer: String,
        /// Of the manifest.
        publisher: String,
    },
    /// The certificate is for something else.
    #[error("was made with a certificate that is not for signing code; sign with one that is")]
    Purpose,
    /// Something stands behind it in the archive.
    #[error("is not the last file of the package, so it cannot cover what follows; sign the package again")]
    NotLast,
}

/// A signature whose signer is who made it. What it covers is still to be compared.
pub(crate) struct Signature {
    pub(crate) method: &'static Algorithm,
    /// When it stops to count: with its certificate, unless a timestamp tells that it was made before.
    pub(crate) lapses: Option<Timestamp>,
    digests: Vec<(Covered, Vec<u8>)>,
}

/// What signatures cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covered {
    Records,
    Directory,
    ContentTypes,
    BlockMap,
    CodeIntegrity,
}

impl Covered {
    const ALL: [Self; 5] = [
        Self::Records,
        Self::Directory,
        Self::ContentTypes,
        Self::BlockMap,
        Self::CodeIntegrity,
    ];

    const fn tag(self) -> &'static [u8; 4] {
        match self {
            Self::Records => b"AXPC",
            Self::Directory => b"AXCD",
            Self::ContentTypes => b"AXCT",
            Self::BlockMap => b"AXBM",
            Self::CodeIntegrity => b"AXCI",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Records => "the files",
            Self::Directory => "the directory of files",
            Self::ContentTypes => "[Content_Types].xml",
            Self::BlockMap => "AppxBlockMap.xml",
            Self::CodeIntegrity => "AppxMetadata/CodeIntegrity.cat",
        }
    }
}

impl Signature {
    /// Reads a signature and checks who made it: with the key of the certificate inside, whose subject is the publisher
    /// and which is for signing code.
    pub(crate) fn verify(part: &[u8], publisher: &str, bundle: bool) -> Result<Self, SignatureFault> {
        let pkcs7 = part
            .strip_prefix(b"PKCX")
            .ok_or(SignatureFault::Malformed("it does not begin with PKCX"))?;
        let signed = SignedData::parse(pkcs7)?;
        signed.verify()?;
        publisher::check(signed.certificate.subject(), publisher)?;
        signed.check_purpose()?;
        if signed.bundle != bundle {
            return Err(SignatureFault::Kind(if signed.bundle {
                "bundle"
            } else {
                "package"
            }));
        }
        Ok(Self {
            method: signed.digest,
            lapses: signed.lapses(),
            digests: digests(signed.blob, signed.digest.output_len())?,
        })
    }

    /// Compares what was found with what was signed; `None` where the package does not have it.
    pub(crate) fn compare(&self, covered: Covered, found: Option<&[u8]>) -> Result<(), SignatureFault> {
        let signed = self.digests.iter().find(|(what, _)| *what == covered);
        match (signed, found) {
            (None, None) => Ok(()),
            (Some((_, signed)), Some(found)) if signed == found => Ok(()),
            (Some(_), Some(_)) => Err(SignatureFault::Changed(covered.name())),
            (Some(_), None) => Err(SignatureFault::Absent(covered.name())),
            (None, Some(_)) => Err(SignatureFault::Uncovered(covered.name())),
        }
    }
}

/// The list of digests. Tags that are not known here cover nothing that is read here.
fn digests(blob: &[u8], length: usize) -> Result<Vec<(Covered, Vec<u8>)>, SignatureFault> {
    let list = blob
        .strip_prefix(b"APPX")
        .filter(|list| list.len() % (4 + length) == 0)
        .ok_or(SignatureFault::Malformed("it is no list of digests"))?;
    let mut digests: Vec<(Covered, Vec<u8>)> = Vec::new();
    for one in list.chunks_exact(4 + length) {
        let (tag, digest) = one.split_at(4);
        let Some(covered) = Covered::ALL.into_iter().find(|known| known.tag() == tag) else {
            continue;
        };
        if digests.iter().any(|(known, _)| *known == covered) {
            return Err(SignatureFault::Malformed("it lists a digest twice"));
        }
        digests.push((covered, digest.to_vec()));
    }
    Ok(digests)
}
