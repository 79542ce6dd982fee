//! Whoever wants to know exactly when something happens in the service, and may break the connection at that moment.

use crate::Operation;

/// A moment in the life of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The request is here; nothing was done yet.
    Received,
    /// It was carried out; the answer is not on its way yet.
    CarriedOut,
    /// Half of a package has been sent.
    HalfSent,
}

/// Sees the moments of every request that the service recognises.
pub trait Observer: Send + Sync {
    /// `false` closes the connection in place of what would follow.
    fn sees(&self, operation: Operation, moment: Moment) -> bool;
}
