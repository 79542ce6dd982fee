//! Why a file is no package that can be deployed.

use crate::{PackageKind, XmlFault};
use qm_core::text_enum;
use std::io;

/// Why a file was not accepted as a package. The texts are for administrators.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Reading failed.
    #[error("the package could not be read")]
    Io(#[from] io::Error),
    /// Not a ZIP archive at all.
    #[error(
        "this is no app package: it is not a ZIP archive; choose an .appx, .msix, .appxbundle or .msixbundle file"
    )]
    NotZip,
    /// Begins as a package and does not end as one.
    #[error("the package is incomplete or something was appended to it; transfer it again")]
    Truncated,
    /// The archive's own records are broken.
    #[error("the package is damaged ({problem}); transfer it again")]
    Damaged {
        /// What was found.
        problem: String,
    },
    /// An `.eappx`, `.emsix` or their bundles: nothing in it can be read without its key.
    #[error("this is an encrypted {}; upload the unencrypted one, or let the Store synchronization add it", if *.bundle { "bundle" } else { "package" })]
    EncryptedPackage {
        /// A bundle, not a single package.
        bundle: bool,
    },
    /// An entry is encrypted with a ZIP password; Windows does not install such packages.
    #[error("the entry `{entry}` is protected with a ZIP password; Windows cannot install such a package")]
    EncryptedEntry {
        /// Its name.
        entry: String,
    },
    /// Neither kind of manifest is in it.
    #[error(
        "this ZIP archive is no app package: it has neither `AppxManifest.xml` nor `AppxMetadata/AppxBundleManifest.xml`"
    )]
    NoManifest,
    /// Both kinds of manifest are in it.
    #[error("the file claims to be a package and a bundle at once")]
    TwoManifests,
    /// An `.appxupload` or `.msixupload`: for the Store's developer portal, not for devices.
    #[error(
        "this archive only wraps a package, as submissions to the Store's developer portal do; upload the package or bundle inside it"
    )]
    StoreUpload,
    /// Two entries have the same name, case and percent encoding aside.
    #[error("two entries have the same name{}; Windows cannot install such a package", entry.as_ref().map(|entry| format!(" (`{entry}`)")).unwrap_or_default())]
    DuplicateEntry {
        /// The name, where it is known.
        entry: Option<String>,
    },
    /// Compressed in a way that packages do not use.
    #[error("the entry `{entry}` is compressed in a way that packages do not use")]
    Compression {
        /// Its name.
        entry: String,
    },
    /// The manifest is not what it should be.
    #[error("the {part} {fault}")]
    BadManifest {
        /// Which manifest.
        part: Part,
        /// What is wrong with it.
        fault: ManifestFault,
    },
    /// More than the limit allows.
    #[error("the package has {limit} of more than {allowed}, which is beyond the limit")]
    Limit {
        /// Of what.
        limit: Limit,
        /// How much is allowed.
        allowed: u64,
    },
    /// A bundle names a package that is not inside it (a flat bundle).
    #[error(
        "the bundle does not contain its package `{file_name}`; build one that holds all of its packages"
    )]
    MemberElsewhere {
        /// The package's file name.
        file_name: String,
    },
    /// A bundle and a package inside it say different things.
    #[error("the bundle and its package `{file_name}` disagree about the {field}: {bundle} and {member}")]
    MemberMismatch {
        /// The package's file name.
        file_name: String,
        /// What they disagree about.
        field: &'static str,
        /// What the bundle says.
        bundle: String,
        /// What the package says.
        member: String,
    },
    /// A package inside a bundle is not one.
    #[error("the package `{file_name}` inside the bundle cannot be used")]
    Member {
        /// The package's file name.
        file_name: String,
        /// Why.
        source: Box<PackageError>,
    },
    /// A file name without an extension that packages have.
    #[error("`{file_name}` is no package's file name; it ends in .appx, .msix, .appxbundle or .msixbundle")]
    UnknownExtension {
        /// The file name.
        file_name: String,
    },
    /// A package named as a bundle, or the other way round.
    #[error("the file is named `.{extension}`, but it is a {found}")]
    ExtensionDisagrees {
        /// The extension.
        extension: &'static str,
        /// What it is.
        found: PackageKind,
    },
}

impl PackageError {
    #[expect(clippy::needless_pass_by_value, reason = "called by name in `map_err`")]
    pub(crate) fn damaged(problem: impl ToString) -> Self {
        Self::Damaged {
            problem: problem.to_string(),
        }
    }
}

text_enum! {
    /// The documents that are read from a package.
    pub enum Part {
        /// A package's manifest.
        Manifest = "manifest (AppxManifest.xml)",
        /// A bundle's manifest.
        BundleManifest = "bundle manifest (AppxBundleManifest.xml)",
    }
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// It is no acceptable XML.
    #[error(transparent)]
    Xml(#[from] XmlFault),
    /// Another document.
    #[error("has the root element `{found}` where `{expected}` belongs")]
    Root {
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// An element is missing.
    #[error("has no `{0}`")]
    Missing(&'static str),
    /// A value is not allowed.
    #[error("has the {field} `{value}`, which is not allowed")]
    Value {
        /// Of what.
        field: &'static str,
        /// The value.
        value: String,
    },
}

text_enum! {
    /// What is limited.
    pub enum Limit {
        /// Entries of the archive and of the packages inside it.
        Entries = "a number of entries",
        /// Bytes of the central directories.
        Directory = "a directory",
        /// Packages in a bundle.
        Members = "a number of packages",
        /// Bytes of a manifest, unpacked.
        Manifest = "a manifest",
        /// Bytes of all manifests, unpacked.
        Manifests = "manifests together",
        /// Bytes unpacked for each byte packed.
        Ratio = "a compression ratio",
    }
}
