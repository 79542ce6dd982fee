//! `AppxBundleManifest.xml`: the bundle's identity and the list of its packages.

mod members;

pub(crate) use members::{Opened, locate_members, read_members};

use crate::{
    Identity, ManifestFault, MemberKind, PackageError, Part,
    manifest::{architecture, bad_value, identity, root, version},
    xml::{Element, is_true},
};
use qm_core::{Architecture, Version};

/// What is read from a bundle's manifest.
#[derive(Debug)]
pub(crate) struct BundleManifest {
    pub(crate) identity: Identity,
    pub(crate) entries: Vec<BundleEntry>,
}

/// A `Package` element of a bundle.
#[derive(Debug)]
pub(crate) struct BundleEntry {
    pub(crate) kind: MemberKind,
    pub(crate) file_name: String,
    pub(crate) version: Version,
    pub(crate) architecture: Architecture,
    /// Empty for applications.
    pub(crate) resource_id: String,
    pub(crate) stub: bool,
    /// Absent from flat bundles.
    pub(crate) offset: Option<u64>,
    pub(crate) size: Option<u64>,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<BundleManifest, PackageError> {
    read(bytes).map_err(|fault| PackageError::BadManifest {
        part: Part::BundleManifest,
        fault,
    })
}

fn read(bytes: &[u8]) -> Result<BundleManifest, ManifestFault> {
    let root = root(bytes, "Bundle")?;
    let packages = root.child("Packages").ok_or(ManifestFault::Missing("Packages"))?;
    let mut identity = identity(&root)?;
    // Bundles carry no resource id in the manifest; their full names have this one.
    "~".clone_into(&mut identity.resource_id);
    let entries = packages
        .children("Package")
        .map(entry)
        .collect::<Result<Vec<_>, _>>()?;
    if !entries.iter().any(|entry| entry.kind == MemberKind::Application) {
        return Err(ManifestFault::Missing("Package of the type application"));
    }
    Ok(BundleManifest { identity, entries })
}

fn entry(element: &Element) -> Result<BundleEntry, ManifestFault> {
    let required = |name| element.attribute(name).ok_or(ManifestFault::Missing(name));
    Ok(BundleEntry {
        kind: kind(element.attribute("Type"))?,
        file_name: required("FileName")?.replace('\\', "/"),
        version: version("package version", required("Version")?)?,
        architecture: architecture(element.attribute("Architecture").unwrap_or("neutral"))?,
        resource_id: element.attribute("ResourceId").unwrap_or_default().to_owned(),
        stub: element.attribute("IsStub").is_some_and(is_true),
        offset: number(element, "Offset")?,
        size: number(element, "Size")?,
    })
}

fn kind(text: Option<&str>) -> Result<MemberKind, ManifestFault> {
    match text {
        None => Ok(MemberKind::Resource),
        Some(text) => text.parse().map_err(|_| bad_value("package type", text)),
    }
}

fn number(element: &Element, name: &'static str) -> Result<Option<u64>, ManifestFault> {
    element
        .attribute(name)
        .map(|text| text.parse().map_err(|_| bad_value(name, text)))
        .transpose()
}
