//! Finds the ZIP central directory and weighs it, before anything is allocated for what it claims.
//!
//! Packages are written by tools that put one archive, without comment, from the first to the last byte
//! (the signature covers those records too). Only that form is accepted, so no two readers can disagree
//! about which directory counts.

use crate::{
    PackageError,
    bytes::{u16_at, u32_at, u64_at},
};
use std::io::{self, Read, Seek, SeekFrom};

/// The central directory as the end record describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) entries: u64,
    pub(crate) size: u64,
    /// Where it begins; the end records follow it.
    pub(crate) offset: u64,
}

/// Reads the first bytes and the end records. Errors tell apart other kinds of file, and files cut short.
pub(crate) fn locate<R: Read + Seek>(reader: &mut R) -> Result<Directory, PackageError> {
    let length = reader.seek(SeekFrom::End(0))?;
    check_magic(reader, length)?;
    let end_position = length
        .checked_sub(END_LENGTH as u64)
        .ok_or(PackageError::Truncated)?;
    let end: [u8; END_LENGTH] = read_at(reader, end_position)?;
    if !end.starts_with(END_SIGNATURE) || end[20..] != [0, 0] {
        return Err(PackageError::Truncated);
    }
    let whole = |disk| matches!(disk, 0 | 0xffff);
    if u16_at(&end, 8) != u16_at(&end, 10) || !whole(u16_at(&end, 4)) || !whole(u16_at(&end, 6)) {
        return Err(PackageError::damaged("it is one of several volumes"));
    }
    let claims = Claims {
        entries: u16_at(&end, 10).into(),
        size: u32_at(&end, 12).into(),
        offset: u32_at(&end, 16).into(),
    };
    let (claims, directory_end) = match wide_claims(reader, &claims, end_position)? {
        Some(wide) => wide,
        None => (claims, end_position),
    };
    let fits = claims.offset.checked_add(claims.size) == Some(directory_end);
    if !fits || claims.entries > claims.size / MIN_HEADER_LENGTH {
        return Err(PackageError::damaged("the end record does not fit the file"));
    }
    Ok(Directory {
        entries: claims.entries,
        size: claims.size,
        offset: claims.offset,
    })
}

struct Claims {
    entries: u64,
    size: u64,
    offset: u64,
}

/// Knows packages that are no ZIP archives by their first bytes.
fn check_magic<R: Read + Seek>(reader: &mut R, length: u64) -> Result<(), PackageError> {
    if length < 4 {
        return Err(PackageError::NotZip);
    }
    match &read_at::<_, 4>(reader, 0)? {
        b"PK\x03\x04" => Ok(()),
        b"PK\x05\x06" => Err(PackageError::NoManifest),
        b"EXPH" | b"EXSH" => Err(PackageError::EncryptedPackage { bundle: false }),
        b"EXBH" => Err(PackageError::EncryptedPackage { bundle: true }),
        _ => Err(PackageError::NotZip),
    }
}

/// The ZIP64 end record and where it begins, if the plain one points to it.
fn wide_claims<R: Read + Seek>(
    reader: &mut R,
    plain: &Claims,
    end_position: u64,
) -> Result<Option<(Claims, u64)>, PackageError> {
    let saturated = plain.entries == 0xffff || plain.size == 0xffff_ffff || plain.offset == 0xffff_ffff;
    let Some(locator_position) = end_position
        .checked_sub(LOCATOR_LENGTH as u64)
        .filter(|_| saturated)
    else {
        return Ok(None);
    };
    let locator: [u8; LOCATOR_LENGTH] = read_at(reader, locator_position)?;
    if !locator.starts_with(LOCATOR_SIGNATURE) {
        return Ok(None);
    }
    let position = u64_at(&locator, 8);
    if position.checked_add(WIDE_END_LENGTH as u64) != Some(locator_position) {
        return Err(PackageError::damaged("the ZIP64 locator points elsewhere"));
    }
    let record: [u8; WIDE_END_LENGTH] = read_at(reader, position)?;
    if !record.starts_with(WIDE_END_SIGNATURE) || u64_at(&record, 4) != WIDE_END_LENGTH as u64 - 12 {
        return Err(PackageError::damaged("the ZIP64 end record is not one"));
    }
    let claims = Claims {
        entries: u64_at(&record, 32),
        size: u64_at(&record, 40),
        offset: u64_at(&record, 48),
    };
    let agree = |narrow: u64, all: u64, wide: u64| narrow == all || narrow == wide;
    let consistent = u64_at(&record, 24) == claims.entries
        && agree(plain.entries, 0xffff, claims.entries)
        && agree(plain.size, 0xffff_ffff, claims.size)
        && agree(plain.offset, 0xffff_ffff, claims.offset);
    if !consistent {
        return Err(PackageError::damaged("its two end records disagree"));
    }
    Ok(Some((claims, position)))
}

/// What was signed in place of the end records: those of the archive before the signature was added to it.
pub(crate) fn ends_without_last(ends: &mut [u8], entries: u64, size: u64, offset: u64) {
    let Some(plain) = ends.len().checked_sub(END_LENGTH) else {
        return;
    };
    if plain == WIDE_END_LENGTH + LOCATOR_LENGTH {
        for (at, number) in [(24, entries), (32, entries), (40, size), (48, offset)] {
            ends[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        let position = offset + size;
        ends[WIDE_END_LENGTH + 8..][..8].copy_from_slice(&position.to_le_bytes());
    }
    // Numbers that are too large for the plain record, or were left to the other one, stay as they are.
    for (at, length, number) in [(8, 2, entries), (10, 2, entries), (12, 4, size), (16, 4, offset)] {
        let field = &mut ends[plain + at..][..length];
        if field.iter().any(|byte| *byte != 0xff) {
            field.copy_from_slice(&number.to_le_bytes()[..length]);
        }
    }
}

pub(crate) fn read_at<R: Read + Seek, const N: usize>(reader: &mut R, position: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.seek(SeekFrom::Start(position))?;
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END_LENGTH: usize = 22;
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const LOCATOR_LENGTH: usize = 20;
const WIDE_END_SIGNATURE: &[u8] = b"PK\x06\x06";
const WIDE_END_LENGTH: usize = 56;
/// A central directory header without its names.
const MIN_HEADER_LENGTH: u64 = 46;
