//! The headers of an entry: the central one, which counts, and the local one, which has to agree with it.

use crate::{
    PackageError,
    bytes::{u16_at, u32_at, u64_at},
    names::part_key,
};
use std::{
    io::{self, Read},
    ops::Range,
};

/// An entry as the central directory describes it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As it stands in the archive.
    pub(crate) name: String,
    /// In the form in which names compare.
    pub(crate) key: String,
    pub(crate) packing: Packing,
    pub(crate) crc: u32,
    /// Bytes in the archive.
    pub(crate) packed: u64,
    /// Bytes unpacked.
    pub(crate) size: u64,
    /// Where its local header begins.
    pub(crate) offset: u64,
    /// Where its central header is in the directory.
    pub(crate) header: Range<usize>,
    flags: u16,
}

/// How the bytes of an entry are stored: packages know two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Stored,
    Deflated,
}

impl Entry {
    /// Reads the central header at `start` of a directory.
    pub(crate) fn read(directory: &[u8], start: usize) -> Result<Self, PackageError> {
        let cut = || PackageError::damaged("the directory ends in the middle of a header");
        let rest = directory.get(start..).unwrap_or_default();
        let fixed: &[u8; CENTRAL] = rest.first_chunk().ok_or_else(cut)?;
        if !fixed.starts_with(b"PK\x01\x02") {
            return Err(PackageError::damaged(
                "the directory has something else than headers",
            ));
        }
        let [name_end, extra_end, end] = [28, 30, 32]
            .iter()
            .scan(CENTRAL, |end, at| {
                *end += usize::from(u16_at(fixed, *at));
                Some(*end)
            })
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| cut())?;
        let header = rest.get(..end).ok_or_else(cut)?;
        let name = entry_name(&header[CENTRAL..name_end])?;
        let key = part_key(&name).map_err(|fault| PackageError::EntryName {
            entry: name.clone(),
            fault,
        })?;
        let mut wide = Wide::find(&header[name_end..extra_end]);
        let entry = Self {
            flags: u16_at(fixed, 8),
            packing: packing(u16_at(fixed, 10))
                .ok_or_else(|| PackageError::Compression { entry: name.clone() })?,
            crc: u32_at(fixed, 16),
            size: wide.number(u32_at(fixed, 24))?,
            packed: wide.number(u32_at(fixed, 20))?,
            offset: wide.number(u32_at(fixed, 42))?,
            header: start..start + end,
            key,
            name,
        };
        let split = !matches!(u16_at(fixed, 34), 0 | 0xffff);
        entry.check(split)
    }

    fn check(self, split: bool) -> Result<Self, PackageError> {
        let entry = self.name.clone();
        if self.flags & ENCRYPTED != 0 {
            Err(PackageError::EncryptedEntry { entry })
        } else if self.flags & !KNOWN_FLAGS != 0 {
            Err(PackageError::Compression { entry })
        } else if split {
            Err(PackageError::damaged(format_args!(
                "`{entry}` is on another disk"
            )))
        } else if self.packing == Packing::Stored && self.packed != self.size {
            Err(PackageError::EntryDamaged {
                entry,
                field: "compressed size",
            })
        } else {
            Ok(self)
        }
    }

    /// Where its data cannot end before; `None` beyond all numbers.
    pub(crate) fn least_end(&self) -> Option<u64> {
        let header = (LOCAL + self.name.len()) as u64;
        self.offset.checked_add(header)?.checked_add(self.packed)
    }

    /// Reads the local header, from where it begins to where the data begins. Answers its length in bytes.
    pub(crate) fn read_local(&self, reader: &mut impl Read) -> Result<u64, PackageError> {
        let mut fixed = [0; LOCAL];
        reader.read_exact(&mut fixed).map_err(cut_short)?;
        if !fixed.starts_with(b"PK\x03\x04") {
            return Err(PackageError::damaged(format_args!(
                "`{}` is not where the directory says",
                self.name
            )));
        }
        let mut name = vec![0; usize::from(u16_at(&fixed, 26))];
        let mut extra = vec![0; usize::from(u16_at(&fixed, 28))];
        reader.read_exact(&mut name).map_err(cut_short)?;
        reader.read_exact(&mut extra).map_err(cut_short)?;
        let mut wide = Wide::find(&extra);
        let (size, packed) = (wide.number(u32_at(&fixed, 22))?, wide.number(u32_at(&fixed, 18))?);
        let told = [u64::from(u32_at(&fixed, 14)), packed, size];
        // With a descriptor behind the data the header may leave these three open.
        let open = self.has_descriptor() && told.iter().all(|number| *number == 0);
        let checks = [
            ("name", name == self.name.as_bytes()),
            ("flags", u16_at(&fixed, 6) == self.flags),
            ("method", packing(u16_at(&fixed, 8)) == Some(self.packing)),
            ("checksum", open || told[0] == u64::from(self.crc)),
            ("compressed size", open || told[1] == self.packed),
            ("size", open || told[2] == self.size),
        ];
        match checks.iter().find(|(_, agrees)| !agrees) {
            Some((field, _)) => Err(self.disagree(field)),
            None => Ok((LOCAL + name.len() + extra.len()) as u64),
        }
    }

    /// Checks the `length` bytes between the data and whatever comes next: nothing, or a descriptor.
    pub(crate) fn read_descriptor(&self, reader: &mut impl Read, length: u64) -> Result<(), PackageError> {
        let stray = || PackageError::Stray {
            place: format!("behind the entry `{}`", self.name),
        };
        let mut bytes = [0; WIDE_DESCRIPTOR];
        let bytes = usize::try_from(length)
            .ok()
            .and_then(|length| bytes.get_mut(..length))
            .ok_or_else(stray)?;
        reader.read_exact(bytes).map_err(cut_short)?;
        let marked = length == 16 || length == 24;
        let numbers = if marked {
            bytes.strip_prefix(b"PK\x07\x08")
        } else {
            Some(&*bytes)
        };
        let found = match numbers.ok_or_else(stray)? {
            [] if self.has_descriptor() => return Err(self.disagree("descriptor")),
            [] => return Ok(()),
            narrow if narrow.len() == 12 => [u32_at(narrow, 4).into(), u32_at(narrow, 8).into()],
            wide if wide.len() == 20 => [u64_at(wide, 4), u64_at(wide, 12)],
            _ => return Err(stray()),
        };
        if !self.has_descriptor() {
            Err(stray())
        } else if found != [self.packed, self.size] || u32_at(bytes, usize::from(marked) * 4) != self.crc {
            Err(self.disagree("descriptor"))
        } else {
            Ok(())
        }
    }

    fn has_descriptor(&self) -> bool {
        self.flags & DESCRIPTOR != 0
    }

    fn disagree(&self, field: &'static str) -> PackageError {
        PackageError::HeadersDisagree {
            entry: self.name.clone(),
            field,
        }
    }
}

/// The numbers of a ZIP64 field: those that do not fit the header, in their order.
struct Wide<'a>(Option<&'a [u8]>);

impl<'a> Wide<'a> {
    fn find(mut extra: &'a [u8]) -> Self {
        while let Some((header, rest)) = extra.split_first_chunk::<4>() {
            let Some((field, more)) = rest.split_at_checked(usize::from(u16_at(header, 2))) else {
                break;
            };
            if u16_at(header, 0) == 1 {
                return Self(Some(field));
            }
            extra = more;
        }
        Self(None)
    }

    fn number(&mut self, narrow: u32) -> Result<u64, PackageError> {
        if narrow != u32::MAX {
            return Ok(narrow.into());
        }
        let missing = || PackageError::damaged("a ZIP64 size is missing");
        let (number, rest) = self
            .0
            .and_then(<[u8]>::split_first_chunk::<8>)
            .ok_or_else(missing)?;
        self.0 = Some(rest);
        Ok(u64::from_le_bytes(*number))
    }
}

fn entry_name(bytes: &[u8]) -> Result<String, PackageError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| PackageError::EntryName {
        entry: String::from_utf8_lossy(bytes).into_owned(),
        fault: crate::NameFault::Encoding,
    })
}

const fn packing(method: u16) -> Option<Packing> {
    match method {
        0 => Some(Packing::Stored),
        8 => Some(Packing::Deflated),
        _ => None,
    }
}

/// An end of file in the middle is a package cut short, not a fault of the disk.
pub(crate) fn cut_short(error: io::Error) -> PackageError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        PackageError::Truncated
    } else {
        PackageError::Io(error)
    }
}

/// Length of a local header without name and extra fields.
const LOCAL: usize = 30;
const CENTRAL: usize = 46;
const WIDE_DESCRIPTOR: usize = 24;
/// Traditional or strong encryption, or an encrypted directory.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Checksum and sizes follow the data.
const DESCRIPTOR: u16 = 1 << 3;
/// How hard was tried to compress, the descriptor, UTF-8 names.
const KNOWN_FLAGS: u16 = 0b110 | DESCRIPTOR | 1 << 11;
