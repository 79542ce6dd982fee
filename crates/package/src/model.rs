//! What is known of a package after reading it.

use crate::{FullName, publisher_id};
use qm_core::{Architecture, Version, app::DeviceFamily, text_enum};

text_enum! {
    /// One package, or several in one file.
    pub enum PackageKind {
        /// `.appx`, `.msix`.
        Package = "package",
        /// `.appxbundle`, `.msixbundle`.
        Bundle = "bundle",
    }
}
text_enum! {
    /// What a package of a bundle is.
    pub enum MemberKind {
        /// The app itself, for one architecture.
        Application = "application",
        /// Languages, scales and the like.
        Resource = "resource",
    }
}

/// A package or bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Which of the two.
    pub kind: PackageKind,
    /// Its identity; a bundle's is neutral and has the resource id `~`.
    pub identity: Identity,
    /// `Name_PublisherId`: the same for all versions and architectures.
    pub family_name: String,
    /// `Name_Version_Architecture_ResourceId_PublisherId`.
    pub full_name: String,
    /// Name for people; `None` where the manifest refers to a resource. Then take the identity's name.
    pub display_name: Option<String>,
    /// The publisher for people; `None` where the manifest refers to a resource.
    pub publisher_display_name: Option<String>,
    /// A framework: other packages need it, users never see it.
    pub framework: bool,
    /// A resource package, which is of no use without its app.
    pub resource: bool,
    /// The app's name that this optional package extends.
    pub optional_for: Option<String>,
    /// Where it runs; empty means anywhere. A bundle runs where any of its applications does.
    pub families: Vec<DeviceFamily>,
    /// Frameworks it needs. A bundle needs what any of its applications needs.
    pub dependencies: Vec<Dependency>,
    /// Architectures: one, or those of a bundle's applications, in order.
    pub architectures: Vec<Architecture>,
    /// A bundle's packages, in the order of its manifest.
    pub members: Vec<Member>,
}

/// The `Identity` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// 3 to 50 letters, digits, dots and dashes.
    pub name: String,
    /// The signer's distinguished name, exactly as written: each space and letter counts.
    pub publisher: String,
    /// The version. A bundle's is independent of its members'.
    pub version: Version,
    /// The architecture.
    pub architecture: Architecture,
    /// As the manifest spells it: `x86a64` counts as arm64 but keeps its name in the full name.
    pub architecture_name: String,
    /// Empty for main packages.
    pub resource_id: String,
}

impl Identity {
    /// The package family name.
    pub fn family_name(&self) -> String {
        crate::family_name(&self.name, &self.publisher)
    }
    /// The package full name.
    pub fn full_name(&self) -> FullName {
        FullName {
            name: self.name.clone(),
            version: self.version,
            architecture: self.architecture_name.clone(),
            resource_id: self.resource_id.clone(),
            publisher_id: publisher_id(&self.publisher),
        }
    }
}

/// A framework that a package needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Its identity's name.
    pub name: String,
    /// Its identity's publisher; manifests for Windows 8 may leave it out.
    pub publisher: Option<String>,
    /// The lowest version that will do.
    pub min_version: Version,
}

impl Dependency {
    /// The framework's package family name, where the publisher is known.
    pub fn family_name(&self) -> Option<String> {
        let publisher = self.publisher.as_deref()?;
        Some(crate::family_name(&self.name, publisher))
    }
    /// Whether a package is this framework, new enough. The architecture is for the caller to choose.
    pub fn is_met_by(&self, package: &Identity) -> bool {
        self.name.eq_ignore_ascii_case(&package.name)
            && self
                .publisher
                .as_ref()
                .is_none_or(|publisher| *publisher == package.publisher)
            && self.min_version <= package.version
    }
}

/// A package inside a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The app or resources.
    pub kind: MemberKind,
    /// As the bundle's manifest spells it, with `/` between folders.
    pub file_name: String,
    /// The member's package full name.
    pub full_name: String,
    /// Its own version.
    pub version: Version,
    /// Its architecture.
    pub architecture: Architecture,
    /// A placeholder for the real app, installed only where asked for.
    pub stub: bool,
    /// Where its bytes begin in the bundle.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Where it runs; empty means anywhere.
    pub families: Vec<DeviceFamily>,
    /// Frameworks that it needs, in its own architecture.
    pub dependencies: Vec<Dependency>,
}
