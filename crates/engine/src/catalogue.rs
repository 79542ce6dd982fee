//! What changed between the catalogue and a walk of the Store's inventory.

use qm_core::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Differences after a walk. Keys are (product id, SKU id).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the Store, not in the catalogue.
    pub added: BTreeSet<Key>,
    /// In both, but not as they were.
    pub changed: BTreeSet<Key>,
}

/// A product of the Store: product id and SKU id.
pub type Key = (String, String);

/// Compares the catalogue with what a walk saw. Values are fingerprints of what the catalogue keeps. What a walk did not
/// see is no difference: see [`judge`].
pub fn difference<F: PartialEq>(known: &BTreeMap<Key, F>, seen: &BTreeMap<Key, F>) -> Difference {
    let mut difference = Difference::default();
    for (key, fingerprint) in seen {
        match known.get(key) {
            None => difference.added.insert(key.clone()),
            Some(old) if old != fingerprint => difference.changed.insert(key.clone()),
            Some(_) => false,
        };
    }
    difference
}

/// What the Store says of one product that is asked for by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The organization does not have it any more.
    Gone,
    /// It is there, whatever the list says.
    Offered,
    /// Nothing that would decide it.
    Unsaid,
}

/// What becomes of a product that a complete walk did not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It stays: the walk was wrong.
    Keep,
    /// It is removed from the catalogue.
    Remove,
    /// It stays until a later walk confirms that it is gone.
    Suspect,
}

/// Judges a product that a complete walk did not list. `since` is when a walk first missed it, `great` whether this walk
/// [lost too much](is_great_loss) to be believed at once.
pub fn judge(asked: Asked, since: Option<Timestamp>, great: bool, now: Timestamp) -> Verdict {
    match (asked, great) {
        (Asked::Gone, false) => Verdict::Remove,
        (_, false) if since.is_some() => Verdict::Remove,
        (Asked::Gone, true) if missing_for_long(since, now) => Verdict::Remove,
        (Asked::Offered, true) => Verdict::Keep,
        _ => Verdict::Suspect,
    }
}

/// Whether a walk that misses much again counts as the second one.
pub fn missing_for_long(since: Option<Timestamp>, now: Timestamp) -> bool {
    since.is_some_and(|since| now.since(since) >= SECOND_WALK)
}

/// Whether so many of the catalogue's products are missing at once that a fault of the Store is likelier than a choice of
/// the organization: all of several, or over half of more than a few.
pub const fn is_great_loss(missing: usize, known: usize) -> bool {
    (missing >= known && known > 1) || (known > A_FEW && missing > known / 2)
}

/// Walks that are closer together see the same fault.
const SECOND_WALK: Duration = Duration::from_hours(12);
const A_FEW: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(entries: &[(&str, u8)]) -> BTreeMap<Key, u8> {
        entries
            .iter()
            .map(|(id, v)| (((*id).to_owned(), "0010".to_owned()), *v))
            .collect()
    }
    fn ids(keys: &BTreeSet<Key>) -> Vec<&str> {
        keys.iter().map(|k| k.0.as_str()).collect()
    }

    #[test]
    fn tells_added_and_changed_apart() {
        let found = difference(
            &map(&[("a", 1), ("b", 1), ("c", 1)]),
            &map(&[("b", 2), ("c", 1), ("d", 1)]),
        );
        assert_eq!((ids(&found.added), ids(&found.changed)), (vec!["d"], vec!["b"]));
    }

    #[test]
    fn what_is_missing_goes_only_when_it_is_confirmed() {
        use Asked::{Gone, Offered, Unsaid};
        use Verdict::{Keep, Remove, Suspect};
        let now = Timestamp::from_millis(1_760_000_000_000);
        let (first, soon, later) = (
            None,
            Some(now - Duration::from_hours(11)),
            Some(now - Duration::from_hours(12)),
        );
        // A few missing: first walk, another one soon, a later one; the same with a great loss.
        let table = [
            (Gone, [Remove, Remove, Remove], [Suspect, Suspect, Remove]),
            (Unsaid, [Suspect, Remove, Remove], [Suspect, Suspect, Suspect]),
            (Offered, [Suspect, Remove, Remove], [Keep, Keep, Keep]),
        ];
        for (asked, few, many) in table {
            let verdicts = |great| [first, soon, later].map(|since| judge(asked, since, great, now));
            assert_eq!((verdicts(false), verdicts(true)), (few, many), "{asked:?}");
        }
    }

    #[test]
    fn all_or_over_half_at_once_is_a_great_loss() {
        let table = [
            (0, 0, false),
            (1, 1, false),
            (1, 2, false),
            (2, 2, true),
            (3, 4, false),
            (4, 4, true),
            (2, 5, false),
            (3, 5, true),
            (30, 60, false),
            (31, 60, true),
        ];
        for (missing, known, great) in table {
            assert_eq!(is_great_loss(missing, known), great, "{missing} of {known}");
        }
    }

    proptest! {
        /// More missing never makes a loss smaller, and what the Store offers or what walks of one day missed stays.
        #[test]
        fn a_single_walk_never_empties_a_catalogue(
            known in 2..5000_usize,
            missing in 0..5000_usize,
            age in proptest::option::of(0..11 * 3_600_000_u64),
        ) {
            let (missing, now) = (missing.min(known), Timestamp::from_millis(1_760_000_000_000));
            prop_assert!(is_great_loss(known, known));
            if is_great_loss(missing, known) {
                prop_assert!(missing == known || is_great_loss(missing + 1, known));
                let since = age.map(|millis| now - Duration::from_millis(millis));
                for asked in [Asked::Gone, Asked::Offered, Asked::Unsaid] {
                    prop_assert_ne!(judge(asked, since, true, now), Verdict::Remove);
                }
            }
        }
    }
}
