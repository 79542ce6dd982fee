//! The identity of a package that somebody made.

use super::{
    AppxError, family_name,
    manifest::{BUNDLE_MANIFEST, MANIFEST},
    publisher_hash,
};
use percent_encoding::percent_decode_str;
use qm_core::{Architecture, Version};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// What a package says of itself, as far as the Store's answers need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageIdentity {
    /// Identity name.
    pub name: String,
    /// The publisher's distinguished name.
    pub publisher: String,
    /// Package or bundle version.
    pub version: Version,
    /// Empty for main packages, `~` for bundles.
    pub resource_id: String,
    /// A bundle, not a single package.
    pub bundle: bool,
    /// The package's architecture; for a bundle those of its applications.
    pub architectures: Vec<Architecture>,
    /// Device families with the lowest version; of a bundle's first application.
    pub families: Vec<(String, Version)>,
}

impl PackageIdentity {
    /// Reads a package or a bundle.
    pub fn read(file: &[u8]) -> Result<Self, AppxError> {
        let mut archive = ZipArchive::new(Cursor::new(file))?;
        if let Some(manifest) = part(&mut archive, BUNDLE_MANIFEST)? {
            let mut bundle = Found::scan(&manifest)?.bundle()?;
            bundle.identity.families = families_inside(&mut archive, &bundle.first_application)?;
            return Ok(bundle.identity);
        }
        let manifest = part(&mut archive, MANIFEST)?.ok_or(AppxError::NoManifest)?;
        Found::scan(&manifest)?.package()
    }

    /// The package family name.
    pub fn family_name(&self) -> String {
        family_name(&self.name, &self.publisher)
    }

    /// The package full name.
    pub fn full_name(&self) -> String {
        let architecture = match self.architectures.as_slice() {
            [architecture] if !self.bundle => architecture.as_str(),
            _ => "neutral",
        };
        let hash = publisher_hash(&self.publisher);
        format!(
            "{}_{}_{architecture}_{}_{hash}",
            self.name, self.version, self.resource_id
        )
    }
}

struct Bundle {
    identity: PackageIdentity,
    first_application: String,
}

/// The elements of a manifest that matter, wherever they stand.
#[derive(Default)]
struct Found {
    identity: Option<Vec<(String, String)>>,
    families: Vec<Vec<(String, String)>>,
    packages: Vec<Vec<(String, String)>>,
}

impl Found {
    fn scan(manifest: &str) -> Result<Self, AppxError> {
        let mut reader = Reader::from_str(manifest);
        let mut found = Self::default();
        loop {
            match reader.read_event()? {
                Event::Start(tag) | Event::Empty(tag) => found.element(&tag)?,
                Event::Eof => return Ok(found),
                _ => {}
            }
        }
    }

    fn element(&mut self, tag: &BytesStart<'_>) -> Result<(), AppxError> {
        match tag.local_name().into_inner() {
            "Identity" if self.identity.is_none() => self.identity = Some(attributes(tag)?),
            "TargetDeviceFamily" => self.families.push(attributes(tag)?),
            // The root of a package's manifest has the same name and no such attribute.
            "Package" => self.packages.push(attributes(tag)?),
            _ => {}
        }
        Ok(())
    }

    fn package(self) -> Result<PackageIdentity, AppxError> {
        let identity = self.identity.ok_or(AppxError::Missing("Identity"))?;
        let architecture = architecture(value(&identity, "ProcessorArchitecture"))?;
        let families = self.families.iter().map(|family| device_family(family));
        Ok(PackageIdentity {
            bundle: false,
            architectures: vec![architecture],
            families: families.collect::<Result<_, _>>()?,
            resource_id: value(&identity, "ResourceId").unwrap_or_default().to_owned(),
            ..named(&identity)?
        })
    }

    fn bundle(self) -> Result<Bundle, AppxError> {
        let identity = self.identity.ok_or(AppxError::Missing("Identity"))?;
        let is_application = |package: &&Vec<_>| value(package, "Type") == Some("application");
        let applications: Vec<_> = self.packages.iter().filter(is_application).collect();
        let first = applications.first().ok_or(AppxError::Missing("Package"))?;
        let mut architectures = applications
            .iter()
            .map(|package| architecture(value(package, "Architecture")))
            .collect::<Result<Vec<_>, _>>()?;
        architectures.dedup();
        Ok(Bundle {
            first_application: required(first, "FileName")?.replace('\\', "/"),
            identity: PackageIdentity {
                bundle: true,
                architectures,
                resource_id: "~".to_owned(),
                ..named(&identity)?
            },
        })
    }
}

fn named(identity: &[(String, String)]) -> Result<PackageIdentity, AppxError> {
    Ok(PackageIdentity {
        name: required(identity, "Name")?.to_owned(),
        publisher: required(identity, "Publisher")?.to_owned(),
        version: version(identity, "Version")?,
        resource_id: String::new(),
        bundle: false,
        architectures: Vec::new(),
        families: Vec::new(),
    })
}

fn device_family(family: &[(String, String)]) -> Result<(String, Version), AppxError> {
    Ok((
        required(family, "Name")?.to_owned(),
        version(family, "MinVersion")?,
    ))
}

/// The device families of a package inside a bundle; none where the bundle does not hold it.
fn families_inside(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
) -> Result<Vec<(String, Version)>, AppxError> {
    match bytes(archive, name)? {
        Some(inner) => Ok(PackageIdentity::read(&inner)?.families),
        None => Ok(Vec::new()),
    }
}

/// A part as text, without its byte order mark.
fn part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<String>, AppxError> {
    let Some(bytes) = bytes(archive, name)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| AppxError::Missing("UTF-8 text"))?;
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}

fn bytes(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Option<Vec<u8>>, AppxError> {
    // Names that OPC does not allow stand percent-encoded in the archive.
    let same = |entry: &str| percent_decode_str(entry).decode_utf8_lossy() == name;
    let entry = archive.file_names().flatten().find(|entry| same(entry));
    let Some(index) = entry.and_then(|entry| archive.index_for_name(&entry)) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    archive.by_index(index)?.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn attributes(tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, AppxError> {
    tag.attributes()
        .map(|attribute| {
            let attribute = attribute?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
            Ok((attribute.key.into_inner().to_owned(), value.into_owned()))
        })
        .collect()
}

fn value<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn required<'a>(attributes: &'a [(String, String)], name: &'static str) -> Result<&'a str, AppxError> {
    value(attributes, name).ok_or(AppxError::Missing(name))
}

fn version(attributes: &[(String, String)], name: &'static str) -> Result<Version, AppxError> {
    required(attributes, name)?
        .parse()
        .map_err(|_| AppxError::Missing(name))
}

fn architecture(text: Option<&str>) -> Result<Architecture, AppxError> {
    Architecture::parse_lenient(text.unwrap_or("neutral")).ok_or(AppxError::Missing("Architecture"))
}
