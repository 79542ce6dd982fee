//! What calls that change seats bring: each user's seat, or why there is none.

use crate::{
    Seat, SeatState,
    fault::{letters, tells_no_seats},
    lenient::Fields,
};
use serde_json::Value;

/// What a bulk call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatAction {
    /// Gives seats.
    Assign,
    /// Takes them back.
    Reclaim,
}

impl SeatAction {
    /// As the service calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::Reclaim => "reclaim",
        }
    }

    /// The state of a seat afterwards.
    const fn expected(self) -> SeatState {
        match self {
            Self::Assign => SeatState::Active,
            Self::Reclaim => SeatState::Revoked,
        }
    }
}

/// What a bulk call did; both lists filled is normal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkResult {
    /// What was asked.
    pub action: SeatAction,
    /// Took effect.
    pub done: Vec<Seat>,
    /// Did not.
    pub failed: Vec<FailedSeat>,
}

/// A seat that a bulk call could not give or take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedSeat {
    /// Whose.
    pub upn: String,
    /// Free text of the service, for people.
    pub reason: String,
}

/// What a bulk result says about one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect.
    Done,
    /// It did not, for a reason in the service's words.
    Failed(String),
    /// In neither list, in both, or in a state that contradicts the action: reading the seat decides.
    Unknown,
}

impl BulkResult {
    /// Reads the answer to an action. Null lists are empty ones; without an object there is no telling.
    pub fn read(action: SeatAction, json: &Value) -> Option<Self> {
        let fields = Fields::of(json)?;
        let seat = |value| seat_of(value, &action.expected());
        Some(Self {
            action,
            done: fields.list("seatDetails", seat).items,
            failed: fields.list("failedSeatOperations", FailedSeat::read).items,
        })
    }

    /// What it says about one user; names are compared without case.
    pub fn verdict(&self, upn: &str) -> Verdict {
        let same = |other: &str| other.trim().to_lowercase() == upn.trim().to_lowercase();
        let done = self.done.iter().find(|seat| same(&seat.upn));
        let failed = self.failed.iter().find(|failed| same(&failed.upn));
        match (done, failed) {
            (Some(seat), None) if seat.state == self.action.expected() => Verdict::Done,
            (None, Some(failed)) => Verdict::Failed(failed.reason.clone()),
            _ => Verdict::Unknown,
        }
    }
}

impl FailedSeat {
    /// Whether the reason says in words that all seats are taken; the count of the inventory knows better.
    pub fn tells_no_seats(&self) -> bool {
        tells_no_seats(&letters(&self.reason))
    }

    fn read(value: &Value) -> Option<Self> {
        let fields = Fields::of(value)?;
        Some(Self {
            upn: fields.text("userName")?,
            reason: fields.text("failureReason").unwrap_or_default(),
        })
    }
}

/// The seat in an answer about one user, if it is in the state that proves the operation.
pub fn seat_in_state(json: &Value, upn: &str, expected: &SeatState) -> Option<Seat> {
    let seat = Seat::of(Fields::of(json)?, upn.to_owned(), expected.clone());
    Some(seat).filter(|seat| seat.state == *expected)
}

fn seat_of(value: &Value, expected: &SeatState) -> Option<Seat> {
    let fields = Fields::of(value)?;
    Some(Seat::of(fields, fields.text("assignedTo")?, expected.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_verdicts_trust_no_contradiction() {
        let seat = |upn: &str, state| Seat {
            upn: upn.into(),
            assigned_at: None,
            state,
            key: None,
        };
        let failed = |upn: &str| FailedSeat {
            upn: upn.into(),
            reason: "why".into(),
        };
        let result = BulkResult {
            action: SeatAction::Assign,
            done: vec![
                seat("A@x.example", SeatState::Active),
                seat("b@x.example", SeatState::Active),
                seat("c@x.example", SeatState::Revoked),
            ],
            failed: vec![failed("b@x.example"), failed("d@x.example")],
        };
        let table = [
            ("a@X.example", Verdict::Done),
            ("b@x.example", Verdict::Unknown),
            ("c@x.example", Verdict::Unknown),
            ("d@x.example", Verdict::Failed("why".into())),
            ("e@x.example", Verdict::Unknown),
        ];
        for (upn, expected) in table {
            assert_eq!(result.verdict(upn), expected, "{upn}");
        }
    }
}
