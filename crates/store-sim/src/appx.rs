//! App packages: small real ones are made, identities of any are read.
//!
//! [`PackageSpec::build`] and [`BundleSpec::build`] make files that a strict reader accepts: manifest, block
//! map with true hashes, content types, and a signature that verifies, by a certificate that nobody trusts.
//! [`PackageIdentity::read`] looks into a file that somebody else made. The names that Windows derives from an
//! identity are computed here once more, on purpose, from their definition.

mod container;
mod manifest;
mod read;
mod signature;

pub(crate) use manifest::MAX_TESTED;
pub use manifest::{BundleSpec, PackageSpec, RuntimeNeed};
pub use read::PackageIdentity;
pub use signature::{Hash, Signer, Subject, digest_blob};

use sha2::{Digest, Sha256};

/// Why a package could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum AppxError {
    /// Not a ZIP archive, or a broken one.
    #[error("the package's archive cannot be used")]
    Archive(#[from] zip::result::ZipError),
    /// Reading or writing failed.
    #[error("the package could not be read or written")]
    Io(#[from] std::io::Error),
    /// The manifest is no XML.
    #[error("the package's manifest is not well-formed")]
    Manifest(#[from] quick_xml::Error),
    /// An attribute of the manifest is no XML.
    #[error("the package's manifest has a malformed attribute")]
    Attribute(#[from] quick_xml::events::attributes::AttrError),
    /// Neither a package nor a bundle.
    #[error("the archive has no package manifest; choose an .appx, .msix, .appxbundle or .msixbundle file")]
    NoManifest,
    /// The package could not be signed.
    #[error("the package could not be signed")]
    Signature(#[from] rcgen::Error),
    /// The manifest lacks something, or has it in a form that cannot be read.
    #[error("the package's manifest has no usable `{0}`")]
    Missing(&'static str),
}

/// The 13 characters that Windows puts in place of a publisher's distinguished name.
pub fn publisher_hash(publisher: &str) -> String {
    let mut sha = Sha256::new();
    for unit in publisher.encode_utf16() {
        sha.update(unit.to_le_bytes());
    }
    let digest = sha.finalize();
    // The first 64 bits, most significant first, in groups of five; the 13th group has one bit too few.
    let bit = |index: usize| index < 64 && digest[index / 8] & (0x80 >> (index % 8)) != 0;
    (0..13)
        .map(|group| {
            (0..5).fold(0, |digit, offset| {
                digit << 1 | usize::from(bit(group * 5 + offset))
            })
        })
        .map(|digit| char::from(DIGITS[digit]))
        .collect()
}

/// The package family name of an identity.
pub fn family_name(name: &str, publisher: &str) -> String {
    format!("{name}_{}", publisher_hash(publisher))
}

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests;
