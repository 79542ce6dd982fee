//! The one pass over a package: every byte is read once, in order, and everything about it is checked on the way.

use crate::{
    PackageError,
    archive::Archive,
    block_map::{BLOCK, BlockMap, MappedFile},
    entry::Entry,
    parts::{Footprint, footprint},
    signature::{Covered, Signature},
    unpack::Unpacker,
};
use ring::digest::{Context, Digest};
use std::io::{self, Read};

/// An archive with what its bytes have to agree with.
pub(crate) struct Sealed<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) map: BlockMap,
    /// Packages inside a signed bundle may have none of their own.
    pub(crate) signature: Option<Signature>,
    pub(crate) members: Vec<SealedMember<'a>>,
}

/// A package inside a bundle.
pub(crate) struct SealedMember<'a> {
    /// Its place among the bundle's entries.
    pub(crate) position: usize,
    pub(crate) file_name: &'a str,
    pub(crate) sealed: Sealed<'a>,
}

/// Reads an archive through, from its first byte to its directory.
pub(crate) fn walk(reader: &mut dyn Read, sealed: &Sealed<'_>) -> Result<(), PackageError> {
    let records = sealed
        .signature
        .as_ref()
        .map(|signature| Context::new(signature.method));
    let mut walk = Walk {
        sealed,
        tape: Tape {
            inner: reader,
            position: 0,
            records,
        },
        block: vec![0; usize::try_from(BLOCK).unwrap_or_default()],
    };
    for (position, entry) in sealed.archive.entries.iter().enumerate() {
        walk.entry(position, entry)?;
    }
    Ok(())
}

struct Walk<'a, 'r> {
    sealed: &'a Sealed<'a>,
    tape: Tape<'r>,
    block: Vec<u8>,
}

impl Walk<'_, '_> {
    fn entry(&mut self, position: usize, entry: &Entry) -> Result<(), PackageError> {
        let footprint = footprint(&entry.key);
        if footprint == Some(Footprint::Signature) {
            let records = self.tape.records.take().map(Context::finish);
            self.compare(Covered::Records, records.as_ref())?;
        }
        let header = entry.read_local(&mut self.tape)?;
        let member = self
            .sealed
            .members
            .iter()
            .find(|member| member.position == position);
        match (self.sealed.map.file(entry), member) {
            (Some(file), _) => {
                file.check_header(header)?;
                self.mapped(entry, file)?;
            }
            (None, Some(member)) => self.member(entry, member)?,
            (None, None) => self.plain(entry, footprint)?,
        }
        let end = self.sealed.archive.next_start(position);
        let rest = end
            .checked_sub(self.tape.position)
            .ok_or_else(|| PackageError::Overlap {
                entry: entry.name.clone(),
            })?;
        entry.read_descriptor(&mut self.tape, rest)
    }

    /// A file that the block map lists.
    fn mapped(&mut self, entry: &Entry, file: &MappedFile) -> Result<(), PackageError> {
        let mut unpacker = Unpacker::new(entry);
        for block in 0..file.blocks() {
            let packed = file.packed(block);
            match unpacker.read_block(&mut self.tape, packed, &mut self.block)? {
                Some(read) => file.check_block(block, &self.block[..read])?,
                None => return Err(file.wrong_size(block).into()),
            }
        }
        unpacker.finish(&mut self.tape)
    }

    /// A file that the signature covers by itself, or the signature.
    fn plain(&mut self, entry: &Entry, footprint: Option<Footprint>) -> Result<(), PackageError> {
        let mut unpacker = Unpacker::new(entry);
        let mut digest = self
            .sealed
            .signature
            .as_ref()
            .map(|signature| Context::new(signature.method));
        loop {
            let read = unpacker.read(&mut self.tape, &mut self.block)?;
            if read == 0 {
                break;
            }
            if let Some(digest) = &mut digest {
                digest.update(&self.block[..read]);
            }
        }
        unpacker.finish(&mut self.tape)?;
        match footprint {
            Some(Footprint::Covered(covered)) => self.compare(covered, digest.map(Context::finish).as_ref()),
            _ => Ok(()),
        }
    }

    /// A package inside a bundle: walked as one, in the same pass.
    fn member(&mut self, entry: &Entry, member: &SealedMember<'_>) -> Result<(), PackageError> {
        let mut inside = Inside {
            tape: &mut self.tape,
            left: entry.size,
            crc: crc32fast::Hasher::new(),
        };
        walk(&mut inside, &member.sealed).map_err(|source| PackageError::Member {
            file_name: member.file_name.to_owned(),
            source: Box::new(source),
        })?;
        io::copy(&mut inside, &mut io::sink())?;
        if inside.left > 0 {
            Err(PackageError::Truncated)
        } else if inside.crc.finalize() != entry.crc {
            Err(PackageError::EntryDamaged {
                entry: entry.name.clone(),
                field: "checksum",
            })
        } else {
            Ok(())
        }
    }

    fn compare(&self, covered: Covered, found: Option<&Digest>) -> Result<(), PackageError> {
        let Some(signature) = &self.sealed.signature else {
            return Ok(());
        };
        Ok(signature.compare(covered, found.map(AsRef::as_ref))?)
    }
}

/// The bytes of an archive as they pass, with the digest of those that the signature covers.
struct Tape<'r> {
    inner: &'r mut dyn Read,
    position: u64,
    records: Option<Context>,
}

impl Read for Tape<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position += read as u64;
        if let Some(records) = &mut self.records {
            records.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// The bytes of a package inside a bundle.
struct Inside<'t, 'r> {
    tape: &'t mut Tape<'r>,
    left: u64,
    crc: crc32fast::Hasher,
}

impl Read for Inside<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.tape.read(&mut buffer[..most])?;
        self.left -= read as u64;
        self.crc.update(&buffer[..read]);
        Ok(read)
    }
}
