//! The request headers of RFC 9110 that decide which part of the content is sent.

use qm_core::Sha256;
use std::ops::Range;

/// What a request's `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it: 200.
    Whole,
    /// These bytes: 206 with [`content_range`].
    Part(Range<u64>),
    /// Nothing that is there: 416 with [`unsatisfied_range`].
    Unsatisfiable,
}

/// Reads a `Range` header (section 14.2). One that is malformed, in another unit or of several ranges is
/// ignored, as the section allows.
pub fn parse(header: Option<&str>, size: u64) -> Selection {
    match header.and_then(byte_range) {
        None => Selection::Whole,
        Some(ByteRange::Suffix(0)) => Selection::Unsatisfiable,
        Some(ByteRange::Suffix(_)) if size == 0 => Selection::Whole,
        Some(ByteRange::Suffix(length)) => Selection::Part(size.saturating_sub(length)..size),
        Some(ByteRange::From(first, _)) if first >= size => Selection::Unsatisfiable,
        Some(ByteRange::From(first, last)) => Selection::Part(first..last.saturating_add(1).min(size)),
    }
}

/// The `Content-Range` header of a 206 response.
pub fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

/// The `Content-Range` header of a 416 response.
pub fn unsatisfied_range(size: u64) -> String {
    format!("bytes */{size}")
}

/// The `ETag` of content: strong, because the address is the digest.
pub fn etag(sha256: &Sha256) -> String {
    format!("\"{sha256}\"")
}

/// Whether an `If-None-Match` header names this content, so that 304 is the answer.
pub fn if_none_match(header: &str, sha256: &Sha256) -> bool {
    let ours = etag(sha256);
    header
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == ours)
}

/// Whether an `If-Range` header names this content, so that the range counts; a date or a weak tag never does.
pub fn if_range(header: &str, sha256: &Sha256) -> bool {
    header.trim() == etag(sha256)
}

enum ByteRange {
    /// First and last byte, both included.
    From(u64, u64),
    /// That many at the end.
    Suffix(u64),
}

fn byte_range(header: &str) -> Option<ByteRange> {
    let (unit, ranges) = header.trim().split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = ranges.trim().split_once('-')?;
    match (first, last) {
        ("", last) => Some(ByteRange::Suffix(number(last)?)),
        (first, "") => Some(ByteRange::From(number(first)?, u64::MAX)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::From(first, last))
        }
    }
}

/// Digits only; a number beyond all sizes counts as the largest.
fn number(digits: &str) -> Option<u64> {
    let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        use Selection::{Part, Unsatisfiable, Whole};
        for (header, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-499", Part(0..500)),
            ("BYTES = 500-999", Part(500..1000)),
            ("bytes=900-5000", Part(900..1000)),
            ("bytes=999-", Part(999..1000)),
            ("bytes=0-", Part(0..1000)),
            ("bytes=-1", Part(999..1000)),
            ("bytes=-5000", Part(0..1000)),
            ("bytes=1-99999999999999999999999", Part(1..1000)),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,5-6", Whole),
            ("bytes=5-4", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes 0-1", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(parse(Some(header), 1000), expected, "{header}");
        }
        assert_eq!(parse(None, 1000), Whole);
        assert_eq!(parse(Some("bytes=0-"), 0), Unsatisfiable);
        assert_eq!(parse(Some("bytes=-5"), 0), Whole);
    }

    #[test]
    fn response_headers_are_those_of_the_standard() {
        assert_eq!(content_range(&(500..1000), 1000), "bytes 500-999/1000");
        assert_eq!(unsatisfied_range(1000), "bytes */1000");
    }

    #[test]
    fn validators_compare_as_the_standard_says() {
        let sha256 = Sha256([0xab; 32]);
        let tag = etag(&sha256);
        for (header, matches) in [
            (tag.clone(), true),
            ("*".to_owned(), true),
            (format!("\"x\", W/{tag}"), true),
            ("\"x\"".to_owned(), false),
            (sha256.to_string(), false),
        ] {
            assert_eq!(if_none_match(&header, &sha256), matches, "{header}");
        }
        assert!(if_range(&tag, &sha256));
        assert!(!if_range(&format!("W/{tag}"), &sha256));
        assert!(!if_range("Sat, 29 Oct 1994 19:43:31 GMT", &sha256));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_part_always_lies_within_the_content(header in "bytes=[0-9]{0,20}-[0-9]{0,20}", size in 0..50_u64) {
            if let Selection::Part(range) = parse(Some(&header), size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
