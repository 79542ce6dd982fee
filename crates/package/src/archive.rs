//! A package's ZIP archive: opened within limits, its parts found by name, small ones read whole.

use crate::{Limit, PackageError, directory};
use percent_encoding::percent_decode_str;
use std::{
    collections::HashMap,
    io::{BufReader, Read, Seek},
};
use zip::{
    CompressionMethod, ZipArchive,
    read::{ArchiveOffset, Config},
    result::ZipError,
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
    /// Bytes unpacked for each byte packed, once more than 64 KiB come out.
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
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            entries: limits.entries,
            directory: limits.directory,
            manifests: limits.manifests,
        }
    }

    /// Counts a manifest that was unpacked.
    pub(crate) fn spend_manifest(&mut self, manifest: &[u8]) -> Result<(), PackageError> {
        self.manifests = self
            .manifests
            .checked_sub(manifest.len() as u64)
            .ok_or(exceeded(Limit::Manifests, self.limits.manifests))?;
        Ok(())
    }

    fn spend(&mut self, directory: directory::Directory) -> Result<(), PackageError> {
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

/// An open archive. Part names are compared as OPC wants it: percent-decoded, case ignored.
pub(crate) struct Archive<'r, R: Read + Seek> {
    zip: ZipArchive<BufReader<&'r mut R>>,
    parts: HashMap<String, usize>,
}

impl<'r, R: Read + Seek> Archive<'r, R> {
    /// Reads the central directory, after weighing it.
    pub(crate) fn open(reader: &'r mut R, budget: &mut Budget) -> Result<Self, PackageError> {
        budget.spend(directory::locate(reader)?)?;
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let zip = ZipArchive::with_config(config, BufReader::new(reader)).map_err(zip_error)?;
        if zip.has_duplicate_names() {
            return Err(PackageError::DuplicateEntry { entry: None });
        }
        let parts = index(&zip)?;
        Ok(Self { zip, parts })
    }

    pub(crate) fn contains(&self, part: &str) -> bool {
        self.parts.contains_key(&part_key(part))
    }

    /// Whether any part at the root has one of these extensions.
    pub(crate) fn has_root_part_with(&self, extensions: &[&str]) -> bool {
        self.parts.keys().any(|part| {
            let extension = part.rsplit_once('.').map(|(_, extension)| extension);
            !part.contains('/') && extension.is_some_and(|extension| extensions.contains(&extension))
        })
    }

    /// A whole part, if it is there, of at most `limits.manifest` bytes.
    pub(crate) fn read(&mut self, part: &str, limits: &Limits) -> Result<Option<Vec<u8>>, PackageError> {
        let Some(&index) = self.parts.get(&part_key(part)) else {
            return Ok(None);
        };
        let entry = self.zip.by_index(index).map_err(zip_error)?;
        check_size(entry.size(), entry.compressed_size(), limits)?;
        // The declared size may lie; what comes out counts.
        let mut bytes = Vec::new();
        entry
            .take(limits.manifest + 1)
            .read_to_end(&mut bytes)
            .map_err(|problem| PackageError::damaged(format_args!("`{part}`: {problem}")))?;
        if bytes.len() as u64 > limits.manifest {
            return Err(exceeded(Limit::Manifest, limits.manifest));
        }
        Ok(Some(bytes))
    }

    /// The first bytes of a part, if it is there and has that many.
    pub(crate) fn starts_with(&mut self, part: &str, magic: &[u8]) -> bool {
        let Some(&index) = self.parts.get(&part_key(part)) else {
            return false;
        };
        let mut head = vec![0; magic.len()];
        let read = self
            .zip
            .by_index(index)
            .is_ok_and(|mut entry| entry.read_exact(&mut head).is_ok());
        read && head == magic
    }

    /// Where a part that is stored uncompressed lies in the file, if it is there.
    pub(crate) fn extent(&mut self, part: &str) -> Result<Option<Extent>, PackageError> {
        let Some(&index) = self.parts.get(&part_key(part)) else {
            return Ok(None);
        };
        let directory_start = self.zip.central_directory_start();
        let entry = self.zip.by_index_raw(index).map_err(zip_error)?;
        if entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size() {
            return Err(PackageError::Compression {
                entry: part.to_owned(),
            });
        }
        let (Some(start), size) = (entry.data_start(), entry.size()) else {
            return Err(PackageError::damaged(format_args!("`{part}` cannot be found")));
        };
        if start.checked_add(size).is_none_or(|end| end > directory_start) {
            return Err(PackageError::damaged(format_args!(
                "`{part}` does not fit the file"
            )));
        }
        Ok(Some(Extent { start, size }))
    }
}

/// All entries by their comparable name; refuses those that Windows would refuse.
fn index<R: Read + Seek>(zip: &ZipArchive<R>) -> Result<HashMap<String, usize>, PackageError> {
    let mut parts = HashMap::with_capacity(zip.len());
    for position in 0..zip.len() {
        let entry = zip.by_index_data(position).map_err(zip_error)?;
        let name = String::from_utf8_lossy(entry.name_raw());
        if entry.encrypted() {
            return Err(PackageError::EncryptedEntry {
                entry: name.into_owned(),
            });
        }
        if !matches!(
            entry.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return Err(PackageError::Compression {
                entry: name.into_owned(),
            });
        }
        if parts.insert(part_key(&name), position).is_some() {
            return Err(PackageError::DuplicateEntry {
                entry: Some(name.into_owned()),
            });
        }
    }
    Ok(parts)
}

/// A part's name as it compares: percent-decoded (names outside ASCII come either way), `/`, lower case.
fn part_key(name: &str) -> String {
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    decoded.replace('\\', "/").to_lowercase()
}

fn check_size(size: u64, compressed: u64, limits: &Limits) -> Result<(), PackageError> {
    if size > limits.manifest {
        Err(exceeded(Limit::Manifest, limits.manifest))
    } else if size > RATIO_FLOOR && size / compressed.max(1) > limits.ratio {
        Err(exceeded(Limit::Ratio, limits.ratio))
    } else {
        Ok(())
    }
}

fn zip_error(error: ZipError) -> PackageError {
    match error {
        ZipError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => PackageError::Truncated,
        ZipError::Io(error) => PackageError::Io(error),
        other => PackageError::damaged(other),
    }
}

/// Small texts may well compress better than the limit on the ratio.
const RATIO_FLOOR: u64 = 64 << 10;
