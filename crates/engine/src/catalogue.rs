//! What changed between the catalogue and a walk of the Store's inventory.

use std::collections::{BTreeMap, BTreeSet};

/// Differences after a walk. Keys are (product id, SKU id).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the Store, not in the catalogue.
    pub added: BTreeSet<Key>,
    /// In both, but not as they were.
    pub changed: BTreeSet<Key>,
    /// In the catalogue, no longer offered.
    pub removed: BTreeSet<Key>,
}

/// A product of the Store: product id and SKU id.
pub type Key = (String, String);

/// Compares the catalogue with what a walk saw. Values are fingerprints of what the catalogue keeps.
/// Only a `complete` walk can tell that something is gone: an incremental or broken one removes nothing.
pub fn difference<F: PartialEq>(
    known: &BTreeMap<Key, F>,
    seen: &BTreeMap<Key, F>,
    complete: bool,
) -> Difference {
    let mut difference = Difference::default();
    for (key, fingerprint) in seen {
        match known.get(key) {
            None => difference.added.insert(key.clone()),
            Some(old) if old != fingerprint => difference.changed.insert(key.clone()),
            Some(_) => false,
        };
    }
    if complete {
        difference.removed = known
            .keys()
            .filter(|key| !seen.contains_key(*key))
            .cloned()
            .collect();
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn tells_added_changed_and_removed_apart() {
        let found = difference(
            &map(&[("a", 1), ("b", 1), ("c", 1)]),
            &map(&[("b", 2), ("c", 1), ("d", 1)]),
            true,
        );
        assert_eq!(
            (ids(&found.added), ids(&found.changed), ids(&found.removed)),
            (vec!["d"], vec!["b"], vec!["a"])
        );
    }

    #[test]
    fn an_incomplete_walk_removes_nothing() {
        assert!(difference(&map(&[("a", 1)]), &map(&[]), false).removed.is_empty());
    }
}
