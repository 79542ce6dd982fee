//! A package's ZIP archive: its directory read within limits, its parts found by name, small ones read whole.

use crate::{
    Limit, PackageError,
    directory::{self, Directory},
    entry::{Entry, Packing, cut_short},
    names::file_key,
    unpack::Unpacker,
};
use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom},
};

/// Bounds on what a package may make the reader do. The sums count a bundle and its members together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries in all archives.
    pub entries: u64,
    /// Bytes of all central directories.
    pub directory: u64,
    /// Packages in a bundle.
    pub members: u64,
    /// Bytes of one manifest, unpacked.
    pub manifest: u64,
    /// Bytes of all manifests, unpacked.
    pub manifests: u64,
    /// Bytes of everything, unpacked.
    pub unpacked: u64,
    /// Bytes of one block map, unpacked.
    pub block_map: u64,
    /// Bytes of one signature.
    pub signature: u64,
    /// Bytes unpacked for each byte packed: of a manifest, and of everything.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 500_000,
            directory: 96 << 20,
            members: 2_000,
            manifest: 4 << 20,
            manifests: 64 << 20,
            unpacked: 256 << 30,
            block_map: 128 << 20,
            signature: 1 << 20,
            ratio: 100,
        }
    }
}

/// What is left of the sums.
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    entries: u64,
    directory: u64,
    manifests: u64,
    /// What all headers promise so far, unpacked and packed.
    promised: (u64, u64),
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            entries: limits.entries,
            directory: limits.directory,
            manifests: limits.manifests,
            promised: (0, 0),
        }
    }

    /// Counts what headers promise. It bounds the work, as no entry may turn out larger.
    fn spend_sizes(&mut self, entries: &[Entry]) -> Result<(), PackageError> {
        let Limits { unpacked, ratio, .. } = self.limits;
        let (size, packed) = &mut self.promised;
        for entry in entries {
            *size = size.saturating_add(entry.size);
            *packed = packed.saturating_add(entry.packed);
        }
        if *size > unpacked {
            Err(exceeded(Limit::Unpacked, unpacked))
        } else if *size > BOMB_FLOOR && *size / (*packed).max(1) > ratio {
            Err(exceeded(Limit::Ratio, ratio))
        } else {
            Ok(())
        }
    }

    /// Counts a manifest that was unpacked.
    fn spend_manifest(&mut self, manifest: &[u8]) -> Result<(), PackageError> {
        self.manifests = self
            .manifests
            .checked_sub(manifest.len() as u64)
            .ok_or(exceeded(Limit::Manifests, self.limits.manifests))?;
        Ok(())
    }

    fn spend(&mut self, directory: Directory) -> Result<(), PackageError> {
        self.entries = self
            .entries
            .checked_sub(directory.entries)
            .ok_or(exceeded(Limit::Entries, self.limits.entries))?;
        self.directory = self
            .directory
            .checked_sub(directory.size)
            .ok_or(exceeded(Limit::Directory, self.limits.directory))?;
        Ok(())
    }
}

/// An error that names the limit.
pub(crate) fn exceeded(limit: Limit, allowed: u64) -> PackageError {
    PackageError::Limit { limit, allowed }
}

/// Where an entry's bytes are in the file.
pub(crate) struct Extent {
    pub(crate) start: u64,
    pub(crate) size: u64,
}

/// What an archive holds, by its directory. Names are compared as OPC wants it: percent-decoded, case ignored.
pub(crate) struct Archive {
    pub(crate) directory: Directory,
    /// In the order in which they stand in the file.
    pub(crate) entries: Vec<Entry>,
    parts: HashMap<String, usize>,
}

impl Archive {
    /// Reads the central directory, after weighing it.
    pub(crate) fn open(reader: &mut (impl Read + Seek), budget: &mut Budget) -> Result<Self, PackageError> {
        let directory = directory::locate(reader)?;
        budget.spend(directory)?;
        let mut bytes = vec![0; usize::try_from(directory.size).unwrap_or(0)];
        reader.seek(SeekFrom::Start(directory.offset))?;
        reader.read_exact(&mut bytes).map_err(cut_short)?;
        let mut entries = read_entries(&bytes, directory)?;
        entries.sort_unstable_by_key(|entry| entry.offset);
        check_places(&entries, directory.offset)?;
        budget.spend_sizes(&entries)?;
        let parts = index(&entries)?;
        Ok(Self {
            directory,
            entries,
            parts,
        })
    }

    /// The place of a part in `entries`; the name is as in a manifest.
    pub(crate) fn position(&self, part: &str) -> Option<usize> {
        self.parts.get(&file_key(part)).copied()
    }

    pub(crate) fn entry(&self, part: &str) -> Option<&Entry> {
        self.position(part).map(|at| &self.entries[at])
    }

    pub(crate) fn contains(&self, part: &str) -> bool {
        self.position(part).is_some()
    }

    /// Whether any part at the root has one of these extensions.
    pub(crate) fn has_root_part_with(&self, extensions: &[&str]) -> bool {
        self.parts.keys().any(|part| {
            let extension = part.rsplit_once('.').map(|(_, extension)| extension);
            !part.contains('/') && extension.is_some_and(|extension| extensions.contains(&extension))
        })
    }

    /// Where the entry behind this one begins, or the directory.
    pub(crate) fn next_start(&self, position: usize) -> u64 {
        let next = self.entries.get(position + 1);
        next.map_or(self.directory.offset, |entry| entry.offset)
    }

    /// A manifest, if it is there.
    pub(crate) fn read_manifest(
        &self,
        reader: &mut (impl Read + Seek),
        part: &str,
        budget: &mut Budget,
    ) -> Result<Option<Vec<u8>>, PackageError> {
        let Limits { manifest, ratio, .. } = budget.limits;
        let bomb = |entry: &Entry| {
            let small = entry.size <= RATIO_FLOOR || entry.size > manifest;
            !small && entry.size / entry.packed.max(1) > ratio
        };
        if self.entry(part).is_some_and(bomb) {
            return Err(exceeded(Limit::Ratio, ratio));
        }
        let bytes = self.read(reader, part, Limit::Manifest, manifest)?;
        bytes.iter().try_for_each(|bytes| budget.spend_manifest(bytes))?;
        Ok(bytes)
    }

    /// A whole part, if it is there, of at most so many bytes.
    pub(crate) fn read(
        &self,
        reader: &mut (impl Read + Seek),
        part: &str,
        limit: Limit,
        most: u64,
    ) -> Result<Option<Vec<u8>>, PackageError> {
        let Some(entry) = self.entry(part) else {
            return Ok(None);
        };
        if entry.size > most {
            return Err(exceeded(limit, most));
        }
        reader.seek(SeekFrom::Start(entry.offset))?;
        entry.read_local(reader)?;
        let mut bytes = vec![0; usize::try_from(entry.size).unwrap_or(0)];
        let mut unpacker = Unpacker::new(entry);
        unpacker.read(reader, &mut bytes)?;
        unpacker.finish(reader)?;
        Ok(Some(bytes))
    }

    /// Where a part that is stored uncompressed lies in the file, if it is there.
    pub(crate) fn extent(
        &self,
        reader: &mut (impl Read + Seek),
        part: &str,
    ) -> Result<Option<Extent>, PackageError> {
        let Some(entry) = self.entry(part) else {
            return Ok(None);
        };
        if entry.packing != Packing::Stored {
            return Err(PackageError::Compression {
                entry: part.to_owned(),
            });
        }
        reader.seek(SeekFrom::Start(entry.offset))?;
        let start = entry.offset + entry.read_local(reader)?;
        let size = entry.size;
        if start
            .checked_add(size)
            .is_none_or(|end| end > self.directory.offset)
        {
            return Err(overlap(entry));
        }
        Ok(Some(Extent { start, size }))
    }
}

fn read_entries(bytes: &[u8], directory: Directory) -> Result<Vec<Entry>, PackageError> {
    let mut entries = Vec::new();
    let mut end = 0;
    while end < bytes.len() {
        let entry = Entry::read(bytes, end)?;
        end = entry.header.end;
        entries.push(entry);
    }
    if entries.len() as u64 == directory.entries {
        Ok(entries)
    } else {
        Err(PackageError::damaged(format_args!(
            "the directory lists {} entries, its end record {}",
            entries.len(),
            directory.entries
        )))
    }
}

/// From the first byte on, one behind the other. How far apart is seen where they are read.
fn check_places(entries: &[Entry], end: u64) -> Result<(), PackageError> {
    if entries.first().is_some_and(|first| first.offset != 0) {
        return Err(PackageError::Stray {
            place: "before its first entry".to_owned(),
        });
    }
    let starts = entries.iter().skip(1).map(|entry| entry.offset).chain([end]);
    let crowded = entries
        .iter()
        .zip(starts)
        .find(|(entry, next)| entry.least_end().is_none_or(|end| end > *next));
    crowded.map_or(Ok(()), |(entry, _)| Err(overlap(entry)))
}

fn overlap(entry: &Entry) -> PackageError {
    PackageError::Overlap {
        entry: entry.name.clone(),
    }
}

/// All entries by their comparable name.
fn index(entries: &[Entry]) -> Result<HashMap<String, usize>, PackageError> {
    let mut parts = HashMap::with_capacity(entries.len());
    for (position, entry) in entries.iter().enumerate() {
        if parts.insert(entry.key.clone(), position).is_some() {
            return Err(PackageError::DuplicateEntry {
                entry: entry.name.clone(),
            });
        }
    }
    for entry in entries {
        let folders = entry.key.match_indices('/').take(MAX_DEPTH);
        if let Some((end, _)) = folders
            .into_iter()
            .find(|(end, _)| parts.contains_key(&entry.key[..*end]))
        {
            return Err(PackageError::FileIsFolder {
                entry: entry.key[..end].to_owned(),
            });
        }
    }
    Ok(parts)
}

/// Small texts may well compress better than the limit on the ratio.
const RATIO_FLOOR: u64 = 64 << 10;
/// Below this much nothing is a bomb.
const BOMB_FLOOR: u64 = 256 << 20;
/// Folders that are looked at; Windows has no room for more in a path.
const MAX_DEPTH: usize = 128;
