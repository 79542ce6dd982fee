//! The document's bytes as text, and the references in it.

use crate::{DecodeError, text};
use std::borrow::Cow;

/// Decodes by the bytes; what the XML declaration says about the encoding is not trusted.
pub(super) fn document(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [b'<', 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, b'<', ..] => utf16(bytes, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    std::str::from_utf8(bytes)
        .map(text::tidy)
        .map_err(|_| DecodeError::NotText)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, DecodeError> {
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return Err(DecodeError::NotText);
    };
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    text.map(|text| text::tidy_cow(Cow::Owned(text)))
        .map_err(|_| DecodeError::NotText)
}

/// The text of `&name;`. Character references to characters that XML forbids give none.
pub(super) fn reference(name: &str) -> Result<Cow<'static, str>, DecodeError> {
    Ok(Cow::Borrowed(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => return character(name.strip_prefix('#').ok_or(DecodeError::Entity)?).map(Cow::Owned),
    }))
}

fn character(number: &str) -> Result<String, DecodeError> {
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(DecodeError::Entity);
    }
    let code = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    Ok(code
        .filter(|c| text::is_legal(*c))
        .map_or_else(String::new, String::from))
}

#[cfg(test)]
mod tests {
    use super::{document, reference};

    #[test]
    fn text_is_found_by_its_bytes() {
        let le = |mark: &[u8], text: &str| {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            mark.iter().copied().chain(units).collect::<Vec<u8>>()
        };
        let be = |mark: &[u8], text: &str| {
            let units = text.encode_utf16().flat_map(u16::to_be_bytes);
            mark.iter().copied().chain(units).collect::<Vec<u8>>()
        };
        let text = "<a>Ä中😀</a>";
        let cases = [
            text.as_bytes().to_vec(),
            [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
            le(&[0xFF, 0xFE], text),
            be(&[0xFE, 0xFF], text),
            le(&[], text),
            be(&[], text),
        ];
        for bytes in cases {
            assert_eq!(document(&bytes).unwrap(), text, "{bytes:02x?}");
        }
    }

    #[test]
    fn refuses_bytes_that_are_no_text() {
        for bytes in [
            &b"<a>\xFF</a>"[..],
            b"\xFF\xFE<",
            b"\xFF\xFE\x00\xD8<\x00",
            b"\xC3",
        ] {
            assert!(document(bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn references_are_the_five_and_characters() {
        let cases = [
            ("lt", "<"),
            ("apos", "'"),
            ("#65", "A"),
            ("#x1F600", "😀"),
            ("#13", "\r"),
            ("#0", ""),
            ("#xD83D", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(reference(name).unwrap(), expected, "{name}");
        }
        assert_eq!(reference("#99999999999999999999").unwrap(), "");
        for name in ["nbsp", "", "#", "#x", "#-1", "#+65", "#xG", "LT", "#X41"] {
            assert!(reference(name).is_err(), "{name}");
        }
    }
}
