//! Whether a package is what its block map and its signature say, to the last byte.

use crate::{
    Limit, Limits, PackageError, PackageFile, PackageKind, SignatureFault,
    archive::Archive,
    block_map::{self, BlockMap},
    directory,
    inspect::{Plan, plan},
    parts::{BLOCK_MAP, CODE_INTEGRITY, CONTENT_TYPES, SIGNATURE, footprint},
    section::Section,
    signature::{Covered, Signature},
    walk::{Sealed, SealedMember, walk},
};
use qm_core::Timestamp;
use ring::digest::{Algorithm, Context, Digest};
use std::io::{BufReader, Read, Seek, SeekFrom};

/// Reads a package or bundle through and refuses whatever devices would refuse for its content: archives that can be
/// read in two ways, block maps and signatures that do not fit, and bundles that disagree with their packages. A
/// signature that is missing altogether is told, not refused: packages are signed last. It takes as long as hashing the file twice, and memory by its number of files, not by their size.
///
/// Left to the device: whether it trusts the signer, and whether the certificate was valid and not revoked.
pub fn verify<R: Read + Seek>(mut reader: R, limits: &Limits) -> Result<Verified, PackageError> {
    let plan = plan(&mut reader, limits)?;
    let sealed = Sealer(limits).whole(&mut reader, &plan)?;
    reader.seek(SeekFrom::Start(0))?;
    walk(&mut BufReader::with_capacity(BUFFER, &mut reader), &sealed)?;
    Ok(Verified {
        signed: sealed.signature.is_some(),
        lapses: sealed.signature.and_then(|signature| signature.lapses),
        file: plan.file,
    })
}

/// A package that is whole and, where it is signed, its publisher's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it is.
    pub file: PackageFile,
    /// Whether it carries a signature, which then fits. Devices refuse packages without one.
    pub signed: bool,
    /// When its certificate expires and devices stop to install it; `None` where it carries a timestamp.
    pub lapses: Option<Timestamp>,
}

/// Finds what archives have to agree with.
struct Sealer<'l>(&'l Limits);

impl Sealer<'_> {
    /// A package, or a bundle with its packages.
    fn whole<'p, R: Read + Seek>(&self, reader: &mut R, plan: &'p Plan) -> Result<Sealed<'p>, PackageError> {
        let publisher = &plan.file.identity.publisher;
        let bundle = plan.file.kind == PackageKind::Bundle;
        let inner: Vec<_> = plan.members.iter().map(|member| member.position).collect();
        let mut sealed = self.archive(reader, &plan.archive, publisher, bundle, &inner)?;
        for (member, told) in plan.members.iter().zip(&plan.file.members) {
            let mut section = Section::new(reader, told.offset, told.size)?;
            let inner = self
                .archive(&mut section, &member.archive, publisher, false, &[])
                .map_err(|source| PackageError::Member {
                    file_name: told.file_name.clone(),
                    source: Box::new(source),
                })?;
            sealed.members.push(SealedMember {
                position: member.position,
                file_name: &told.file_name,
                sealed: inner,
            });
        }
        Ok(sealed)
    }

    /// One archive: its block map has to list its files but for the packages of a bundle, its signature, if any, has to
    /// be the publisher's.
    fn archive<'p, R: Read + Seek>(
        &self,
        reader: &mut R,
        archive: &'p Archive,
        publisher: &str,
        bundle: bool,
        members: &[usize],
    ) -> Result<Sealed<'p>, PackageError> {
        let most = block_map::most_bytes(archive).min(self.0.block_map);
        let map = archive
            .read(reader, BLOCK_MAP, Limit::BlockMap, most)?
            .ok_or(PackageError::NoBlockMap)?;
        let map = BlockMap::parse(&map)?;
        if !archive.contains(CONTENT_TYPES) {
            return Err(PackageError::NoContentTypes);
        }
        let is_member = |offset| members.iter().any(|at| archive.entries[*at].offset == offset);
        map.check(archive, |entry| {
            footprint(&entry.key).is_none() && !is_member(entry.offset)
        })?;
        let signature = archive.read(reader, SIGNATURE, Limit::Signature, self.0.signature)?;
        let signature = signature
            .map(|part| Signature::verify(&part, publisher, bundle))
            .transpose()?;
        if let Some(signature) = &signature {
            check_coverage(reader, archive, signature)?;
        }
        Ok(Sealed {
            archive,
            map,
            signature,
            members: Vec::new(),
        })
    }
}

/// Whether the signature is where signatures are, and covers the directory and nothing that is missing.
fn check_coverage<R: Read + Seek>(
    reader: &mut R,
    archive: &Archive,
    signature: &Signature,
) -> Result<(), PackageError> {
    let last = archive.entries.len().checked_sub(1);
    if archive.position(SIGNATURE) != last {
        return Err(SignatureFault::NotLast.into());
    }
    let directory = directory_digest(reader, archive, signature.method)?;
    signature.compare(Covered::Directory, Some(directory.as_ref()))?;
    if !archive.contains(CODE_INTEGRITY) {
        signature.compare(Covered::CodeIntegrity, None)?;
    }
    Ok(())
}

/// Of the directory and end records as they were before the signature, the last entry, was added.
fn directory_digest<R: Read + Seek>(
    reader: &mut R,
    archive: &Archive,
    method: &'static Algorithm,
) -> Result<Digest, PackageError> {
    let whole = archive.directory;
    let mut digest = Context::new(method);
    let mut bytes = vec![0; usize::try_from(whole.size).unwrap_or(0)];
    reader.seek(SeekFrom::Start(whole.offset))?;
    reader.read_exact(&mut bytes)?;
    let mut ends = Vec::new();
    reader.take(MAX_ENDS).read_to_end(&mut ends)?;
    if let Some(signature) = archive.entry(SIGNATURE) {
        let header = signature.header.clone();
        digest.update(&bytes[..header.start]);
        digest.update(&bytes[header.end..]);
        let size = whole.size - header.len() as u64;
        directory::ends_without_last(&mut ends, whole.entries - 1, size, signature.offset);
        digest.update(&ends);
    }
    Ok(digest.finish())
}

/// Read from the file at once.
const BUFFER: usize = 256 << 10;
/// More than the end records take.
const MAX_ENDS: u64 = 256;
