//! The seat ledger: who holds a seat of an online-licensed app, and why.

use crate::{AppId, SeatId, Timestamp, text_enum};

text_enum! {
    /// Where a seat stands.
    pub enum SeatState {
        /// Asked for at the Store (or waiting for a free one).
        Assigning = "assigning",
        /// Confirmed by the Store.
        Assigned = "assigned",
        /// Being given back.
        Reclaiming = "reclaiming",
        /// Given back.
        Reclaimed = "reclaimed",
        /// The Store refused.
        Failed = "failed",
    }
}

/// A seat of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Primary key.
    pub id: SeatId,
    /// Of which app.
    pub app_id: AppId,
    /// Whose; lower case.
    pub upn: String,
    /// Where it stands.
    pub state: SeatState,
    /// Why it is held, for people: the deployments that need it, or that the Store reported it.
    pub reason: String,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Calls for the present state whose outcome is not known; while there are any, the Store is looked at first.
    pub attempts: i64,
}
