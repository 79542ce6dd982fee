//! Clocks of several servers on one database: whose time counts.
//!
//! Leases, deadlines and silences are compared by whichever server looks, so all of them have to mean the same moment. The
//! database's clock is the one that all can ask.

use qm_core::Timestamp;
use std::time::Duration;

/// What a look at the database's clock tells of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The answer took too long to tell anything.
    Unknown,
    /// Good enough.
    InStep,
    /// So many milliseconds have to be added to our clock.
    Off(i64),
    /// As [`Off`](Self::Off), but one of the two must be wrong by more than anybody should follow.
    TooFar(i64),
}

/// Compares our clock, read when the database was asked and when it had answered, with its answer.
pub fn compare(asked: Timestamp, theirs: Timestamp, answered: Timestamp) -> Difference {
    let took = answered.as_millis().saturating_sub(asked.as_millis());
    if !(0..=millis(LONGEST_LOOK)).contains(&took) {
        return Difference::Unknown;
    }
    let ours = asked.as_millis() + took / 2;
    let off = theirs.as_millis().saturating_sub(ours);
    match off.saturating_abs() {
        apart if apart <= millis(IN_STEP) => Difference::InStep,
        apart if apart <= millis(FARTHEST) => Difference::Off(off),
        _ => Difference::TooFar(off),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Half of it is how wrong the comparison may be.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// Clocks that are kept right differ by less; the shortest lease lasts longer.
const IN_STEP: Duration = Duration::from_secs(1);
/// Certificates are valid from a day before they were issued: a clock that is wrong by more would shut devices out.
const FARTHEST: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_difference_is_followed_from_a_second_to_a_day() {
        for (theirs, took, difference) in [
            (0, 0, Difference::InStep),
            (1000, 0, Difference::InStep),
            (-1000, 0, Difference::InStep),
            (1001, 0, Difference::Off(1001)),
            (-3_600_000, 0, Difference::Off(-3_600_000)),
            (DAY, 0, Difference::Off(DAY)),
            (DAY + 1, 0, Difference::TooFar(DAY + 1)),
            (-DAY - 1, 0, Difference::TooFar(-DAY - 1)),
            // What the answer took is halved between the way there and the way back.
            (1300, 600, Difference::InStep),
            (1301, 600, Difference::Off(1001)),
            (5000, 1001, Difference::Unknown),
            (5000, -1, Difference::Unknown),
        ] {
            let found = compare(at(NOW), at(NOW + theirs), at(NOW + took));
            assert_eq!(found, difference, "{theirs} {took}");
        }
    }

    proptest! {
        /// Whatever the clocks say, whoever follows is right by the time that the answer took and the tolerance.
        #[test]
        fn whoever_follows_is_in_step(own in -DAY..DAY, there in 0_i64..500, back in 0_i64..500) {
            let (asked, theirs) = (at(NOW + own), at(NOW + there));
            let off = match compare(asked, theirs, at(NOW + own + there + back)) {
                Difference::Off(off) => off,
                Difference::InStep => 0,
                // A day and the time of the answer.
                Difference::TooFar(off) => {
                    prop_assert!(off.abs() > DAY);
                    return Ok(());
                }
                Difference::Unknown => return Err(TestCaseError::fail("it took less than a second")),
            };
            prop_assert!((own + off).abs() <= 1500, "{own} {off}");
        }

        #[test]
        fn no_clock_makes_it_panic(asked: i64, theirs: i64, answered: i64) {
            compare(at(asked), at(theirs), at(answered));
        }
    }
}
