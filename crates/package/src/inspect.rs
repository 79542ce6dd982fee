//! Reads a package or bundle: which of the two it is, then what its manifests say.

use crate::{
    Dependency, Limits, Member, MemberKind, PackageError, PackageFile, PackageKind,
    archive::{Archive, Budget},
    bundle::{BundleManifest, Opened, locate_members, read_members},
    manifest::{self, Manifest},
    parts::{BUNDLE_MANIFEST, MANIFEST},
};
use qm_core::{Architecture, app::DeviceFamily};
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    io::{Read, Seek},
};

/// What a package or bundle says that it is. Reads the ZIP directory and the manifests, of a bundle also its members',
/// so it costs the same for large files as for small ones; [`crate::verify`] tells whether it is true.
pub fn inspect<R: Read + Seek>(mut reader: R, limits: &Limits) -> Result<PackageFile, PackageError> {
    Ok(plan(&mut reader, limits)?.file)
}

/// A package with the archives in it, for whoever reads on.
pub(crate) struct Plan {
    pub(crate) file: PackageFile,
    pub(crate) archive: Archive,
    /// In the order of the file's members.
    pub(crate) members: Vec<PlannedMember>,
}

/// The archive of a package inside a bundle.
pub(crate) struct PlannedMember {
    /// Its place among the bundle's entries.
    pub(crate) position: usize,
    pub(crate) archive: Archive,
}

pub(crate) fn plan<R: Read + Seek>(reader: &mut R, limits: &Limits) -> Result<Plan, PackageError> {
    let mut budget = Budget::new(limits);
    let archive = Archive::open(reader, &mut budget)?;
    match (archive.contains(MANIFEST), archive.contains(BUNDLE_MANIFEST)) {
        (true, false) => Ok(Plan {
            file: package(read_manifest(reader, &archive, &mut budget)?),
            archive,
            members: Vec::new(),
        }),
        (false, true) => {
            let (bundle, located) = locate_members(reader, &archive, &mut budget)?;
            let opened = read_members(reader, &bundle, located, &mut budget)?;
            let (file, members) = bundle_file(bundle, opened);
            Ok(Plan {
                file,
                archive,
                members,
            })
        }
        (true, true) => Err(PackageError::TwoManifests),
        (false, false) if archive.has_root_part_with(UPLOAD_CONTENTS) => Err(PackageError::StoreUpload),
        (false, false) => Err(PackageError::NoManifest),
    }
}

/// A package's manifest.
pub(crate) fn read_manifest<R: Read + Seek>(
    reader: &mut R,
    archive: &Archive,
    budget: &mut Budget,
) -> Result<Manifest, PackageError> {
    let bytes = archive.read_manifest(reader, MANIFEST, budget)?;
    manifest::parse(&bytes.ok_or(PackageError::NoManifest)?)
}

fn package(manifest: Manifest) -> PackageFile {
    PackageFile {
        kind: PackageKind::Package,
        family_name: manifest.identity.family_name(),
        full_name: manifest.identity.full_name().to_string(),
        display_name: manifest.display_name,
        publisher_display_name: manifest.publisher_display_name,
        framework: manifest.framework,
        resource: manifest.resource,
        optional_for: manifest.optional_for,
        families: manifest.families,
        dependencies: manifest.dependencies,
        architectures: vec![manifest.identity.architecture],
        members: Vec::new(),
        identity: manifest.identity,
    }
}

/// A bundle is what its applications are; stubs and resources add nothing to that.
fn bundle_file(bundle: BundleManifest, members: Vec<Opened>) -> (PackageFile, Vec<PlannedMember>) {
    let apps = || members.iter().filter(|opened| is_app(&opened.member));
    let first = |text: fn(&Manifest) -> Option<&String>| apps().find_map(|app| text(&app.manifest)).cloned();
    let mut architectures: Vec<Architecture> = apps().map(|app| app.member.architecture).collect();
    architectures.sort_unstable();
    architectures.dedup();
    let file = PackageFile {
        kind: PackageKind::Bundle,
        family_name: bundle.identity.family_name(),
        full_name: bundle.identity.full_name().to_string(),
        display_name: first(|manifest| manifest.display_name.as_ref()),
        publisher_display_name: first(|manifest| manifest.publisher_display_name.as_ref()),
        framework: apps().any(|app| app.manifest.framework),
        resource: false,
        optional_for: first(|manifest| manifest.optional_for.as_ref()),
        families: any_family(apps().map(|app| app.manifest.families.as_slice())),
        dependencies: all_dependencies(apps().map(|app| app.manifest.dependencies.as_slice())),
        architectures,
        identity: bundle.identity,
        members: members.iter().map(|opened| opened.member.clone()).collect(),
    };
    (file, members.into_iter().map(|opened| opened.planned).collect())
}

fn is_app(member: &Member) -> bool {
    member.kind == MemberKind::Application && !member.stub
}

/// Every family that one of the lists has, from the lowest version up; any, if one of the lists says so.
fn any_family<'a>(lists: impl Iterator<Item = &'a [DeviceFamily]>) -> Vec<DeviceFamily> {
    let lists: Vec<_> = lists.collect();
    if lists.iter().any(|list| list.is_empty()) {
        return Vec::new();
    }
    merged(
        lists.into_iter().flatten(),
        |family| &family.name,
        |known, other| known.min_version = known.min_version.min(other.min_version),
    )
}

/// Every framework that one of the lists has, in the highest version asked for.
fn all_dependencies<'a>(lists: impl Iterator<Item = &'a [Dependency]>) -> Vec<Dependency> {
    merged(
        lists.flatten(),
        |needed| (&needed.name, &needed.publisher),
        |known, other| known.min_version = known.min_version.max(other.min_version),
    )
}

/// One of each key, in the order of their first appearance. Manifests may hold very many: each is looked up once.
fn merged<'a, T: Clone + 'a, K: Eq + Hash>(
    all: impl Iterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
    join: impl Fn(&mut T, &T),
) -> Vec<T> {
    let mut places = HashMap::new();
    let mut merged: Vec<T> = Vec::new();
    for one in all {
        match places.entry(key(one)) {
            Entry::Occupied(place) => join(&mut merged[*place.get()], one),
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(one.clone());
            }
        }
    }
    merged
}

/// What a submission to the Store holds at its root.
const UPLOAD_CONTENTS: &[&str] = &["appx", "msix", "appxbundle", "msixbundle", "appxsym"];
