//! The life of a deployment's target: one function for each thing that can happen to it.
//!
//! [`next`] says what has to be done outside the device; [`due`] which step to send when the device calls;
//! the `on_…` functions what an event changes. All of them only compute; a move that
//! [`TargetState::can_become`] forbids is never proposed.

mod due;
mod events;

pub use due::{Delivery, Due, Materials, commands, due};
pub use events::{Answer, Change, on_alert, on_answer, on_deadline, on_inventory};

use qm_core::{
    Timestamp,
    app::LicenseKind,
    deployment::{Intent, Target, TargetState},
    seat::SeatState,
};
use std::time::Duration;

/// How often commands are sent before a target is given up.
pub const MAX_ATTEMPTS: i64 = 5;
const DAY: Duration = Duration::from_hours(24);

/// What the catalogue and the seat ledger hold for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// How the app is licensed.
    pub license: LicenseKind,
    /// The user's seat, if there is one.
    pub seat: Option<SeatState>,
    /// The offline license for the chosen package is here.
    pub license_present: bool,
    /// The chosen package and its frameworks are in the content store.
    pub content_present: bool,
}

/// The one thing to do next for a target that the device need not hear of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is ready, final, or waits for somebody else.
    Nothing,
    /// Assign the user's seat at the Store.
    AssignSeat,
    /// Download package, frameworks or license.
    FetchContent,
    /// Everything is there: let the device have it.
    Queue,
}

/// Asks for one action. Nothing is queued before the seat is confirmed or the license and content are here.
pub fn next(target: &Target, ready: Readiness) -> Action {
    if !matches!(target.state, TargetState::Planned | TargetState::AwaitingSeat) {
        return Action::Nothing;
    }
    match target.intent {
        Intent::Available => Action::Nothing,
        Intent::Uninstall => Action::Queue,
        Intent::Required => match ready.license {
            LicenseKind::Online if ready.seat == Some(SeatState::Assigned) => Action::Queue,
            LicenseKind::Online => Action::AssignSeat,
            LicenseKind::Offline if !(ready.license_present && ready.content_present) => Action::FetchContent,
            LicenseKind::None if !ready.content_present => Action::FetchContent,
            LicenseKind::Offline | LicenseKind::None => Action::Queue,
        },
    }
}

/// The target in another state, with that state's deadline; `None` where the move is not allowed.
pub fn moved(target: &Target, to: TargetState, now: Timestamp) -> Option<Target> {
    target.state.can_become(to, target.intent).then(|| Target {
        state: to,
        deadline: deadline(to, target.intent, now),
        not_before: None,
        updated_at: now,
        ..target.clone()
    })
}

/// The target with the deadline of its state counted from now on: after a pause.
pub fn renewed(target: &Target, now: Timestamp) -> Target {
    Target {
        deadline: deadline(target.state, target.intent, now),
        updated_at: now,
        ..target.clone()
    }
}

/// How long each state may last. An offer that nobody takes up stays.
fn deadline(state: TargetState, intent: Intent, now: Timestamp) -> Option<Timestamp> {
    let lasts = match state {
        TargetState::Planned if intent == Intent::Available => return None,
        TargetState::Planned | TargetState::Sent => 14 * DAY,
        TargetState::AwaitingSeat | TargetState::Queued => 90 * DAY,
        TargetState::Installing | TargetState::Removing => 30 * DAY,
        _ => return None,
    };
    Some(now + lasts)
}

/// The wait before the next attempt: 5 minutes, doubled each time, a day at most.
fn backoff(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 12) - 1).unwrap_or(0);
    (Duration::from_mins(5) * 2_u32.pow(doublings)).min(DAY)
}

#[cfg(test)]
mod tests;
