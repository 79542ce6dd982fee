//! The packages inside a bundle: found where its manifest says, and compared with what it says of them.

use super::{BundleEntry, BundleManifest, parse};
use crate::{
    Limit, Member, MemberKind, PackageError,
    archive::{Archive, Budget, Extent, exceeded},
    inspect::{PlannedMember, read_manifest},
    manifest::Manifest,
    parts::BUNDLE_MANIFEST,
    section::Section,
};
use std::{
    collections::HashSet,
    fmt::Display,
    io::{Read, Seek},
};

/// A member of a bundle, found in the file and not yet read.
pub(crate) struct Located {
    entry: BundleEntry,
    extent: Extent,
    position: usize,
}

/// A member that was read.
pub(crate) struct Opened {
    pub(crate) member: Member,
    pub(crate) manifest: Manifest,
    pub(crate) planned: PlannedMember,
}

/// The packages that the bundle's manifest lists, each once and where it says.
pub(crate) fn locate_members<R: Read + Seek>(
    reader: &mut R,
    archive: &Archive,
    budget: &mut Budget,
) -> Result<(BundleManifest, Vec<Located>), PackageError> {
    let bytes = archive.read_manifest(reader, BUNDLE_MANIFEST, budget)?;
    let mut bundle = parse(&bytes.ok_or(PackageError::NoManifest)?)?;
    if bundle.entries.len() as u64 > budget.limits.members {
        return Err(exceeded(Limit::Members, budget.limits.members));
    }
    let mut seen = HashSet::new();
    let mut members = Vec::with_capacity(bundle.entries.len());
    for entry in bundle.entries.drain(..) {
        let located = locate_member(reader, archive, entry)?;
        if !seen.insert(located.position) {
            return Err(PackageError::MemberRepeated {
                file_name: located.entry.file_name,
            });
        }
        members.push(located);
    }
    Ok((bundle, members))
}

fn locate_member<R: Read + Seek>(
    reader: &mut R,
    archive: &Archive,
    entry: BundleEntry,
) -> Result<Located, PackageError> {
    let found = archive.position(&entry.file_name);
    let (Some(position), Some(extent)) = (found, archive.extent(reader, &entry.file_name)?) else {
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
    Ok(Located {
        entry,
        extent,
        position,
    })
}

/// Reads each package's own directory and manifest, and compares it with the bundle's.
pub(crate) fn read_members<R: Read + Seek>(
    reader: &mut R,
    bundle: &BundleManifest,
    members: Vec<Located>,
    budget: &mut Budget,
) -> Result<Vec<Opened>, PackageError> {
    let mut seen = HashSet::new();
    members
        .into_iter()
        .map(|located| {
            let (archive, manifest) =
                open_member(reader, &located.extent, budget).map_err(|source| PackageError::Member {
                    file_name: located.entry.file_name.clone(),
                    source: Box::new(source),
                })?;
            check_member(bundle, &located.entry, &manifest)?;
            let opened = opened(located, archive, manifest);
            let full_name = &opened.member.full_name;
            if seen.insert(full_name.to_ascii_lowercase()) {
                Ok(opened)
            } else {
                let file_name = full_name.clone();
                Err(PackageError::MemberRepeated { file_name })
            }
        })
        .collect()
}

fn open_member<R: Read + Seek>(
    reader: &mut R,
    extent: &Extent,
    budget: &mut Budget,
) -> Result<(Archive, Manifest), PackageError> {
    let mut section = Section::new(reader, extent.start, extent.size)?;
    let archive = Archive::open(&mut section, budget)?;
    let manifest = read_manifest(&mut section, &archive, budget)?;
    Ok((archive, manifest))
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
    } else if entry.resource_id != inner.resource_id {
        Err(mismatch(
            entry,
            "resource id",
            &entry.resource_id,
            &inner.resource_id,
        ))
    } else if manifest.resource && entry.kind == MemberKind::Application {
        Err(mismatch(entry, "type", &entry.kind, &MemberKind::Resource))
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

fn opened(located: Located, archive: Archive, manifest: Manifest) -> Opened {
    let Located {
        entry,
        extent,
        position,
    } = located;
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
    Opened {
        member,
        manifest,
        planned: PlannedMember { position, archive },
    }
}
