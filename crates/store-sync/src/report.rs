//! What the operations report.

use crate::SyncError;
use qm_core::{AppId, PackageId, SeatId, app::SeatCounts, seat::SeatState, text_enum};
use qm_store_client::{ProductKey, StoreError};

text_enum! {
    /// How much a synchronization looks at.
    pub enum Mode {
        /// The whole inventory; finds what is gone.
        Full = "full",
        /// What changed since the last synchronization; the whole inventory if there was none.
        Incremental = "incremental",
        /// The whole inventory, and who holds seats.
        Reconcile = "reconcile",
    }
}

/// What a synchronization found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncReport {
    /// Entries of the inventory that were looked at.
    pub products: usize,
    /// New in the catalogue.
    pub added: Vec<AppId>,
    /// Changed in the catalogue.
    pub changed: Vec<AppId>,
    /// No longer offered.
    pub removed: Vec<AppId>,
    /// Offline licenses that were fetched.
    pub licenses: usize,
    /// Entries that could not be read and have no key to name them by.
    pub unreadable: usize,
    /// Products of which something could not be had; the rest of them is stored.
    pub failures: Vec<ProductFailure>,
    /// Seats that the Store knew and the ledger did not.
    pub seats_found: usize,
    /// Seats that the ledger held and the Store did not know.
    pub seats_lost: usize,
    /// Apps with seats to assign or give back: each is due a seat round.
    pub seat_work: Vec<AppId>,
}

/// Something of a product that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductFailure {
    /// The product.
    pub key: ProductKey,
    /// What went wrong, for people.
    pub error: String,
    /// Whether another attempt may succeed.
    pub transient: bool,
}

impl ProductFailure {
    pub(crate) fn of_store(key: &ProductKey, error: &StoreError) -> Self {
        Self {
            key: key.clone(),
            error: error.to_string(),
            transient: error.is_transient(),
        }
    }

    pub(crate) fn of_sync(key: &ProductKey, error: &SyncError) -> Self {
        Self {
            key: key.clone(),
            error: error.to_string(),
            transient: error.is_transient(),
        }
    }

    /// A walk that misses what may be there is worth repeating.
    pub(crate) fn unlisted(key: &ProductKey, what: &str) -> Self {
        Self {
            transient: true,
            ..Self::told(key, what)
        }
    }

    pub(crate) fn told(key: &ProductKey, error: &str) -> Self {
        Self {
            key: key.clone(),
            error: error.to_owned(),
            transient: false,
        }
    }
}

/// What a seat round settled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeatRound {
    /// Seats that moved in the ledger.
    pub changes: Vec<SeatChange>,
    /// Users who wait because no seat is left; their rows stay `assigning`.
    pub waiting: Vec<String>,
    /// The app's seats as the Store counts them now, where it could be asked.
    pub counts: Option<SeatCounts>,
}

/// A seat that moved in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatChange {
    /// The row.
    pub seat_id: SeatId,
    /// Whose.
    pub upn: String,
    /// Where it stands now: `assigned`, `reclaimed` or `failed`.
    pub state: SeatState,
    /// The ledger's reason; for `failed` what the Store said.
    pub reason: String,
}

/// What is in the house now of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// Packages and frameworks that came in this time.
    pub packages: Vec<PackageId>,
    /// Packages and frameworks that were here already.
    pub present: Vec<PackageId>,
    /// Content ids of licenses that came in this time.
    pub licenses: Vec<String>,
}
