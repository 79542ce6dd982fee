//! Dates of the service: ISO 8601 with any number of fractional digits and perhaps no zone.

use qm_core::Timestamp;
use std::time::Duration;
use time::{
    OffsetDateTime, format_description::BorrowedFormatItem, format_description::well_known::Rfc2822,
    macros::format_description,
};

/// Reads a date; without a zone it is UTC. The year 1 stands for "never" and gives `None`, as does any other text.
pub fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim().to_ascii_uppercase();
    let date = Timestamp::parse_rfc3339(&text)
        .or_else(|_| Timestamp::parse_rfc3339(&format!("{text}Z")))
        .ok()?;
    (date.to_offset_date_time().year() > 1).then_some(date)
}

/// Writes a date for `modifiedSince`: UTC, seven fractional digits.
pub fn write(at: Timestamp) -> String {
    at.to_offset_date_time()
        .format(FORMAT)
        .unwrap_or_else(|_| at.to_string())
}

/// Reads a date of an HTTP header.
pub fn read_http(text: &str) -> Option<Timestamp> {
    OffsetDateTime::parse(text.trim(), &Rfc2822)
        .ok()
        .map(Timestamp::from_offset_date_time)
}

/// How long a `Retry-After` header asks to wait: seconds, or a date by the clock that says `now`. At most
/// [`LONGEST_WAIT`]: more is not believed.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let seconds = text.trim().parse().ok().map(Duration::from_secs);
    let wait = seconds.or_else(|| read_http(text).map(|date| date.since(now)));
    wait.map(|wait| wait.min(LONGEST_WAIT))
}

/// What a host may ask for at most.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]Z");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_spellings_of_the_service() {
        let expected = Timestamp::from_millis(1_708_330_495_128);
        for text in [
            "2024-02-19T08:14:55.1284417Z",
            "2024-02-19T08:14:55.128Z",
            "2024-02-19T08:14:55.128999999",
            "2024-02-19T10:14:55.1284417+02:00",
            " 2024-02-19t08:14:55.1284417z ",
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        assert_eq!(
            read("2024-02-19T08:14:55"),
            Some(Timestamp::from_millis(1_708_330_495_000))
        );
        for text in [
            "",
            "yesterday",
            "2024-02-30T00:00:00Z",
            "0001-01-01T00:00:00",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn writes_seven_digits_in_utc() {
        assert_eq!(
            write(Timestamp::from_millis(1_708_330_495_128)),
            "2024-02-19T08:14:55.1280000Z"
        );
    }

    #[test]
    fn reads_dates_of_headers() {
        assert_eq!(
            read_http("Mon, 19 Feb 2024 08:14:55 GMT"),
            Some(Timestamp::from_millis(1_708_330_495_000))
        );
        assert_eq!(read_http("soon"), None);
    }
}
