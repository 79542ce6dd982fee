//! What a package or bundle is to be, and the manifests that say so.

use super::{
    AppxError,
    container::{self, ContentTypes, Part, offset_after},
    family_name, publisher_hash,
};
use crate::{png, xml::Node};
use qm_core::{Architecture, Version};

/// A runtime that a package needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeNeed {
    /// Identity name of the framework package.
    pub name: String,
    /// Its publisher's distinguished name.
    pub publisher: String,
    /// The lowest version that will do.
    pub min_version: Version,
}

/// A package to be made: an app, or a framework.
#[derive(Debug, Clone)]
pub struct PackageSpec {
    /// Identity name.
    pub name: String,
    /// The publisher's distinguished name.
    pub publisher: String,
    /// Package version.
    pub version: Version,
    /// Processor architecture.
    pub architecture: Architecture,
    /// Name for people.
    pub display_name: String,
    /// The publisher's name for people.
    pub publisher_display_name: String,
    /// A framework has no applications and is only needed by others.
    pub framework: bool,
    /// Lowest Windows version.
    pub min_version: Version,
    /// Runtimes needed.
    pub needs: Vec<RuntimeNeed>,
    /// Bytes of payload: the size of the package, roughly.
    pub payload: usize,
}

impl PackageSpec {
    /// An app for the desktop, Windows 10 1809 or later, that needs nothing.
    pub fn app(name: &str, publisher: &str, version: Version, architecture: Architecture) -> Self {
        Self {
            name: name.to_owned(),
            publisher: publisher.to_owned(),
            version,
            architecture,
            display_name: name.to_owned(),
            publisher_display_name: name.to_owned(),
            framework: false,
            min_version: WINDOWS_10_1809,
            needs: Vec::new(),
            payload: 96 << 10,
        }
    }

    /// A framework package.
    pub fn framework(name: &str, publisher: &str, version: Version, architecture: Architecture) -> Self {
        Self {
            framework: true,
            ..Self::app(name, publisher, version, architecture)
        }
    }

    /// The package family name.
    pub fn family_name(&self) -> String {
        family_name(&self.name, &self.publisher)
    }

    /// The package full name.
    pub fn full_name(&self) -> String {
        let hash = publisher_hash(&self.publisher);
        format!("{}_{}_{}__{hash}", self.name, self.version, self.architecture)
    }

    /// The file; the same specification gives the same bytes.
    pub fn build(&self) -> Result<Vec<u8>, AppxError> {
        let part = |name: &str, content| Part {
            name: name.to_owned(),
            content,
            mapped: true,
        };
        let mut parts = vec![part("Data/payload.bin", payload(&self.full_name(), self.payload))];
        if !self.framework {
            parts.push(part("Program.exe", payload("Program.exe", 512)));
        }
        parts.push(part("Assets/Logo.png", png::square(150, [0x2f, 0x6f, 0x5e])));
        parts.push(part(MANIFEST, self.manifest().document()));
        container::write(&parts, &PACKAGE_TYPES, &self.publisher)
    }

    fn manifest(&self) -> Node {
        let root = Node::new("Package")
            .attribute(
                "xmlns",
                "http://schemas.microsoft.com/appx/manifest/foundation/windows10",
            )
            .attribute(
                "xmlns:uap",
                "http://schemas.microsoft.com/appx/manifest/uap/windows10",
            )
            .attribute("IgnorableNamespaces", "uap")
            .child(
                identity(&self.name, &self.publisher, self.version)
                    .attribute("ProcessorArchitecture", self.architecture),
            )
            .child(self.properties())
            .child(self.dependencies())
            .child(Node::new("Resources").child(Node::new("Resource").attribute("Language", "en-US")));
        if self.framework {
            root
        } else {
            root.child(self.applications())
        }
    }

    fn properties(&self) -> Node {
        let properties = Node::new("Properties");
        let properties = if self.framework {
            properties.child(Node::new("Framework").text("true"))
        } else {
            properties
        };
        properties
            .child(Node::new("DisplayName").text(&self.display_name))
            .child(Node::new("PublisherDisplayName").text(&self.publisher_display_name))
            .child(Node::new("Logo").text("Assets\\Logo.png"))
    }

    fn dependencies(&self) -> Node {
        let family = Node::new("TargetDeviceFamily")
            .attribute("Name", "Windows.Desktop")
            .attribute("MinVersion", self.min_version)
            .attribute("MaxVersionTested", MAX_TESTED);
        Node::new("Dependencies")
            .child(family)
            .children(self.needs.iter().map(|need| {
                Node::new("PackageDependency")
                    .attribute("Name", &need.name)
                    .attribute("Publisher", &need.publisher)
                    .attribute("MinVersion", need.min_version)
            }))
    }

    fn applications(&self) -> Node {
        let visuals = Node::new("uap:VisualElements")
            .attribute("DisplayName", &self.display_name)
            .attribute("Description", &self.display_name)
            .attribute("BackgroundColor", "transparent")
            .attribute("Square150x150Logo", "Assets\\Logo.png")
            .attribute("Square44x44Logo", "Assets\\Logo.png");
        let application = Node::new("Application")
            .attribute("Id", "App")
            .attribute("Executable", "Program.exe")
            .attribute("EntryPoint", "Program.App")
            .child(visuals);
        Node::new("Applications").child(application)
    }
}

/// A bundle to be made of packages with the same name and publisher.
#[derive(Debug, Clone)]
pub struct BundleSpec {
    /// Bundle version; those of the packages may differ.
    pub version: Version,
    /// The packages inside; at least one.
    pub packages: Vec<PackageSpec>,
}

impl BundleSpec {
    /// The package family name.
    pub fn family_name(&self) -> Result<String, AppxError> {
        Ok(self.first()?.family_name())
    }

    /// The bundle's full name.
    pub fn full_name(&self) -> Result<String, AppxError> {
        let PackageSpec { name, publisher, .. } = self.first()?;
        Ok(format!(
            "{name}_{}_neutral_~_{}",
            self.version,
            publisher_hash(publisher)
        ))
    }

    /// The file; the same specification gives the same bytes.
    pub fn build(&self) -> Result<Vec<u8>, AppxError> {
        let first = self.first()?;
        let mut parts = Vec::new();
        let mut entries = Vec::new();
        for package in &self.packages {
            let name = format!(
                "{}_{}_{}.msix",
                package.name, package.version, package.architecture
            );
            let content = package.build()?;
            let entry = bundle_entry(package, &name)
                .attribute("Offset", offset_after(&parts, &name))
                .attribute("Size", content.len());
            entries.push(entry.child(english()));
            parts.push(Part {
                name,
                content,
                mapped: false,
            });
        }
        parts.push(Part {
            name: BUNDLE_MANIFEST.to_owned(),
            content: bundle_manifest(first, self.version, entries).document(),
            mapped: true,
        });
        container::write(&parts, &BUNDLE_TYPES, &first.publisher)
    }

    fn first(&self) -> Result<&PackageSpec, AppxError> {
        self.packages.first().ok_or(AppxError::Missing("Package"))
    }
}

fn bundle_manifest(first: &PackageSpec, version: Version, entries: Vec<Node>) -> Node {
    Node::new("Bundle")
        .attribute("xmlns", "http://schemas.microsoft.com/appx/2013/bundle")
        .attribute("SchemaVersion", "3.0")
        .child(identity(&first.name, &first.publisher, version))
        .child(Node::new("Packages").children(entries))
}

fn bundle_entry(package: &PackageSpec, file_name: &str) -> Node {
    Node::new("Package")
        .attribute("Type", "application")
        .attribute("Version", package.version)
        .attribute("Architecture", package.architecture)
        .attribute("FileName", file_name)
}

fn english() -> Node {
    Node::new("Resources").child(Node::new("Resource").attribute("Language", "EN-US"))
}

fn identity(name: &str, publisher: &str, version: Version) -> Node {
    Node::new("Identity")
        .attribute("Name", name)
        .attribute("Publisher", publisher)
        .attribute("Version", version)
}

/// Bytes that do not compress and differ from package to package: a xorshift generator's, seeded by the name.
fn payload(seed: &str, size: usize) -> Vec<u8> {
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub(super) const MANIFEST: &str = "AppxManifest.xml";
pub(super) const BUNDLE_MANIFEST: &str = "AppxMetadata/AppxBundleManifest.xml";
/// The oldest Windows that the packages made here accept.
pub(crate) const WINDOWS_10_1809: Version = Version([10, 0, 17763, 0]);
/// The newest Windows that they claim to know.
pub(crate) const MAX_TESTED: Version = Version([10, 0, 22631, 0]);

const PACKAGE_TYPES: ContentTypes = ContentTypes {
    defaults: &[
        ("bin", "application/octet-stream"),
        ("exe", "application/x-msdownload"),
        ("png", "image/png"),
    ],
    manifest: ("/AppxManifest.xml", "application/vnd.ms-appx.manifest+xml"),
};
const BUNDLE_TYPES: ContentTypes = ContentTypes {
    defaults: &[("msix", "application/vnd.ms-appx")],
    manifest: (
        "/AppxMetadata/AppxBundleManifest.xml",
        "application/vnd.ms-appx.bundlemanifest+xml",
    ),
};
