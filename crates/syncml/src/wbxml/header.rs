//! What precedes the body: version, public identifier, character set, string table (section 5.4).

use super::bytes::Bytes;
use crate::{DecodeError, WbxmlFault};

/// Reads the header and gives the string table.
pub(super) fn read<'a>(bytes: &mut Bytes<'a>) -> Result<&'a [u8], DecodeError> {
    let version = bytes.byte()?;
    if !VERSIONS.contains(&version) {
        return Err(bytes.fault(WbxmlFault::Version(version)));
    }
    let public_id = PublicId::read(bytes)?;
    let charset = bytes.integer()?;
    if !CHARSETS.contains(&charset) {
        return Err(bytes.fault(WbxmlFault::Charset(charset)));
    }
    let table = bytes.counted()?;
    public_id.check(table).map_err(|fault| bytes.fault(fault))?;
    Ok(table)
}

/// The string that begins at this offset of the table.
pub(super) fn table_string(table: &[u8], offset: u32) -> Result<&[u8], WbxmlFault> {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| table.get(offset..));
    let rest = rest
        .filter(|rest| !rest.is_empty())
        .ok_or(WbxmlFault::StringIndex(offset))?;
    // The last string of a table may lack its zero.
    let length = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    Ok(&rest[..length])
}

enum PublicId {
    Number(u32),
    InTable(u32),
}

impl PublicId {
    fn read(bytes: &mut Bytes<'_>) -> Result<Self, DecodeError> {
        Ok(match bytes.integer()? {
            0 => Self::InTable(bytes.integer()?),
            number => Self::Number(number),
        })
    }

    /// Whether it names a SyncML document, or nothing at all.
    fn check(&self, table: &[u8]) -> Result<(), WbxmlFault> {
        let (is_ours, number) = match *self {
            Self::Number(number) => (PUBLIC_IDS.contains(&number), number),
            Self::InTable(offset) => {
                let name = table_string(table, offset)?;
                (
                    PUBLIC_NAMES
                        .iter()
                        .any(|ours| name.eq_ignore_ascii_case(ours.as_bytes())),
                    0,
                )
            }
        };
        if is_ours {
            Ok(())
        } else {
            Err(WbxmlFault::PublicId(number))
        }
    }
}

/// What we write: version 1.2, SyncML 1.2, UTF-8; the string table follows.
pub(super) const OURS: [u8; 4] = [0x02, 0xA4, 0x01, 0x6A];

const VERSIONS: [u8; 3] = [0x01, 0x02, 0x03];

/// Unknown; SyncML 1.0, 1.1, 1.2.
const PUBLIC_IDS: [u32; 4] = [0x01, 0x0FD1, 0x0FD3, 0x1201];

const PUBLIC_NAMES: [&str; 3] = [
    "-//SYNCML//DTD SyncML 1.0//EN",
    "-//SYNCML//DTD SyncML 1.1//EN",
    "-//SYNCML//DTD SyncML 1.2//EN",
];

/// IANA MIBenum: unknown, US-ASCII, UTF-8.
const CHARSETS: [u32; 3] = [0, 3, 106];
