//! Whether the Store may be asked: the record of its health that all servers share.

use crate::{Timestamp, text_enum};

text_enum! {
    /// Whether requests go to the Store.
    pub enum CircuitState {
        /// They do.
        Closed = "closed",
        /// They do not; it is left alone until a moment that is known.
        Open = "open",
        /// One request is under way to see whether it is well again.
        HalfOpen = "half_open",
    }
}

/// The Store's health as far as it is known. The moves are in `qm-engine::circuit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    /// Whether requests go out.
    pub state: CircuitState,
    /// Since when it is in this state; `None` where it was never in another.
    pub since: Option<Timestamp>,
    /// While open, when the Store is asked again; while half-open, when the answer is no longer waited for.
    pub retry_at: Option<Timestamp>,
    /// What went wrong, for people; `None` while closed.
    pub reason: Option<String>,
    /// Operations in a row that met an outage while closed.
    pub failures: i64,
    /// How often it opened since an operation last went well: each time longer.
    pub openings: i64,
}

impl Default for Circuit {
    /// Closed, and nothing ever happened.
    fn default() -> Self {
        Self {
            state: CircuitState::Closed,
            since: None,
            retry_at: None,
            reason: None,
            failures: 0,
            openings: 0,
        }
    }
}
