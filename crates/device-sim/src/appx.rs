//! What a device learns about a package from the package itself: a small reader of manifests, written here once more.

use crate::xml::Element;
use percent_encoding::percent_decode_str;
use qm_core::{Architecture, HResult, Sha256, Version};
use sha2::Digest as _;

use std::io::{Cursor, Read as _};
use zip::ZipArchive;

/// A package or bundle file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Identity of the file; for a bundle its own, with the bundle's version.
    pub identity: Manifest,
    /// The application packages inside, for a bundle.
    pub members: Option<Vec<Manifest>>,
    /// The whole file.
    pub sha256: Sha256,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `Identity/@Name`.
    pub name: String,
    /// `Identity/@Publisher`, verbatim.
    pub publisher: String,
    /// `Identity/@Version`.
    pub version: Version,
    /// `Identity/@ProcessorArchitecture`.
    pub architecture: Architecture,
    /// `Identity/@ResourceId`; `~` for a bundle.
    pub resource_id: String,
    /// `Properties/Framework`.
    pub framework: bool,
    /// `TargetDeviceFamily` with its lowest version; empty means any.
    pub families: Vec<(String, Version)>,
    /// `PackageDependency`.
    pub dependencies: Vec<PackageDependency>,
}

/// A framework that a package needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageDependency {
    /// Identity name.
    pub name: String,
    /// Publisher, verbatim.
    pub publisher: String,
    /// The lowest version that will do.
    pub min_version: Version,
}

impl PackageFile {
    /// Reads a file; the error is what Windows reports.
    pub fn read(bytes: &[u8]) -> Result<Self, HResult> {
        let sha256 = Sha256(sha2::Sha256::digest(bytes).into());
        let mut archive = open(bytes)?;
        if archive.index_for_name(BUNDLE_MANIFEST).is_none() {
            let identity = Manifest::read(&part(&mut archive, MANIFEST)?)?;
            return Ok(Self {
                identity,
                members: None,
                sha256,
            });
        }
        let root = parse(&part(&mut archive, BUNDLE_MANIFEST)?)?;
        let mut identity = Manifest::identity(&root)?;
        "~".clone_into(&mut identity.resource_id);
        let mut members = Vec::new();
        for row in root
            .child("Packages")
            .into_iter()
            .flat_map(|packages| packages.all("Package"))
        {
            if row.attribute("Type") == Some("application") {
                let file = row.attribute("FileName").ok_or(INVALID_MANIFEST)?;
                let member = part(&mut archive, file)?;
                members.push(Manifest::read(&part(&mut open(&member)?, MANIFEST)?)?);
            }
        }
        Ok(Self {
            identity,
            members: Some(members),
            sha256,
        })
    }
}

impl Manifest {
    /// `Name_PublisherId`.
    pub fn family_name(&self) -> String {
        family_name(&self.name, &self.publisher)
    }

    /// `Name_Version_Architecture_ResourceId_PublisherId`.
    pub fn full_name(&self) -> String {
        let Self {
            name,
            version,
            architecture,
            resource_id,
            publisher,
            ..
        } = self;
        format!(
            "{name}_{version}_{architecture}_{resource_id}_{}",
            publisher_id(publisher)
        )
    }

    fn read(bytes: &[u8]) -> Result<Self, HResult> {
        let root = parse(bytes)?;
        let mut manifest = Self::identity(&root)?;
        let flag = root
            .at(&["Properties", "Framework"])
            .map_or("", |flag| flag.text.trim());
        manifest.framework = flag.eq_ignore_ascii_case("true");
        let dependencies = root
            .child("Dependencies")
            .map_or(&[] as &[_], |found| &found.children);
        for dependency in dependencies
            .iter()
            .filter(|dependency| dependency.namespace == root.namespace)
        {
            let version = |name| dependency.attribute(name).and_then(|text| text.parse().ok());
            let text = |name| {
                dependency
                    .attribute(name)
                    .map(str::to_owned)
                    .ok_or(INVALID_MANIFEST)
            };
            match dependency.name.as_str() {
                "TargetDeviceFamily" => {
                    manifest
                        .families
                        .push((text("Name")?, version("MinVersion").ok_or(INVALID_MANIFEST)?));
                }
                "PackageDependency" => manifest.dependencies.push(PackageDependency {
                    name: text("Name")?,
                    publisher: text("Publisher")?,
                    min_version: version("MinVersion").unwrap_or_default(),
                }),
                _ => {}
            }
        }
        Ok(manifest)
    }

    fn identity(root: &Element) -> Result<Self, HResult> {
        let identity = root.child("Identity").ok_or(INVALID_MANIFEST)?;
        let text = |name| {
            identity
                .attribute(name)
                .map(str::to_owned)
                .ok_or(INVALID_MANIFEST)
        };
        let architecture = identity.attribute("ProcessorArchitecture").unwrap_or("neutral");
        Ok(Self {
            name: text("Name")?,
            publisher: text("Publisher")?,
            version: text("Version")?.parse().map_err(|_| INVALID_MANIFEST)?,
            architecture: Architecture::parse_lenient(architecture).ok_or(INVALID_MANIFEST)?,
            resource_id: identity.attribute("ResourceId").unwrap_or_default().to_owned(),
            framework: false,
            families: Vec::new(),
            dependencies: Vec::new(),
        })
    }
}

/// The package family name of an identity.
pub fn family_name(name: &str, publisher: &str) -> String {
    format!("{name}_{}", publisher_id(publisher))
}

/// The 13 characters for a publisher: the first 64 bits of the SHA-256 of its UTF-16LE text and a zero bit, five
/// bits a character.
pub fn publisher_id(publisher: &str) -> String {
    let text: Vec<u8> = publisher.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let digest = sha2::Sha256::digest(&text);
    let bits = digest[..8]
        .iter()
        .fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte))
        << 1;
    let digit = |group: u32| {
        // 13 groups make 65 bits; the first is the most significant.
        let index = (bits >> (60 - 5 * group)) & 31;
        char::from(CROCKFORD[usize::try_from(index).unwrap_or_default()])
    };
    (0..13).map(digit).collect()
}

/// Which architectures a device runs, best first.
pub(crate) fn runs(device: Architecture, os: Version) -> &'static [Architecture] {
    use Architecture::{Arm, Arm64, Neutral, X64, X86};
    match device {
        X86 => &[X86, Neutral],
        X64 => &[X64, X86, Neutral],
        Arm => &[Arm, Neutral],
        Arm64 if os.build() < 22000 => &[Arm64, Arm, X86, Neutral],
        Arm64 | Neutral => &[Arm64, X64, Arm, X86, Neutral],
    }
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

fn open(bytes: &[u8]) -> Result<Archive<'_>, HResult> {
    ZipArchive::new(Cursor::new(bytes)).map_err(|_| OPEN_PACKAGE_FAILED)
}

fn part(archive: &mut Archive<'_>, name: &str) -> Result<Vec<u8>, HResult> {
    // Part names are percent-encoded in the archive (OPC), not in the manifest.
    let is_named = |stored: &str| percent_decode_str(stored).decode_utf8_lossy() == name;
    let index = (0..archive.len()).find(|index| {
        let stored = archive.name_for_index(*index);
        stored.is_some_and(|stored| stored.is_ok_and(|stored| is_named(&stored)))
    });
    let index = index.ok_or(MISSING_FILE)?;
    let file = archive.by_index(index).map_err(|_| MISSING_FILE)?;
    let mut bytes = Vec::new();
    file.take(MAX_PART)
        .read_to_end(&mut bytes)
        .map_err(|_| CORRUPT_CONTENT)?;
    Ok(bytes)
}

fn parse(manifest: &[u8]) -> Result<Element, HResult> {
    Element::parse(manifest).map_err(|_| INVALID_MANIFEST)
}

const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const MANIFEST: &str = "AppxManifest.xml";
const BUNDLE_MANIFEST: &str = "AppxMetadata/AppxBundleManifest.xml";
const MAX_PART: u64 = 1 << 30;
const OPEN_PACKAGE_FAILED: HResult = HResult(0x8007_3CF0);
const MISSING_FILE: HResult = HResult(0x8008_0203);
const INVALID_MANIFEST: HResult = HResult(0x8008_0204);
const CORRUPT_CONTENT: HResult = HResult(0x8008_0206);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{archive, bundle, needs, package};

    #[test]
    fn publisher_ids_agree_with_the_published_ones() {
        for (publisher, id) in [
            (
                "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US",
                "8wekyb3d8bbwe",
            ),
            (
                "CN=Microsoft Windows, O=Microsoft Corporation, L=Redmond, S=Washington, C=US",
                "cw5n1h2txyewy",
            ),
            (
                "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI",
                "z1enpheh36ccm",
            ),
            (
                "CN=harborline tools oy, O=Harborline Tools Oy, L=Tampere, C=FI",
                "01kgfz0t6vkyp",
            ),
        ] {
            assert_eq!(publisher_id(publisher), id);
        }
    }

    #[test]
    fn a_package_tells_its_names_and_needs() {
        let file = PackageFile::read(&package(
            "Quay.Log",
            "1.2.3.0",
            "x64",
            &needs("Quay.Runtime", "1.0.0.0"),
        ))
        .unwrap();
        assert_eq!(file.identity.full_name(), "Quay.Log_1.2.3.0_x64__z1enpheh36ccm");
        assert_eq!(file.identity.family_name(), "Quay.Log_z1enpheh36ccm");
        assert_eq!(file.identity.dependencies[0].name, "Quay.Runtime");
        assert_eq!(
            file.identity.families,
            [("Windows.Desktop".to_owned(), Version([10, 0, 17763, 0]))]
        );
        assert_eq!(file.members, None);
    }

    #[test]
    fn a_bundle_has_a_version_of_its_own() {
        let (x64, x86) = (
            package("Quay.Log", "1.0.0.0", "x64", ""),
            package("Quay.Log", "1.0.0.0", "x86", ""),
        );
        let bytes = bundle(
            "Quay.Log",
            "2026.301.0.0",
            &[("a.appx", "x64", &x64), ("b.appx", "x86", &x86)],
        );
        let file = PackageFile::read(&bytes).unwrap();
        assert_eq!(
            file.identity.full_name(),
            "Quay.Log_2026.301.0.0_neutral_~_z1enpheh36ccm"
        );
        let architectures: Vec<_> = file
            .members
            .unwrap()
            .iter()
            .map(|member| member.architecture)
            .collect();
        assert_eq!(architectures, [Architecture::X64, Architecture::X86]);
    }

    #[test]
    fn broken_files_are_told_apart() {
        assert_eq!(PackageFile::read(b"EXPH"), Err(OPEN_PACKAGE_FAILED));
        assert_eq!(PackageFile::read(&archive(&[("a.txt", b"")])), Err(MISSING_FILE));
        assert_eq!(
            PackageFile::read(&archive(&[(MANIFEST, b"<a/>")])),
            Err(INVALID_MANIFEST)
        );
    }

    #[test]
    fn arm64_runs_x64_only_on_windows_11() {
        let x64 = |build| runs(Architecture::Arm64, Version([10, 0, build, 0])).contains(&Architecture::X64);
        assert!(x64(22000) && !x64(19045));
    }

    #[test]
    fn finds_members_whose_names_are_percent_encoded_in_the_archive() {
        let member = package("Fern.Reader", "1.0.0.0", "x86", "");
        let manifest = "<Bundle><Identity Name='Fern.Reader' Publisher='CN=Fern' Version='2.0.0.0'/><Packages>\
             <Package Type='application' FileName='luk ija.appx'/></Packages></Bundle>";
        let bytes = archive(&[
            (BUNDLE_MANIFEST, manifest.as_bytes()),
            ("luk%20ija.appx", &member),
        ]);
        assert_eq!(PackageFile::read(&bytes).unwrap().members.unwrap().len(), 1);
    }
}
