//! Reads Windows app packages (`.appx`, `.msix`), their bundles, and the license files that come with them.
//!
//! [`inspect`] answers what a package is: identity, family name, architectures, device families, the
//! frameworks it needs and, for a bundle, its members. It works on anything that reads and seeks and takes
//! in the ZIP directory and the manifests only, so a package of four gigabytes costs what a small one costs.
//! [`license::read`] turns a Store license file into what the device's `AddLicense` command carries.
//!
//! What it is not: it unpacks nothing, keeps nothing, and does not verify signatures or block maps (the
//! device does that). It blocks while it reads: call it off the async threads.
//!
//! Everything here comes from outside and is held to [`Limits`] before memory is taken for it. Start with
//! [`inspect`] and [`PackageFile`], then [`identity`] for the names that Windows derives; `archive` and
//! `xml` are where hostile input is met.

mod archive;
mod bundle;
mod directory;
mod error;
pub mod format;
pub mod identity;
mod inspect;
pub mod license;
mod manifest;
mod model;
mod section;
mod xml;

#[cfg(test)]
mod tests;

pub use archive::Limits;
pub use error::{Limit, ManifestFault, PackageError, Part};
pub use format::PackageFormat;
pub use identity::{FullName, InvalidFullName, family_name, publisher_id};
pub use inspect::inspect;
pub use license::{LicenseError, LicenseFile};
pub use model::{Dependency, Identity, Member, MemberKind, PackageFile, PackageKind};
pub use xml::XmlFault;
