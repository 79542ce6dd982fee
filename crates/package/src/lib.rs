//! Reads Windows app packages (`.appx`, `.msix`), their bundles, and the license files that come with them.
//!
//! [`verify`] reads a file through and answers what it is: identity, family name, architectures, device families, the
//! frameworks it needs and, for a bundle, its members. It refuses whatever devices would refuse for its content: its
//! archive, block map and signature have to agree to the last byte. [`inspect`] answers the same of a file that was
//! verified before, from its manifests alone. [`license::read`] turns a Store license file into what the device's
//! `AddLicense` command carries.
//!
//! What it is not: it unpacks nothing, keeps nothing, and does not ask whether a signer is trusted (the device does). It
//! blocks while it reads: call it off the async threads.
//!
//! Everything here comes from outside and is held to [`Limits`] before memory is taken for it. One module for each
//! concern: `directory`, `entry`, `names` and `archive` for the ZIP structure, `unpack` for data, `block_map`,
//! `signature`, `bundle`; `walk` is the one pass over all bytes that brings them together. Start with [`verify`] and
//! [`PackageFile`], then [`identity`] for the names that Windows derives.

mod archive;
mod block_map;
mod bundle;
mod bytes;
mod directory;
mod entry;
mod error;
pub mod format;
pub mod identity;
mod inspect;
pub mod license;
mod manifest;
mod model;
mod names;
mod parts;
mod section;
mod signature;
mod unpack;
mod verify;
mod walk;
mod xml;

#[cfg(test)]
mod tests;

pub use archive::Limits;
pub use block_map::BlockMapFault;
pub use error::{Limit, ManifestFault, PackageError, Part};
pub use format::PackageFormat;
pub use identity::{FullName, InvalidFullName, family_name, publisher_id};
pub use inspect::inspect;
pub use license::{LicenseError, LicenseFile};
pub use model::{Dependency, Identity, Member, MemberKind, PackageFile, PackageKind};
pub use names::NameFault;
pub use signature::SignatureFault;
pub use verify::{Verified, verify};
pub use xml::XmlFault;
