//! The `Range` header (RFC 9110, section 14).

use std::ops::Range;

/// Which part of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it; also where several parts are asked for, or the header makes no sense.
    Whole,
    /// These bytes.
    Part(Range<usize>),
    /// Bytes that the file does not have.
    Nothing,
}

impl Wanted {
    pub(super) fn parse(header: &str, total: usize) -> Self {
        let Some((first, last)) = header
            .strip_prefix("bytes=")
            .and_then(|range| range.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        match (first.parse(), last.parse::<usize>(), first, last) {
            (Ok(first), _, _, "") => Self::within(first, total, total),
            (Ok(first), Ok(last), ..) if first <= last => {
                Self::within(first, last.saturating_add(1).min(total), total)
            }
            (_, Ok(length), "", _) if length > 0 => Self::within(total.saturating_sub(length), total, total),
            (_, Ok(_), "", _) => Self::Nothing,
            _ => Self::Whole,
        }
    }

    const fn within(first: usize, end: usize, total: usize) -> Self {
        if first < total {
            Self::Part(first..end)
        } else {
            Self::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        for (header, wanted) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=4-", Wanted::Part(4..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=8-99", Wanted::Part(8..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=3-2", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("lines=0-3", Wanted::Whole),
            ("bytes=0-18446744073709551615", Wanted::Part(0..10)),
        ] {
            assert_eq!(Wanted::parse(header, 10), wanted, "{header}");
        }
        assert_eq!(Wanted::parse("bytes=0-", 0), Wanted::Nothing);
    }
}
