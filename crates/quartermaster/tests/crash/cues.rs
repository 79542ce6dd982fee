//! When the server is killed: after a while, or at a moment of a conversation.

use qm_core::Rng;
use qm_store_sim::{Moment, Operation};
use qm_testkit::process::{Flow, Listener};
use std::{fmt, time::Duration};

/// A moment in a conversation of the server with somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// With the Store.
    Store(Operation, Moment),
    /// With a device or an administrator.
    Wire(Listener, Flow),
}

/// When to kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cue {
    /// What is waited for; nothing: just a while.
    pub event: Option<Event>,
    /// How many such events come first.
    pub skip: u64,
    /// How long to wait after it; zero kills on the spot, before the conversation goes on.
    pub after: Duration,
}

impl fmt::Display for Cue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event {
            Some(event) => write!(f, "{event:?} after {} others", self.skip),
            None => write!(f, "after {:?}", self.after),
        }
    }
}

/// The moments that matter, with how many such events may come first.
const EVENTS: &[(Event, u64)] = &[
    (Event::Store(Operation::BulkSeats, Moment::Received), 1),
    (Event::Store(Operation::BulkSeats, Moment::CarriedOut), 1),
    (Event::Store(Operation::AssignSeat, Moment::Received), 1),
    (Event::Store(Operation::AssignSeat, Moment::CarriedOut), 1),
    (Event::Store(Operation::ReclaimSeat, Moment::Received), 1),
    (Event::Store(Operation::ReclaimSeat, Moment::CarriedOut), 1),
    (Event::Store(Operation::Seat, Moment::CarriedOut), 1),
    (Event::Store(Operation::Inventory, Moment::CarriedOut), 1),
    (Event::Store(Operation::Content, Moment::Received), 1),
    (Event::Store(Operation::Content, Moment::HalfSent), 2),
    (Event::Wire(Listener::Management, Flow::Asked), 12),
    (Event::Wire(Listener::Management, Flow::Answering), 12),
    (Event::Wire(Listener::Management, Flow::Answered), 12),
    (Event::Wire(Listener::Enrollment, Flow::Answering), 8),
    (Event::Wire(Listener::Enrollment, Flow::Answered), 8),
    (Event::Wire(Listener::Admin, Flow::Asked), 30),
    (Event::Wire(Listener::Admin, Flow::Answering), 6),
    (Event::Wire(Listener::Admin, Flow::Answered), 6),
];

impl Cue {
    /// A fifth by the clock, the others by an event, of those some a little later.
    pub fn pick(rng: &Rng) -> Self {
        if rng.below(5) == 0 {
            let after = Duration::from_millis(rng.below(250));
            return Self {
                event: None,
                skip: 0,
                after,
            };
        }
        let count = u64::try_from(EVENTS.len()).unwrap_or(1);
        let (event, most) = EVENTS[usize::try_from(rng.below(count)).unwrap_or(0)];
        let after = if rng.below(2) == 0 {
            Duration::ZERO
        } else {
            Duration::from_micros(rng.below(4000))
        };
        Self {
            event: Some(event),
            skip: rng.below(most),
            after,
        }
    }
}
