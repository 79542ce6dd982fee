//! Bytes, integers and strings, each read within bounds.

use crate::{DecodeError, WbxmlFault};

/// A cursor over the document.
pub(super) struct Bytes<'a> {
    document: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(document: &'a [u8]) -> Self {
        Self { document, at: 0 }
    }

    /// The next byte, if any is left.
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = *self.document.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.next().ok_or(DecodeError::Truncated)
    }

    /// `mb_u_int32`: groups of seven bits, highest first.
    pub(super) fn integer(&mut self) -> Result<u32, DecodeError> {
        let mut value: u32 = 0;
        for _ in 0..MAX_INTEGER_BYTES {
            let byte = self.byte()?;
            if value > u32::MAX >> 7 {
                break;
            }
            value = (value << 7) | u32::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fault(WbxmlFault::LongInteger))
    }

    /// A length and as many bytes.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.integer()?).map_err(|_| DecodeError::Truncated)?;
        let rest = self.document.get(self.at..).unwrap_or_default();
        let bytes = rest.get(..length).ok_or(DecodeError::Truncated)?;
        self.at += length;
        Ok(bytes)
    }

    /// The bytes up to a zero, which is passed.
    pub(super) fn terminated(&mut self) -> Result<&'a [u8], DecodeError> {
        let rest = self.document.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(DecodeError::Truncated)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// An error at the byte read last.
    pub(super) fn fault(&self, fault: WbxmlFault) -> DecodeError {
        DecodeError::Wbxml {
            offset: self.at.saturating_sub(1),
            fault,
        }
    }
}

/// Appends `mb_u_int32`.
pub(super) fn push_integer(out: &mut Vec<u8>, value: usize) {
    let mut groups = 1;
    while groups < MAX_INTEGER_BYTES && value >> (7 * groups) != 0 {
        groups += 1;
    }
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        let [low, ..] = (value >> (7 * group)).to_le_bytes();
        out.push((low & 0x7F) | more);
    }
}

const MAX_INTEGER_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::{Bytes, push_integer};
    use crate::{DecodeError, WbxmlFault};

    #[test]
    fn integers_are_read_as_they_were_written() {
        let cases: [(u32, &[u8]); 7] = [
            (0, &[0]),
            (0x7F, &[0x7F]),
            (0x80, &[0x81, 0x00]),
            (0x1201, &[0xA4, 0x01]),
            (0x3FFF, &[0xFF, 0x7F]),
            (0x20_0000, &[0x81, 0x80, 0x80, 0x00]),
            (u32::MAX, &[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (value, bytes) in cases {
            let mut out = Vec::new();
            push_integer(&mut out, value as usize);
            assert_eq!(out, bytes, "{value:#x}");
            assert_eq!(Bytes::new(bytes).integer().unwrap(), value);
        }
    }

    #[test]
    fn refuses_integers_of_more_than_32_bits_or_five_bytes() {
        for bytes in [
            &[0x90, 0x80, 0x80, 0x80, 0x00][..],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
        ] {
            let refused = Bytes::new(bytes).integer();
            assert!(matches!(
                refused,
                Err(DecodeError::Wbxml {
                    fault: WbxmlFault::LongInteger,
                    ..
                })
            ));
        }
        assert!(matches!(
            Bytes::new(&[0x81]).integer(),
            Err(DecodeError::Truncated)
        ));
    }

    #[test]
    fn refuses_lengths_beyond_the_end() {
        assert!(matches!(
            Bytes::new(&[3, b'a', b'b']).counted(),
            Err(DecodeError::Truncated)
        ));
        assert!(matches!(
            Bytes::new(&[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]).counted(),
            Err(DecodeError::Truncated)
        ));
        assert!(matches!(
            Bytes::new(b"ab").terminated(),
            Err(DecodeError::Truncated)
        ));
    }
}
