//! The records of a ZIP archive, field by field (APPNOTE 4.3).

/// What is written about one entry, truly or not.
pub(super) struct Entry {
    name: String,
    flags: u32,
    method: u32,
    crc: u32,
    packed: u32,
    size: u32,
    offset: u32,
}

impl Entry {
    /// A true account.
    pub(super) fn new(name: &str, content: &[u8], stored: usize, packed: bool, offset: usize) -> Self {
        Self {
            name: name.to_owned(),
            flags: UTF8,
            method: if packed { DEFLATED } else { STORED },
            crc: crc32(content),
            packed: number(stored),
            size: number(content.len()),
            offset: number(offset),
        }
    }

    /// Adds to a field; an unknown one changes nothing.
    pub(super) fn lie(&mut self, field: &str, by: u32) {
        let field = match field {
            "crc" => &mut self.crc,
            "size" => &mut self.size,
            "packed" => &mut self.packed,
            "method" => &mut self.method,
            "flags" => &mut self.flags,
            "offset" => &mut self.offset,
            _ => return,
        };
        *field = field.wrapping_add(by);
    }

    pub(super) fn write_local(&self, out: &mut Vec<u8>) {
        out.extend(b"PK\x03\x04\x14\x00");
        self.write_common(out);
        out.extend(self.name_length());
        out.extend([0; 2]);
        out.extend(self.name.as_bytes());
    }

    pub(super) fn write_central(&self, out: &mut Vec<u8>) {
        out.extend(b"PK\x01\x02\x14\x00\x14\x00");
        self.write_common(out);
        out.extend(self.name_length());
        // No extra field, no comment, first disk, no attributes.
        out.extend([0; 12]);
        out.extend(self.offset.to_le_bytes());
        out.extend(self.name.as_bytes());
    }

    fn write_common(&self, out: &mut Vec<u8>) {
        out.extend(low(self.flags));
        out.extend(low(self.method));
        // 1980-01-01, midnight.
        out.extend([0, 0, 0x21, 0]);
        for field in [self.crc, self.packed, self.size] {
            out.extend(field.to_le_bytes());
        }
    }

    fn name_length(&self) -> [u8; 2] {
        low(number(self.name.len()))
    }
}

/// What the end record is to say beside the truth.
#[derive(Default)]
pub(super) struct Ending {
    entries: u32,
    size: u32,
    offset: u32,
}

impl Ending {
    /// Adds to a field; an unknown one changes nothing.
    pub(super) fn lie(&mut self, field: &str, by: u32) {
        let field = match field {
            "entries" => &mut self.entries,
            "size" => &mut self.size,
            "offset" => &mut self.offset,
            _ => return,
        };
        *field = field.wrapping_add(by);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, entries: usize, size: usize, offset: usize) {
        let entries = low(number(entries).wrapping_add(self.entries));
        out.extend(b"PK\x05\x06\x00\x00\x00\x00");
        out.extend(entries);
        out.extend(entries);
        out.extend(number(size).wrapping_add(self.size).to_le_bytes());
        out.extend(number(offset).wrapping_add(self.offset).to_le_bytes());
        out.extend([0; 2]);
    }
}

/// DEFLATE without compression: blocks of bytes as they are (RFC 1951, 3.2.4).
pub(super) fn deflated(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in content.chunks(usize::from(u16::MAX)) {
        let length = low(number(block.len()));
        out.push(0);
        out.extend(length);
        out.extend(length.map(|byte| !byte));
        out.extend(block);
    }
    out.extend([1, 0, 0, 0xFF, 0xFF]);
    out
}

fn crc32(content: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
    !content.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    })
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn low(value: u32) -> [u8; 2] {
    let [first, second, ..] = value.to_le_bytes();
    [first, second]
}

const STORED: u32 = 0;
const DEFLATED: u32 = 8;
/// General purpose bit 11: the name is UTF-8.
const UTF8: u32 = 1 << 11;
