//! When sessions are due.

use std::time::Duration;
use tokio::time::Instant;

/// A schedule of sessions.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<f64>,
    time: Duration,
    begun: Instant,
}

impl Pace {
    /// A rate that is no positive number means none.
    pub(super) fn new(rate: Option<f64>, time: Duration, begun: Instant) -> Self {
        let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
        Self { rate, time, begun }
    }

    /// When the session with this number (from 0) is due, asked at `now`; `None` where the time is over by then.
    pub(super) fn due(&self, number: u64, now: Instant) -> Option<Instant> {
        let due = match self.rate {
            Some(rate) => self.begun + after(number, rate),
            None => now,
        };
        (due < self.begun + self.time).then_some(due)
    }

    /// The time that passed, at least the planned one where there is a rate.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        let passed = now - self.begun;
        if self.rate.is_some() {
            passed.max(self.time)
        } else {
            passed
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "session numbers are far below 2^52")]
fn after(number: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn without_a_rate_sessions_are_due_at_once_until_the_time_is_over() {
        let begun = Instant::now();
        for rate in [None, Some(0.0), Some(-3.0), Some(f64::NAN)] {
            let pace = Pace::new(rate, SECOND, begun);
            let now = begun + SECOND / 2;
            assert_eq!(pace.due(1_000_000, now), Some(now));
            assert_eq!(pace.due(0, begun + SECOND), None);
        }
    }

    proptest! {
        #[test]
        fn a_rate_begins_as_many_sessions_as_it_says_however_late_they_are(
            rate in 1_u32..5000, seconds in 1_u64..20, late in 0_u64..100_000
        ) {
            let begun = Instant::now();
            let pace = Pace::new(Some(f64::from(rate)), Duration::from_secs(seconds), begun);
            let planned = u64::from(rate) * seconds;
            let now = begun + Duration::from_millis(late);
            prop_assert!(pace.due(planned - 1, now).is_some());
            prop_assert_eq!(pace.due(planned + 1, now), None);
            let (first, second) = (pace.due(0, now).unwrap(), pace.due(1, now).unwrap_or(begun));
            prop_assert_eq!(first, begun);
            prop_assert!(planned == 1 || second > first);
        }
    }
}
