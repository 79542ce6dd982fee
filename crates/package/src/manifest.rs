//! `AppxManifest.xml`: elements by local name in the root's namespace, which changed with each Windows.

use crate::{
    Dependency, Identity, ManifestFault, PackageError, Part, identity,
    xml::{self, Element},
};
use qm_core::{Architecture, Version, app::DeviceFamily};

/// What is read from a package's manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) identity: Identity,
    pub(crate) display_name: Option<String>,
    pub(crate) publisher_display_name: Option<String>,
    pub(crate) framework: bool,
    pub(crate) resource: bool,
    pub(crate) optional_for: Option<String>,
    pub(crate) families: Vec<DeviceFamily>,
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Manifest, PackageError> {
    read(bytes).map_err(|fault| PackageError::BadManifest {
        part: Part::Manifest,
        fault,
    })
}

fn read(bytes: &[u8]) -> Result<Manifest, ManifestFault> {
    let root = root(bytes, "Package")?;
    let properties = root
        .child("Properties")
        .ok_or(ManifestFault::Missing("Properties"))?;
    let none = Element::default();
    let needs = root.child("Dependencies").unwrap_or(&none);
    Ok(Manifest {
        identity: identity(&root)?,
        display_name: literal(properties, "DisplayName"),
        publisher_display_name: literal(properties, "PublisherDisplayName"),
        framework: properties.child_flag("Framework"),
        resource: properties.child_flag("ResourcePackage"),
        optional_for: needs
            .children_of_any_namespace("MainPackageDependency")
            .find_map(|main| main.attribute("Name"))
            .map(str::to_owned),
        families: needs
            .children("TargetDeviceFamily")
            .map(family)
            .collect::<Result<_, _>>()?,
        dependencies: needs
            .children("PackageDependency")
            .map(dependency)
            .collect::<Result<_, _>>()?,
    })
}

/// A document with the given root, in whatever namespace.
pub(crate) fn root(bytes: &[u8], expected: &'static str) -> Result<Element, ManifestFault> {
    let root = xml::parse(bytes)?;
    if root.name == expected {
        Ok(root)
    } else {
        let found = root.name;
        Err(ManifestFault::Root { expected, found })
    }
}

/// The `Identity` element; the architecture is absent from neutral packages and from bundles.
pub(crate) fn identity(root: &Element) -> Result<Identity, ManifestFault> {
    let element = root.child("Identity").ok_or(ManifestFault::Missing("Identity"))?;
    let required = |name| element.attribute(name).ok_or(ManifestFault::Missing(name));
    let architecture_name = element.attribute("ProcessorArchitecture").unwrap_or("neutral");
    let identity = Identity {
        name: required("Name")?.to_owned(),
        publisher: required("Publisher")?.to_owned(),
        version: version("version", required("Version")?)?,
        architecture: architecture(architecture_name)?,
        architecture_name: architecture_name.trim().to_owned(),
        resource_id: element.attribute("ResourceId").unwrap_or_default().to_owned(),
    };
    identity::check(&identity)?;
    Ok(identity)
}

pub(crate) fn version(field: &'static str, text: &str) -> Result<Version, ManifestFault> {
    text.parse().map_err(|_| bad_value(field, text))
}

pub(crate) fn architecture(text: &str) -> Result<Architecture, ManifestFault> {
    Architecture::parse_lenient(text)
        .filter(|_| !text.trim().is_empty())
        .ok_or_else(|| bad_value("architecture", text))
}

/// An error that repeats the value, cut where it is long.
pub(crate) fn bad_value(field: &'static str, value: &str) -> ManifestFault {
    let value = value.chars().take(120).collect();
    ManifestFault::Value { field, value }
}

/// A device family with the lowest Windows version it accepts.
pub(crate) fn family(element: &Element) -> Result<DeviceFamily, ManifestFault> {
    let name = element
        .attribute("Name")
        .ok_or(ManifestFault::Missing("TargetDeviceFamily Name"))?;
    Ok(DeviceFamily {
        name: name.to_owned(),
        min_version: optional_version(element)?,
    })
}

fn dependency(element: &Element) -> Result<Dependency, ManifestFault> {
    let name = element
        .attribute("Name")
        .ok_or(ManifestFault::Missing("PackageDependency Name"))?;
    Ok(Dependency {
        name: name.to_owned(),
        publisher: element.attribute("Publisher").map(str::to_owned),
        min_version: optional_version(element)?,
    })
}

fn optional_version(element: &Element) -> Result<Version, ManifestFault> {
    element
        .attribute("MinVersion")
        .map_or(Ok(Version::default()), |text| version("MinVersion", text))
}

/// A name for people. References into the resource index are left to whoever has the Store's metadata.
fn literal(properties: &Element, name: &str) -> Option<String> {
    let text = properties.child_text(name)?;
    let scheme = text.get(..RESOURCE_SCHEME.len()).unwrap_or_default();
    (!scheme.eq_ignore_ascii_case(RESOURCE_SCHEME)).then(|| text.to_owned())
}

const RESOURCE_SCHEME: &str = "ms-resource:";

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(body: &str) -> Result<Manifest, ManifestFault> {
        read(format!("<Package xmlns='http://schemas.microsoft.com/appx/manifest/foundation/windows10' xmlns:uap3='urn:uap3'>{body}</Package>").as_bytes())
    }

    const IDENTITY: &str = "<Identity Name='Fern.Reader' Publisher='CN=Fern &amp; Sons' Version='1.2.3.0'/>";

    #[test]
    fn reads_every_part() {
        let read = manifest(&format!(
            "{IDENTITY}<Properties><DisplayName>Fern Reader</DisplayName>
             <PublisherDisplayName>MS-Resource:who</PublisherDisplayName><Framework>true</Framework></Properties>
             <uap3:Identity Name='Other.One' Publisher='CN=x' Version='9.9.9.9'/>
             <Dependencies>
               <TargetDeviceFamily Name='Windows.Desktop' MinVersion='10.0.17763.0' MaxVersionTested='10.0.22621.0'/>
               <TargetDeviceFamily Name='Windows.Team'/>
               <PackageDependency Name='Fern.Runtime' MinVersion='2.0.0.0' Publisher='CN=Fern'/>
               <PackageDependency Name='Old.Runtime'/>
               <uap3:MainPackageDependency Name='Fern.Main'/>
             </Dependencies>"
        ))
        .unwrap();
        assert_eq!(read.identity.name, "Fern.Reader");
        assert_eq!(read.identity.publisher, "CN=Fern & Sons");
        assert_eq!(read.identity.architecture, Architecture::Neutral);
        assert_eq!(read.display_name.as_deref(), Some("Fern Reader"));
        assert_eq!(read.publisher_display_name, None);
        assert!(read.framework && !read.resource);
        assert_eq!(read.optional_for.as_deref(), Some("Fern.Main"));
        let families: Vec<_> = read
            .families
            .iter()
            .map(|f| (f.name.as_str(), f.min_version.build()))
            .collect();
        assert_eq!(families, [("Windows.Desktop", 17763), ("Windows.Team", 0)]);
        assert_eq!(read.dependencies[0].publisher.as_deref(), Some("CN=Fern"));
        assert_eq!(read.dependencies[0].min_version, Version([2, 0, 0, 0]));
        assert_eq!(read.dependencies[1].family_name(), None);
    }

    #[test]
    fn says_what_is_missing_or_wrong() {
        let with = |identity: &str| {
            manifest(&format!("{identity}<Properties/>"))
                .unwrap_err()
                .to_string()
        };
        for (identity, problem) in [
            ("", "has no `Identity`"),
            ("<Identity Publisher='CN=a' Version='1.0.0.0'/>", "has no `Name`"),
            (
                "<Identity Name='Fern.Reader' Publisher='CN=a' Version='1.x'/>",
                "the version `1.x`",
            ),
            (
                "<Identity Name='a b c' Publisher='CN=a' Version='1.0.0.0'/>",
                "the package name `a b c`",
            ),
            (
                "<Identity Name='Fern.Reader' Publisher='' Version='1.0.0.0'/>",
                "the publisher ``",
            ),
            (
                "<Identity Name='Fern.Reader' Publisher='CN=a' Version='1.0.0.0' ProcessorArchitecture='vax'/>",
                "the architecture `vax`",
            ),
            (
                "<Identity Name='Fern.Reader' Publisher='CN=a' Version='1.0.0.0' ResourceId='a_b'/>",
                "the resource id `a_b`",
            ),
        ] {
            let text = with(identity);
            assert!(text.contains(problem), "{text}");
        }
        assert_eq!(
            manifest(IDENTITY).unwrap_err(),
            ManifestFault::Missing("Properties")
        );
        assert!(matches!(read(b"<Bundle/>"), Err(ManifestFault::Root { .. })));
    }

    #[test]
    fn keeps_the_spelling_of_a_hybrid_architecture() {
        let read = manifest("<Identity Name='Fern.Reader' Publisher='CN=a' Version='1.0.0.0' ProcessorArchitecture='x86a64'/><Properties/>").unwrap();
        assert_eq!(read.identity.architecture, Architecture::Arm64);
        assert!(
            read.identity
                .full_name()
                .to_string()
                .starts_with("Fern.Reader_1.0.0.0_x86a64__")
        );
    }
}
