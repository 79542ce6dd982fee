//! Who has a seat of what.

use crate::{catalogue::ProductKey, journal::fold};
use qm_core::{Timestamp, text_enum};
use std::collections::BTreeMap;

text_enum! {
    /// The state of a seat.
    pub enum SeatState {
        /// Assigned.
        Active = "Active",
        /// Given back.
        Revoked = "Revoked",
    }
}

/// A seat, given or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatRecord {
    /// The product.
    pub key: ProductKey,
    /// The user, spelled as in the directory.
    pub upn: String,
    /// Active or revoked.
    pub state: SeatState,
    /// When it was assigned last.
    pub assigned_at: Timestamp,
    /// When its state changed last.
    pub changed_at: Timestamp,
    /// Somebody else than the management tool assigned it: the user in the portal, or the device.
    pub claimed: bool,
}

/// The seats, by product and folded user name.
#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeMap<(ProductKey, String), SeatRecord>);

impl Ledger {
    /// The user's active seat.
    pub(crate) fn active(&self, key: &ProductKey, user: &str) -> Option<&SeatRecord> {
        self.0
            .get(&(key.clone(), fold(user)))
            .filter(|seat| seat.state == SeatState::Active)
    }

    /// Active seats of a product.
    pub(crate) fn active_of<'a>(&'a self, key: &'a ProductKey) -> impl Iterator<Item = &'a SeatRecord> {
        self.0
            .range((key.clone(), String::new())..)
            .take_while(move |((other, _), _)| other == key)
            .map(|(_, seat)| seat)
            .filter(|seat| seat.state == SeatState::Active)
    }

    /// Active seats of a user.
    pub(crate) fn held_by(&self, user: &str) -> impl Iterator<Item = &SeatRecord> {
        let user = fold(user);
        self.all_active().filter(move |seat| fold(&seat.upn) == user)
    }

    fn all_active(&self) -> impl Iterator<Item = &SeatRecord> {
        self.0.values().filter(|seat| seat.state == SeatState::Active)
    }

    /// Every seat that there ever was.
    pub(crate) fn all(&self) -> Vec<SeatRecord> {
        self.0.values().cloned().collect()
    }

    /// Assigns a seat; an active one stays as it is.
    pub(crate) fn assign(
        &mut self,
        key: &ProductKey,
        upn: &str,
        now: Timestamp,
        claimed: bool,
    ) -> &SeatRecord {
        let fresh = SeatRecord {
            key: key.clone(),
            upn: upn.to_owned(),
            state: SeatState::Active,
            assigned_at: now,
            changed_at: now,
            claimed,
        };
        let seat = self
            .0
            .entry((key.clone(), fold(upn)))
            .or_insert_with(|| fresh.clone());
        if seat.state == SeatState::Revoked {
            *seat = fresh;
        }
        seat
    }

    /// Takes an active seat back.
    pub(crate) fn reclaim(&mut self, key: &ProductKey, user: &str, now: Timestamp) -> Option<&SeatRecord> {
        let seat = self.0.get_mut(&(key.clone(), fold(user)))?;
        if seat.state == SeatState::Revoked {
            return None;
        }
        seat.state = SeatState::Revoked;
        seat.changed_at = now;
        Some(seat)
    }

    /// The user's seats go with the account.
    pub(crate) fn reclaim_all_of(&mut self, user: &str, now: Timestamp) {
        let user = fold(user);
        for ((_, owner), seat) in &mut self.0 {
            if *owner == user && seat.state == SeatState::Active {
                seat.state = SeatState::Revoked;
                seat.changed_at = now;
            }
        }
    }

    /// The user has another name from now on.
    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        let old = fold(old);
        for ((key, owner), mut seat) in std::mem::take(&mut self.0) {
            if owner == old {
                new.clone_into(&mut seat.upn);
            }
            self.0.insert((key, fold(&seat.upn)), seat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1000);
    const LATER: Timestamp = Timestamp::from_millis(2000);

    #[test]
    fn assigning_again_changes_nothing_and_after_a_reclaim_begins_anew() {
        let key = ProductKey::new("9A", "0010");
        let mut ledger = Ledger::default();
        ledger.assign(&key, "Ann@x", NOW, false);
        assert_eq!(ledger.assign(&key, "ann@X", LATER, false).assigned_at, NOW);
        assert_eq!(
            ledger.reclaim(&key, "ann@x", LATER).unwrap().state,
            SeatState::Revoked
        );
        assert_eq!(ledger.reclaim(&key, "ann@x", LATER), None);
        assert_eq!(ledger.active_of(&key).count(), 0);
        assert_eq!(ledger.assign(&key, "ann@x", LATER, true).assigned_at, LATER);
        assert_eq!(ledger.all().len(), 1);
    }

    #[test]
    fn a_renamed_user_keeps_the_seats() {
        let key = ProductKey::new("9A", "0010");
        let mut ledger = Ledger::default();
        ledger.assign(&key, "ann@x", NOW, false);
        ledger.assign(&key, "bob@x", NOW, false);
        ledger.rename("ANN@x", "anna@x");
        assert!(ledger.active(&key, "anna@x").is_some());
        assert!(ledger.active(&key, "ann@x").is_none());
        assert_eq!(ledger.held_by("bob@x").count(), 1);
    }
}
