//! What the service tells about the packages of a product.

use crate::{decode_hash, lenient::Fields, lenient::text, model::open_enum};
use qm_core::{Architecture, Secret, Sha256, Version};
use serde_json::Value;

open_enum! {
    /// The kind of a package file; its text is the file's extension.
    PackageFormat {
        /// One package.
        Appx = "appx",
        /// Several packages.
        AppxBundle = "appxbundle",
        /// One package, later format.
        Msix = "msix",
        /// Several packages, later format.
        MsixBundle = "msixbundle",
        /// One package, encrypted.
        EAppx = "eappx",
        /// Several packages, encrypted.
        EAppxBundle = "eappxbundle",
        /// One package, encrypted, later format.
        EMsix = "emsix",
        /// Several packages, encrypted, later format.
        EMsixBundle = "emsixbundle",
        /// For phones.
        Xap = "xap",
    }
}

impl PackageFormat {
    /// Whether the file holds several packages.
    pub const fn is_bundle(&self) -> bool {
        matches!(
            self,
            Self::AppxBundle | Self::MsixBundle | Self::EAppxBundle | Self::EMsixBundle
        )
    }

    /// Whether today's Windows installs it.
    pub const fn is_deployable(&self) -> bool {
        !matches!(self, Self::Xap | Self::Other(_))
    }
}

/// An architecture, known or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageArchitecture {
    /// A known one.
    Known(Architecture),
    /// Another, as received.
    Other(String),
}

impl PackageArchitecture {
    fn read(value: &Value) -> Option<Self> {
        let text = text(value)?;
        Some(Architecture::parse_lenient(&text).map_or(Self::Other(text), Self::Known))
    }
}

/// Where a product or package runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `Windows.Universal`, `Windows.Desktop`, …
    pub name: String,
    /// The lowest OS version.
    pub min_version: Version,
    /// The highest OS version tested; excludes nothing.
    pub max_tested: Option<Version>,
    /// Architectures, where the service tells them here.
    pub architectures: Vec<PackageArchitecture>,
}

impl Platform {
    /// Reads a platform; one without a name is none.
    pub fn read(value: &Value) -> Option<Self> {
        let fields = Fields::of(value)?;
        Some(Self {
            name: fields.text("platformName")?,
            min_version: fields.version("minVersion").unwrap_or_default(),
            max_tested: fields.version("maxTestedVersion"),
            architectures: fields.list("architectures", PackageArchitecture::read).items,
        })
    }
}

/// The packages of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSet {
    /// Changes when the combination of packages changes.
    pub set_id: Option<String>,
    /// The packages, each with its frameworks.
    pub packages: Vec<StorePackage>,
}

impl PackageSet {
    /// Reads what there is.
    pub fn read(fields: Fields<'_>) -> Self {
        Self {
            set_id: fields.text("packageSetId"),
            packages: fields.list("productPackages", StorePackage::read).items,
        }
    }
}

/// A package or framework of the Store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePackage {
    /// Key for a fresh address.
    pub package_id: String,
    /// What its license is for; meaningless for a framework.
    pub content_id: Option<String>,
    /// A download address that lapses soon; it carries its own permission.
    pub address: Option<Secret<String>>,
    /// `Name_Version_Arch_ResourceId_PublisherId`; absent for XAP.
    pub full_name: Option<String>,
    /// The name in the manifest.
    pub identity_name: Option<String>,
    /// Architectures inside; empty means neutral.
    pub architectures: Vec<PackageArchitecture>,
    /// Kind of the file.
    pub format: PackageFormat,
    /// Where it runs; empty means anywhere.
    pub platforms: Vec<Platform>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Preference among equals.
    pub rank: Option<i64>,
    /// Version; undocumented, also part of the full name.
    pub version: Option<Version>,
    /// SHA-256 of the file, where the service tells it readably.
    pub sha256: Option<Sha256>,
    /// Frameworks to install with or before it.
    pub frameworks: Vec<StorePackage>,
}

impl StorePackage {
    /// Reads a package with its frameworks; one without an id is none.
    pub fn read(value: &Value) -> Option<Self> {
        Self::read_one(value, |fields| {
            fields
                .list("frameworkDependencyPackages", Self::read_framework)
                .items
        })
    }

    fn read_framework(value: &Value) -> Option<Self> {
        Self::read_one(value, |_| Vec::new())
    }

    fn read_one<'a>(value: &'a Value, frameworks: impl Fn(Fields<'a>) -> Vec<Self>) -> Option<Self> {
        let fields = Fields::of(value)?;
        let algorithm = fields.text("fileHashAlgorithm");
        Some(Self {
            package_id: fields.text("packageId")?,
            content_id: fields.text("contentId"),
            address: fields
                .object("location")
                .and_then(|location| location.text("url"))
                .map(Secret::new),
            full_name: fields.text("packageFullName"),
            identity_name: fields.text("packageIdentityName"),
            architectures: fields.list("architectures", PackageArchitecture::read).items,
            format: PackageFormat::read(&fields.text("packageFormat").unwrap_or_default()),
            platforms: fields.list("platforms", Platform::read).items,
            size: fields.size("fileSize"),
            rank: fields.int("packageRank"),
            version: fields.version("version"),
            sha256: fields
                .text("fileHash")
                .and_then(|hash| decode_hash(&hash, algorithm.as_deref())),
            frameworks: frameworks(fields),
        })
    }

    /// A name for the file: the best name there is, made safe, and the format as extension.
    pub fn file_name(&self) -> String {
        let name = self
            .full_name
            .as_ref()
            .or(self.identity_name.as_ref())
            .unwrap_or(&self.package_id);
        let stem = plain(name.trim_start_matches('.'), MAX_STEM);
        let stem = if stem.is_empty() { "package" } else { &stem };
        match plain(&self.format.as_str().to_ascii_lowercase(), MAX_EXTENSION) {
            extension if extension.is_empty() => stem.to_owned(),
            extension => format!("{stem}.{extension}"),
        }
    }

    /// The version as told, else the one inside the full name.
    pub fn any_version(&self) -> Option<Version> {
        self.version
            .or_else(|| self.full_name.as_ref()?.split('_').nth(1)?.parse().ok())
    }
}

/// The beginning of a text with `_` for what a file name should not have.
fn plain(text: &str, length: usize) -> String {
    let safe = |c| if is_plain(c) { c } else { '_' };
    text.chars().map(safe).take(length).collect()
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~')
}

const MAX_STEM: usize = 180;
const MAX_EXTENSION: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Value {
        json!({
            "PackageId": "p1-X64-Ia64", "contentId": "c1", "location": { "Url": "https://cdn.example/f?sig=hush" },
            "packageFullName": "Acme.Paint_2.1.0.0_neutral_~_8wekyb3d8bbwe", "architectures": ["X64", "Ia64"],
            "packageFormat": "appxBundle", "fileSize": "4096", "packageRank": 7,
            "platforms": [{ "platformName": "Windows.Desktop", "minVersion": { "major": 10, "build": 17763 } }, null],
            "fileHash": "ab".repeat(32), "fileHashAlgorithm": "Sha256",
            "frameworkDependencyPackages": [{ "packageId": "f1", "location": null, "packageFormat": "Appx",
                "frameworkDependencyPackages": [{ "packageId": "too deep" }] }],
        })
    }

    #[test]
    fn reads_a_package_with_its_frameworks() {
        let package = StorePackage::read(&sample()).unwrap();
        assert_eq!(package.format, PackageFormat::AppxBundle);
        assert_eq!(
            package.architectures[0],
            PackageArchitecture::Known(Architecture::X64)
        );
        assert_eq!(
            package.architectures[1],
            PackageArchitecture::Other("Ia64".into())
        );
        assert_eq!(
            (package.size, package.rank, package.version),
            (Some(4096), Some(7), None)
        );
        assert_eq!(package.any_version(), Some(Version([2, 1, 0, 0])));
        assert_eq!(package.sha256, Some(Sha256([0xab; 32])));
        assert_eq!(package.platforms.len(), 1);
        let framework = &package.frameworks[0];
        assert_eq!(
            (framework.address.as_ref(), framework.frameworks.len()),
            (None, 0)
        );
        assert!(!format!("{package:?}").contains("hush"));
    }

    #[test]
    fn file_names_are_safe_and_keep_their_extension() {
        let mut package = StorePackage::read(&sample()).unwrap();
        assert_eq!(
            package.file_name(),
            "Acme.Paint_2.1.0.0_neutral_~_8wekyb3d8bbwe.appxbundle"
        );
        package.full_name = None;
        package.identity_name = Some("../../etc/pass wd".into());
        assert_eq!(package.file_name(), "_.._etc_pass_wd.appxbundle");
        package.identity_name = None;
        assert_eq!(package.file_name(), "p1-X64-Ia64.appxbundle");
        package.package_id = "x".repeat(500);
        assert!(package.file_name().ends_with("x.appxbundle"));
        "..".clone_into(&mut package.package_id);
        package.format = PackageFormat::read("");
        assert_eq!(package.file_name(), "package");
    }

    #[test]
    fn unknown_formats_are_kept_and_not_deployed() {
        assert_eq!(
            PackageFormat::read("Flatpak"),
            PackageFormat::Other("Flatpak".into())
        );
        assert!(!PackageFormat::read("").is_deployable() && !PackageFormat::read("XAP").is_deployable());
        assert!(
            PackageFormat::read("MsixBundle").is_deployable()
                && PackageFormat::read("MsixBundle").is_bundle()
        );
    }
}
