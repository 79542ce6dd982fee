//! When the server is killed: at a moment of a conversation, or just after a while.

use qm_core::Rng;
use qm_store_sim::{Moment, Operation};
use qm_testkit::process::{Flow, Listener};
use std::time::Duration;

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
    /// What is waited for.
    pub event: Event,
    /// How many such events come first.
    pub skip: u64,
    /// How long to wait after it; zero kills on the spot, before the conversation goes on.
    pub after: Duration,
}

/// Moments that come only with certain work.
const RARE: &[Event] = &[
    Event::Store(Operation::BulkSeats, Moment::Received),
    Event::Store(Operation::BulkSeats, Moment::CarriedOut),
    Event::Store(Operation::AssignSeat, Moment::Received),
    Event::Store(Operation::AssignSeat, Moment::CarriedOut),
    Event::Store(Operation::ReclaimSeat, Moment::Received),
    Event::Store(Operation::ReclaimSeat, Moment::CarriedOut),
    Event::Store(Operation::Seat, Moment::CarriedOut),
    Event::Store(Operation::Inventory, Moment::CarriedOut),
    Event::Store(Operation::OfflineLicense, Moment::CarriedOut),
    Event::Store(Operation::Content, Moment::Received),
    Event::Store(Operation::Content, Moment::HalfSent),
    Event::Wire(Listener::Enrollment, Flow::Answering),
];

/// Moments that come all the time, with how many of them may come first.
const FREQUENT: &[(Event, u64)] = &[
    (Event::Wire(Listener::Management, Flow::Asked), 12),
    (Event::Wire(Listener::Management, Flow::Answering), 12),
    (Event::Wire(Listener::Management, Flow::Answered), 12),
    (Event::Wire(Listener::Enrollment, Flow::Answered), 8),
    (Event::Wire(Listener::Admin, Flow::Asked), 30),
    (Event::Wire(Listener::Admin, Flow::Answering), 12),
    (Event::Wire(Listener::Admin, Flow::Answered), 12),
];

impl Cue {
    /// Moments, the first of which that comes is the one, and how long to wait for it; now and then no moment at all: then
    /// it is just a while. What the killed server held is free when its lease ends, a second later on PostgreSQL: whoever
    /// does not wait for longer kills servers that only wait.
    pub fn pick(rng: &Rng) -> (Vec<Self>, Duration) {
        match rng.below(6) {
            0 => (Vec::new(), Duration::from_millis(rng.below(300))),
            1 | 2 => {
                let (event, most) = pick(FREQUENT, rng);
                let cue = Self::at(event, rng.below(most), rng);
                (vec![cue], Duration::from_millis(1500))
            }
            _ => {
                let cues = RARE.iter().map(|event| Self::at(*event, rng.below(2), rng));
                (cues.collect(), Duration::from_millis(1500 + rng.below(1500)))
            }
        }
    }

    /// Half of them on the spot, the others a little later.
    fn at(event: Event, skip: u64, rng: &Rng) -> Self {
        let after = Duration::from_micros(if rng.below(2) == 0 { 0 } else { rng.below(4000) });
        Self { event, skip, after }
    }
}

fn pick<T: Copy>(from: &[T], rng: &Rng) -> T {
    let count = u64::try_from(from.len()).unwrap_or(1);
    from[usize::try_from(rng.below(count)).unwrap_or(0)]
}
