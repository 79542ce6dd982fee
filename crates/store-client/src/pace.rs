//! How slow a download may be: a content network that sends a byte now and then would hold up all others for ever.

use std::time::{Duration, Instant};

/// Bytes in the present stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    begun: Instant,
    bytes: u64,
}

impl Pace {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { begun: now, bytes: 0 }
    }

    /// Notes what arrived; `false` where too little did in the last stretch.
    pub(crate) fn keeps_up(&mut self, now: Instant, arrived: usize) -> bool {
        self.bytes = self.bytes.saturating_add(arrived as u64);
        if now.saturating_duration_since(self.begun) < STRETCH {
            return true;
        }
        let enough = self.bytes >= LEAST;
        *self = Self::new(now);
        enough
    }
}

const STRETCH: Duration = Duration::from_mins(1);
/// About a kilobyte each second.
const LEAST: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_does_not_keep_up_and_a_slow_line_does() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut trickle = Pace::new(start);
        assert!((1..60).all(|second| trickle.keeps_up(after(second), 1)));
        assert!(!trickle.keeps_up(after(60), 1));
        let mut slow = Pace::new(start);
        assert!((1..600).all(|second| slow.keeps_up(after(second), 2000)));
        let mut waiting = Pace::new(start);
        assert!(
            waiting.keeps_up(after(61), 70_000),
            "a burst after a pause counts"
        );
        assert!(!waiting.keeps_up(after(122), 0), "each stretch for itself");
    }
}
