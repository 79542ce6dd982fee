//! Background work as rows with leases.

use crate::{JobId, Timestamp, text_enum};
use uuid::Uuid;

text_enum! {
    /// What a job does.
    pub enum JobKind {
        /// Brings the catalogue in step with the Store (`payload`: `full`, `incremental` or `reconcile`).
        StoreSync = "store_sync",
        /// Assigns and reclaims the seats of one app (`key`: the app id).
        Seats = "seats",
        /// Downloads packages and licenses that an app's targets wait for (`key`: the app id).
        Content = "content",
    }
}
text_enum! {
    /// Where a job stands.
    pub enum JobState {
        /// Waits for its time or a worker.
        Queued = "queued",
        /// Under lease.
        Running = "running",
        /// Finished.
        Done = "done",
        /// Given up after too many attempts.
        Dead = "dead",
    }
}

/// A job that a worker holds the lease of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedJob {
    /// Primary key.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// What it is about; one queued job for each (kind, key).
    pub key: String,
    /// Particulars.
    pub payload: String,
    /// Attempts so far, this one included.
    pub attempts: i64,
    /// Proof of the lease; finishing with another token changes nothing.
    pub lease_token: Uuid,
    /// When the lease ends.
    pub lease_until: Timestamp,
}
