//! What may be repeated: a pure function over the operation and how its attempt ended.

use crate::Operation;

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service answered with this HTTP status.
    Status(u16),
    /// No connection came about: nothing was sent.
    Unsent,
    /// The request went out and no whole answer came back.
    Lost,
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The answer is good.
    Success,
    /// Try again, later each time.
    Retry,
    /// Get another token, then try again once.
    RenewToken,
    /// It may have taken effect: read the seat first.
    Ambiguous,
    /// Trying again cannot help.
    Final,
}

/// The class of an outcome: a seat is never taken or given twice because of a lost answer, everything else reads only.
pub const fn classify(operation: Operation, outcome: Outcome) -> Class {
    match outcome {
        Outcome::Status(200..=299) => Class::Success,
        Outcome::Status(401) => Class::RenewToken,
        // Refused before it was looked at: no effect to fear.
        Outcome::Status(408 | 429) | Outcome::Unsent => Class::Retry,
        Outcome::Status(500 | 502..=504) | Outcome::Lost => {
            if operation.changes_seats() {
                Class::Ambiguous
            } else {
                Class::Retry
            }
        }
        Outcome::Status(_) => Class::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: [Operation; 9] = [
        Operation::Inventory,
        Operation::ProductDetails,
        Operation::LocalizedDetails,
        Operation::OfflineLicense,
        Operation::Packages,
        Operation::Package,
        Operation::Seats,
        Operation::Seat,
        Operation::UserSeats,
    ];
    const WRITES: [Operation; 3] = [
        Operation::AssignSeat,
        Operation::ReclaimSeat,
        Operation::BulkSeats,
    ];

    #[test]
    fn classifies_every_outcome_of_every_operation() {
        let table = [
            (Outcome::Status(200), Class::Success, Class::Success),
            (Outcome::Status(204), Class::Success, Class::Success),
            (Outcome::Status(302), Class::Final, Class::Final),
            (Outcome::Status(400), Class::Final, Class::Final),
            (Outcome::Status(401), Class::RenewToken, Class::RenewToken),
            (Outcome::Status(403), Class::Final, Class::Final),
            (Outcome::Status(404), Class::Final, Class::Final),
            (Outcome::Status(408), Class::Retry, Class::Retry),
            (Outcome::Status(409), Class::Final, Class::Final),
            (Outcome::Status(410), Class::Final, Class::Final),
            (Outcome::Status(411), Class::Final, Class::Final),
            (Outcome::Status(429), Class::Retry, Class::Retry),
            (Outcome::Status(500), Class::Retry, Class::Ambiguous),
            (Outcome::Status(501), Class::Final, Class::Final),
            (Outcome::Status(502), Class::Retry, Class::Ambiguous),
            (Outcome::Status(503), Class::Retry, Class::Ambiguous),
            (Outcome::Status(504), Class::Retry, Class::Ambiguous),
            (Outcome::Unsent, Class::Retry, Class::Retry),
            (Outcome::Lost, Class::Retry, Class::Ambiguous),
        ];
        for (outcome, read, write) in table {
            for operation in READS {
                assert_eq!(classify(operation, outcome), read, "{operation} {outcome:?}");
            }
            for operation in WRITES {
                assert_eq!(classify(operation, outcome), write, "{operation} {outcome:?}");
            }
        }
    }
}
