//! Failures that are forgiven with time: the limit on everything that guesses.

use crate::Timestamp;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many failures each key may have. Only failures count; whoever makes none is never held up.
///
/// A key's failures are one moment, until which they last: each adds the time in which one is forgiven (GCRA). Keys
/// without failures take no memory, and there are never more than a fixed number of keys.
#[derive(Debug)]
pub struct FailureLimit<K> {
    allowed: u32,
    each: Duration,
    until: Mutex<HashMap<K, Timestamp>>,
}

/// The most keys that are remembered; about 4 MB.
const KEYS: usize = 65_536;

impl<K: Hash + Eq + Clone> FailureLimit<K> {
    /// At most `allowed` failures at once, all of them forgiven evenly in `within`; 0 allows any number.
    pub fn new(allowed: u32, within: Duration) -> Self {
        let each = within / allowed.max(1);
        Self {
            allowed,
            each,
            until: Mutex::default(),
        }
    }

    /// How long this key has to wait before it may try again; `None` where it may try now.
    pub fn wait(&self, key: &K, now: Timestamp) -> Option<Duration> {
        let until = *self.known().get(key)?;
        let wait = until.since(now + self.each * (self.allowed - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts a failure. Failures of tries that ran at the same time do not add up beyond the limit.
    pub fn failed(&self, key: &K, now: Timestamp) {
        if self.allowed == 0 {
            return;
        }
        let mut known = self.known();
        if known.len() >= KEYS && !known.contains_key(key) {
            forget(&mut known, now);
        }
        let until = known.entry(key.clone()).or_insert(now);
        *until = ((*until).max(now) + self.each).min(now + self.each * self.allowed);
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.known().len()
    }

    /// Whether nobody has failed of late.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn known(&self) -> MutexGuard<'_, HashMap<K, Timestamp>> {
        // A panic while the lock was held leaves a map that is still good.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets what is forgiven; where that is not enough, also the half that would be forgiven first.
fn forget<K: Hash + Eq + Clone>(known: &mut HashMap<K, Timestamp>, now: Timestamp) {
    known.retain(|_, until| *until > now);
    if known.len() < KEYS {
        return;
    }
    let mut ends: Vec<_> = known.values().copied().collect();
    let (_, median, _) = ends.select_nth_unstable(KEYS / 2);
    let median = *median;
    let mut surplus = KEYS / 2;
    known.retain(|_, until| {
        let keep = *until > median || surplus == 0;
        surplus -= usize::from(!keep);
        keep
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_770_000_000_000);
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn failures_use_up_the_limit_and_are_forgiven_one_by_one() {
        let limit = FailureLimit::new(3, 3 * MINUTE);
        for _ in 0..3 {
            assert_eq!(limit.wait(&"a", NOW), None);
            limit.failed(&"a", NOW);
        }
        assert_eq!(limit.wait(&"a", NOW), Some(MINUTE));
        assert_eq!(limit.wait(&"b", NOW), None, "others are not held up");
        assert_eq!(limit.wait(&"a", NOW + MINUTE), None);
        limit.failed(&"a", NOW + MINUTE);
        assert_eq!(limit.wait(&"a", NOW + MINUTE), Some(MINUTE));
        assert_eq!(limit.wait(&"a", NOW + 5 * MINUTE), None);
    }

    #[test]
    fn failures_of_tries_at_the_same_time_do_not_add_up() {
        let limit = FailureLimit::new(2, 2 * MINUTE);
        for _ in 0..50 {
            limit.failed(&"a", NOW);
        }
        assert_eq!(limit.wait(&"a", NOW), Some(MINUTE));
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let limit = FailureLimit::new(0, MINUTE);
        for _ in 0..1000 {
            limit.failed(&"a", NOW);
        }
        assert_eq!((limit.wait(&"a", NOW), limit.len()), (None, 0));
        assert!(limit.is_empty());
    }

    #[test]
    fn many_keys_take_bounded_memory_and_the_worst_offenders_are_kept() {
        let limit = FailureLimit::new(5, 5 * MINUTE);
        for _ in 0..5 {
            limit.failed(&0, NOW);
        }
        for key in 1..=2 * KEYS {
            limit.failed(&key, NOW);
        }
        assert!(limit.len() <= KEYS);
        assert!(limit.wait(&0, NOW).is_some());
        for key in 1..=KEYS {
            limit.failed(&(3 * KEYS + key), NOW + 10 * MINUTE);
        }
        assert!(limit.len() <= KEYS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_more_failures_get_through_than_allowed_and_forgiven(
            allowed in 1_u32..20,
            gaps in prop::collection::vec(0_u64..30_000, 1..200),
        ) {
            let limit = FailureLimit::new(allowed, 20 * MINUTE);
            let (mut now, mut through) = (NOW, 0_u64);
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                if limit.wait(&(), now).is_none() {
                    limit.failed(&(), now);
                    through += 1;
                }
            }
            let forgiven = now.since(NOW).as_millis() / limit.each.as_millis();
            prop_assert!(u128::from(through) <= u128::from(allowed) + forgiven);
        }

        #[test]
        fn the_time_to_wait_is_enough(failures in 1_u32..40, allowed in 1_u32..20) {
            let limit = FailureLimit::new(allowed, 10 * MINUTE);
            for _ in 0..failures {
                limit.failed(&(), NOW);
            }
            let wait = limit.wait(&(), NOW).unwrap_or_default();
            prop_assert_eq!(limit.wait(&(), NOW + wait), None);
            prop_assert_eq!(wait.is_zero(), failures < allowed);
        }
    }
}
