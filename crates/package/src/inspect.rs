//! Reads a package or bundle: which of the two it is, then what its manifests say.

use crate::{
    Dependency, Limit, Limits, Member, MemberKind, PackageError, PackageFile, PackageKind,
    archive::{Archive, Budget, Extent, exceeded},
    bundle::{self, BundleEntry, BundleManifest},
    manifest::{self, Manifest},
    section::Section,
};
use qm_core::{Architecture, app::DeviceFamily};
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::Display,
    hash::Hash,
    io::{Read, Seek},
};

/// What a package or bundle is. Reads the ZIP directory and the manifests, of a bundle also its members'.
pub fn inspect<R: Read + Seek>(mut reader: R, limits: &Limits) -> Result<PackageFile, PackageError> {
    let mut budget = Budget::new(limits);
    let mut archive = Archive::open(&mut reader, &mut budget)?;
    let marks = Marks::read(&mut archive);
    match (archive.contains(MANIFEST), archive.contains(BUNDLE_MANIFEST)) {
        (true, false) => Ok(package(read_manifest(&mut archive, &mut budget)?, marks)),
        (false, true) => {
            let (bundle, members) = locate_members(&mut archive, limits)?;
            drop(archive);
            let members = read_members(&mut reader, &bundle, members, &mut budget)?;
            Ok(bundle_file(bundle, members, marks))
        }
        (true, true) => Err(PackageError::TwoManifests),
        (false, false) if archive.has_root_part_with(UPLOAD_CONTENTS) => Err(PackageError::StoreUpload),
        (false, false) => Err(PackageError::NoManifest),
    }
}

/// What tells of the package's integrity without reading it through.
#[derive(Clone, Copy)]
struct Marks {
    block_map: bool,
    signed: bool,
}

impl Marks {
    fn read<R: Read + Seek>(archive: &mut Archive<'_, R>) -> Self {
        Self {
            block_map: archive.contains(BLOCK_MAP),
            signed: archive.starts_with(SIGNATURE, SIGNATURE_MAGIC),
        }
    }
}

/// A member of a bundle, found in the file and not yet read.
struct Located {
    entry: BundleEntry,
    extent: Extent,
}

/// A member that was read.
struct Opened {
    member: Member,
    manifest: Manifest,
}

fn read_manifest<R: Read + Seek>(
    archive: &mut Archive<'_, R>,
    budget: &mut Budget,
) -> Result<Manifest, PackageError> {
    let bytes = archive
        .read(MANIFEST, &budget.limits)?
        .ok_or(PackageError::NoManifest)?;
    budget.spend_manifest(&bytes)?;
    manifest::parse(&bytes)
}

fn package(manifest: Manifest, marks: Marks) -> PackageFile {
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
        block_map: marks.block_map,
        signed: marks.signed,
        members: Vec::new(),
        identity: manifest.identity,
    }
}

fn locate_members<R: Read + Seek>(
    archive: &mut Archive<'_, R>,
    limits: &Limits,
) -> Result<(BundleManifest, Vec<Located>), PackageError> {
    let bytes = archive
        .read(BUNDLE_MANIFEST, limits)?
        .ok_or(PackageError::NoManifest)?;
    let mut bundle = bundle::parse(&bytes)?;
    if bundle.entries.len() as u64 > limits.members {
        return Err(exceeded(Limit::Members, limits.members));
    }
    let members = bundle
        .entries
        .drain(..)
        .map(|entry| locate_member(archive, entry))
        .collect::<Result<_, _>>()?;
    Ok((bundle, members))
}

fn locate_member<R: Read + Seek>(
    archive: &mut Archive<'_, R>,
    entry: BundleEntry,
) -> Result<Located, PackageError> {
    let Some(extent) = archive.extent(&entry.file_name)? else {
        return Err(PackageError::MemberElsewhere {
            file_name: entry.file_name,
        });
    };
    let agree = |field, claimed: Option<u64>, found: u64| match claimed {
        Some(claimed) if claimed != found => Err(mismatch(&entry, field, &claimed, &found)),
        _ => Ok(()),
    };
    agree("offset", entry.offset, extent.start)?;
    agree("size", entry.size, extent.size)?;
    Ok(Located { entry, extent })
}

fn read_members<R: Read + Seek>(
    reader: &mut R,
    bundle: &BundleManifest,
    members: Vec<Located>,
    budget: &mut Budget,
) -> Result<Vec<Opened>, PackageError> {
    members
        .into_iter()
        .map(|located| {
            let manifest =
                open_member(reader, &located.extent, budget).map_err(|source| PackageError::Member {
                    file_name: located.entry.file_name.clone(),
                    source: Box::new(source),
                })?;
            check_member(bundle, &located.entry, &manifest)?;
            Ok(opened(located, manifest))
        })
        .collect()
}

fn open_member<R: Read + Seek>(
    reader: &mut R,
    extent: &Extent,
    budget: &mut Budget,
) -> Result<Manifest, PackageError> {
    let mut section = Section::new(reader, extent.start, extent.size)?;
    let mut archive = Archive::open(&mut section, budget)?;
    read_manifest(&mut archive, budget)
}

/// A bundle's members share its name and publisher, hence its family, and are what it says they are.
fn check_member(
    bundle: &BundleManifest,
    entry: &BundleEntry,
    manifest: &Manifest,
) -> Result<(), PackageError> {
    let (outer, inner) = (&bundle.identity, &manifest.identity);
    if outer.name != inner.name {
        Err(mismatch(entry, "name", &outer.name, &inner.name))
    } else if outer.publisher != inner.publisher {
        Err(mismatch(entry, "publisher", &outer.publisher, &inner.publisher))
    } else if entry.version != inner.version {
        Err(mismatch(entry, "version", &entry.version, &inner.version))
    } else if entry.architecture != inner.architecture {
        Err(mismatch(
            entry,
            "architecture",
            &entry.architecture,
            &inner.architecture,
        ))
    } else {
        Ok(())
    }
}

fn mismatch(
    entry: &BundleEntry,
    field: &'static str,
    bundle: &dyn Display,
    member: &dyn Display,
) -> PackageError {
    PackageError::MemberMismatch {
        file_name: entry.file_name.clone(),
        field,
        bundle: bundle.to_string(),
        member: member.to_string(),
    }
}

fn opened(Located { entry, extent }: Located, manifest: Manifest) -> Opened {
    let member = Member {
        kind: entry.kind,
        full_name: manifest.identity.full_name().to_string(),
        file_name: entry.file_name,
        version: entry.version,
        architecture: entry.architecture,
        stub: entry.stub,
        offset: extent.start,
        size: extent.size,
        families: manifest.families.clone(),
        dependencies: manifest.dependencies.clone(),
    };
    Opened { member, manifest }
}

/// A bundle is what its applications are; stubs and resources add nothing to that.
fn bundle_file(bundle: BundleManifest, members: Vec<Opened>, marks: Marks) -> PackageFile {
    let apps = || members.iter().filter(|opened| is_app(&opened.member));
    let first = |text: fn(&Manifest) -> Option<&String>| apps().find_map(|app| text(&app.manifest)).cloned();
    let mut architectures: Vec<Architecture> = apps().map(|app| app.member.architecture).collect();
    architectures.sort_unstable();
    architectures.dedup();
    PackageFile {
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
        block_map: marks.block_map,
        signed: marks.signed,
        identity: bundle.identity,
        members: members.into_iter().map(|opened| opened.member).collect(),
    }
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

const MANIFEST: &str = "AppxManifest.xml";
const BUNDLE_MANIFEST: &str = "AppxMetadata/AppxBundleManifest.xml";
const BLOCK_MAP: &str = "AppxBlockMap.xml";
const SIGNATURE: &str = "AppxSignature.p7x";
/// What stands before the PKCS #7 in a package's signature.
const SIGNATURE_MAGIC: &[u8] = b"PKCX";
/// What a submission to the Store holds at its root.
const UPLOAD_CONTENTS: &[&str] = &["appx", "msix", "appxbundle", "msixbundle", "appxsym"];
