//! Why a file is no package that can be deployed.

use crate::{BlockMapFault, NameFault, PackageKind, SignatureFault, XmlFault};
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
    /// A name that is no name of a part of a package.
    #[error(
        "the entry `{entry}` {fault}; Windows cannot install such a package: rename the file and build the package again"
    )]
    EntryName {
        /// As it stands in the archive.
        entry: String,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// A name that is a file's and a folder's at once.
    #[error(
        "`{entry}` is a file and a folder at once; Windows cannot install such a package: rename one of the two and build it again"
    )]
    FileIsFolder {
        /// The name.
        entry: String,
    },
    /// Both headers of an entry are there and say different things.
    #[error(
        "the entry `{entry}` has two headers that disagree about its {field}, so what is in the package depends on who reads it; \
         do not trust the file: build the package again"
    )]
    HeadersDisagree {
        /// Its name.
        entry: String,
        /// About what.
        field: &'static str,
    },
    /// Entries lie upon each other, or upon the directory.
    #[error(
        "the entry `{entry}` overlaps what follows it, as in archives made to exhaust their readers; do not trust the file: \
         build the package again"
    )]
    Overlap {
        /// Its name.
        entry: String,
    },
    /// Bytes that belong to no entry.
    #[error(
        "the package has bytes {place} that belong to no entry; something was hidden in it or cut out: build it again"
    )]
    Stray {
        /// Where they are.
        place: String,
    },
    /// Unpacked, an entry is not what its headers say.
    #[error(
        "the entry `{entry}` is damaged: its {field} is not the one that its header tells; transfer the package again"
    )]
    EntryDamaged {
        /// Its name.
        entry: String,
        /// What differs.
        field: &'static str,
    },
    /// The block map is not there.
    #[error(
        "the package has no block map (AppxBlockMap.xml), so devices refuse it; build it with MakeAppx, not with a ZIP program"
    )]
    NoBlockMap,
    /// The list of content types is not there.
    #[error(
        "the package has no `[Content_Types].xml`, so devices refuse it; build it with MakeAppx, not with a ZIP program"
    )]
    NoContentTypes,
    /// The block map is broken, or does not fit the files.
    #[error(
        "the block map (AppxBlockMap.xml) {0}; devices refuse such a package: transfer it again, or build and sign it again"
    )]
    BlockMap(BlockMapFault),
    /// The signature is broken, or belongs to something else.
    #[error("the signature (AppxSignature.p7x) {0}")]
    Signature(SignatureFault),
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
    #[error("the file claims to be a package and a bundle at once; build it again as one of them")]
    TwoManifests,
    /// An `.appxupload` or `.msixupload`: for the Store's developer portal, not for devices.
    #[error(
        "this archive only wraps a package, as submissions to the Store's developer portal do; upload the package or bundle inside it"
    )]
    StoreUpload,
    /// Two entries have the same name, case and percent encoding aside.
    #[error(
        "two entries have the same name (`{entry}`), case and percent encoding aside; Windows cannot install such a package: build it again"
    )]
    DuplicateEntry {
        /// The name.
        entry: String,
    },
    /// Compressed in a way that packages do not use.
    #[error(
        "the entry `{entry}` is compressed in a way that packages do not use; build the package with MakeAppx"
    )]
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
    #[error(
        "the package has {limit} of more than {allowed}{}, which is beyond what this server reads; make it smaller",
        limit.unit()
    )]
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
    #[error(
        "the bundle and its package `{file_name}` disagree about the {field}: `{bundle}` and `{member}`; build the bundle again"
    )]
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
    /// A bundle lists a package twice.
    #[error(
        "the bundle lists the package `{file_name}` more than once; build it again with each package once"
    )]
    MemberRepeated {
        /// The package's file name or full name.
        file_name: String,
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

// Not `#[from]`: their texts are part of ours already, and would be told again as its cause.
impl From<BlockMapFault> for PackageError {
    fn from(fault: BlockMapFault) -> Self {
        Self::BlockMap(fault)
    }
}

impl From<SignatureFault> for PackageError {
    fn from(fault: SignatureFault) -> Self {
        Self::Signature(fault)
    }
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
        /// Bytes of everything, unpacked.
        Unpacked = "unpacked content",
        /// Bytes of the signature.
        Signature = "a signature",
        /// Bytes of the block map.
        BlockMap = "a block map",
        /// Bytes unpacked for each byte packed.
        Ratio = "a compression ratio",
    }
}

impl Limit {
    /// What follows the number.
    const fn unit(self) -> &'static str {
        match self {
            Self::Entries | Self::Members => "",
            Self::Ratio => " to 1",
            _ => " bytes",
        }
    }
}
