//! Who waits, and who is served together.

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// Those who wait, in the order they came.
pub(super) struct Queue<K, T> {
    waiting: VecDeque<(Option<K>, T)>,
    free_lanes: usize,
    most: usize,
}

impl<K: Eq + Hash + Clone, T> Queue<K, T> {
    pub(super) fn new(lanes: usize, most: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            free_lanes: lanes.max(1),
            most: most.max(1),
        }
    }

    /// Goes to the end of the line. Whether a lane was free: it is the caller's now, who calls [`Self::next`] until there
    /// is nothing.
    pub(super) fn join(&mut self, key: Option<K>, item: T) -> bool {
        self.waiting.push_back((key, item));
        let free = self.free_lanes > 0;
        self.free_lanes -= usize::from(free);
        free
    }

    /// The next group: those in front, but of several with one key the first only; the others stay in front. When nobody
    /// waits, the lane is free again.
    pub(super) fn next(&mut self) -> Option<Vec<T>> {
        let (mut group, mut keys, mut passed_over) = (Vec::new(), HashSet::new(), Vec::new());
        while group.len() < self.most {
            let Some((key, item)) = self.waiting.pop_front() else {
                break;
            };
            if key.as_ref().is_some_and(|key| !keys.insert(key.clone())) {
                passed_over.push((key, item));
            } else {
                group.push(item);
            }
        }
        for earlier in passed_over.into_iter().rev() {
            self.waiting.push_front(earlier);
        }
        if group.is_empty() {
            self.free_lanes += 1;
            return None;
        }
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_is_served_alone_and_those_who_came_meanwhile_together() {
        let mut queue = Queue::<u8, _>::new(1, 3);
        assert!(queue.join(None, 1), "a lane is free");
        assert_eq!(queue.next(), Some(vec![1]));
        for item in 2..=5 {
            assert!(!queue.join(None, item), "the lane is taken");
        }
        assert_eq!(queue.next(), Some(vec![2, 3, 4]));
        assert_eq!(queue.next(), Some(vec![5]));
        assert_eq!(queue.next(), None);
        assert!(queue.join(None, 6), "and free again");
    }

    #[test]
    fn of_one_key_only_the_first_is_in_a_group_and_the_next_leads_the_next_one() {
        let mut queue = Queue::new(1, 3);
        for (key, item) in [('a', 1), ('a', 2), ('b', 3), ('a', 4), ('c', 5), ('d', 6)] {
            queue.join(Some(key), item);
        }
        assert_eq!(queue.next(), Some(vec![1, 3, 5]));
        assert_eq!(queue.next(), Some(vec![2, 6]));
        assert_eq!(queue.next(), Some(vec![4]));
    }

    #[test]
    fn as_many_lanes_are_taken_as_there_are() {
        let mut queue = Queue::<u8, _>::new(2, 8);
        assert!(queue.join(None, 1));
        assert!(queue.join(None, 2));
        assert!(!queue.join(None, 3));
    }

    proptest! {
        /// Whoever joins is served once; those of one key in their order and never together; nobody overtakes somebody
        /// of another key by more than what a group passes over.
        #[test]
        fn everybody_is_served_once_and_in_order(keys in prop::collection::vec(0_u8..6, 0..60), most in 1_usize..9) {
            let mut queue = Queue::new(1, most);
            for (item, key) in keys.iter().enumerate() {
                queue.join(Some(*key), (*key, item));
            }
            let mut served = Vec::new();
            while let Some(group) = queue.next() {
                prop_assert!(group.len() <= most);
                let distinct: HashSet<_> = group.iter().map(|(key, _)| key).collect();
                prop_assert_eq!(distinct.len(), group.len());
                served.extend(group);
            }
            for key in 0..6 {
                let of_key: Vec<_> = served.iter().filter(|(k, _)| *k == key).map(|(_, item)| *item).collect();
                prop_assert!(of_key.is_sorted());
            }
            let mut items: Vec<_> = served.iter().map(|(_, item)| *item).collect();
            items.sort_unstable();
            prop_assert_eq!(items, (0..keys.len()).collect::<Vec<_>>());
        }
    }
}
