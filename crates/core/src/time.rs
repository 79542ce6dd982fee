//! Time as a parameter: [`Timestamp`] (unix milliseconds) and the [`Clock`] that hands it out.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    fmt,
    ops::{Add, Sub},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A moment: milliseconds since 1970-01-01 UTC. Sent as RFC 3339 UTC, stored as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From unix milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }
    /// Unix milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
    /// Whole unix seconds.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// How long before `self` the `earlier` moment was; zero if it was not before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// Whether what was done at `last` and is due every so often is due at `self`. A moment that lies further in the
    /// future than one such period was noted by a wrong clock: then it is due as well.
    pub fn is_due(self, last: Self, every: Duration) -> bool {
        self.since(last) >= every || last.since(self) > every
    }
    /// As a calendar date; moments outside the calendar become the unix epoch.
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
    /// From a calendar date, cut to milliseconds.
    pub fn from_offset_date_time(date: OffsetDateTime) -> Self {
        Self(i64::try_from(date.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
    /// Reads RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Result<Self, time::error::Parse> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self::from_offset_date_time)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self
            .to_offset_date_time()
            .format(&Rfc3339)
            .map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}
impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}
impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(rhs.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

/// Where the time comes from; clones of a mock clock move together.
#[derive(Debug, Clone, Default)]
pub struct Clock(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    System,
    Mock(Arc<AtomicI64>),
    Adjustable(Arc<Adjustable>),
}

#[derive(Debug)]
struct Adjustable {
    own: Clock,
    by: AtomicI64,
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }
    /// A clock that stands still until [`Clock::advance`] moves it: for tests.
    pub fn mock(now: Timestamp) -> Self {
        Self(Source::Mock(Arc::new(AtomicI64::new(now.0))))
    }
    /// The present moment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system clock"
    )]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Mock(millis) => Timestamp(millis.load(Ordering::SeqCst)),
            Source::System => Timestamp::from_offset_date_time(OffsetDateTime::now_utc()),
            Source::Adjustable(clock) => {
                let by = clock.by.load(Ordering::SeqCst);
                Timestamp(clock.own.now().0.saturating_add(by))
            }
        }
    }
    /// This clock with a correction, none at first; clones are corrected together.
    #[must_use]
    pub fn adjustable(self) -> Self {
        let by = AtomicI64::new(0);
        Self(Source::Adjustable(Arc::new(Adjustable { own: self, by })))
    }
    /// The moment without the correction; `None` where there can be none.
    pub fn own(&self) -> Option<Timestamp> {
        match &self.0 {
            Source::Adjustable(clock) => Some(clock.own.now()),
            _ => None,
        }
    }
    /// Corrects an adjustable clock: so many milliseconds are added to its own time. The correction before it.
    pub fn adjust(&self, by: i64) -> i64 {
        match &self.0 {
            Source::Adjustable(clock) => clock.by.swap(by, Ordering::SeqCst),
            _ => 0,
        }
    }
    /// Sets a mock clock, also back; of an adjustable one its own time. Does nothing to the system's clock.
    pub fn set(&self, to: Timestamp) {
        match &self.0 {
            Source::Mock(now) => now.store(to.0, Ordering::SeqCst),
            Source::Adjustable(clock) => clock.own.set(to),
            Source::System => {}
        }
    }
    /// Moves a mock clock forward. The system's clock is left alone.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Source::Mock(millis) => {
                millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::SeqCst);
            }
            Source::Adjustable(clock) => clock.own.advance(by),
            Source::System => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_and_parse_as_rfc3339() {
        let at = Timestamp::from_millis(1_750_000_000_123);
        assert_eq!(at.to_string(), "2025-06-15T15:06:40.123Z");
        assert_eq!(
            Timestamp::parse_rfc3339("2025-06-15T17:06:40.123+02:00").unwrap(),
            at
        );
    }

    #[test]
    fn a_mock_clock_moves_only_when_told() {
        let clock = Clock::mock(Timestamp::from_millis(5));
        let twin = clock.clone();
        clock.advance(Duration::from_secs(1));
        assert_eq!(twin.now(), Timestamp::from_millis(1005));
    }

    #[test]
    fn a_correction_holds_for_every_clone_and_replaces_the_one_before() {
        let own = Clock::mock(Timestamp::from_millis(5000));
        assert_eq!((own.own(), own.adjust(9)), (None, 0));
        let clock = own.clone().adjustable();
        let twin = clock.clone();
        assert_eq!(clock.adjust(-1000), 0);
        assert_eq!(clock.adjust(-2000), -1000);
        assert_eq!(twin.now(), Timestamp::from_millis(3000));
        own.advance(Duration::from_secs(1));
        assert_eq!(twin.now(), Timestamp::from_millis(4000));
        assert_eq!(twin.own(), Some(Timestamp::from_millis(6000)));
    }
}
