//! Identifiers and dates as this service writes them.

use qm_core::{Rng, Timestamp};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use uuid::Uuid;

/// A random GUID.
pub(crate) fn guid(rng: &Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.bytes()).into_uuid()
}

/// ISO 8601 in UTC with seven fractional digits.
pub(crate) fn service_date(at: Timestamp) -> String {
    format(at, SERVICE_DATE)
}

/// A date for HTTP headers (RFC 9110).
pub(crate) fn http_date(at: Timestamp) -> String {
    format(at, HTTP_DATE)
}

/// Reads ISO 8601 with a zone and up to nine fractional digits; anything else is no date.
pub(crate) fn parse_date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()
}

fn format(at: Timestamp, description: &[BorrowedFormatItem<'_>]) -> String {
    let date = at.to_offset_date_time();
    date.format(description)
        .expect("the formats use only parts that every UTC date has")
}

const SERVICE_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]Z");
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_service_and_http_want_them() {
        let at = Timestamp::from_millis(1_750_000_000_123);
        assert_eq!(service_date(at), "2025-06-15T15:06:40.1230000Z");
        assert_eq!(http_date(at), "Sun, 15 Jun 2025 15:06:40 GMT");
    }

    #[test]
    fn reads_dates_with_a_zone_only() {
        for good in ["2025-06-15T15:06:40Z", "2025-06-15T15:06:40.1234567+02:00"] {
            assert!(parse_date(good).is_some(), "{good}");
        }
        for bad in [
            "2025-06-15T15:06:40",
            "\"2025-06-15T15:06:40Z\"",
            "2025-06-15T15:06:40 02:00",
            "now",
        ] {
            assert!(parse_date(bad).is_none(), "{bad}");
        }
    }
}
