//! The circuit before the Store: closed while it is well, open while asking is pointless, half-open during the one
//! request that finds out.
//!
//! ```text
//! closed ── outages in a row, confirmed by a probe; or the Store asks for patience ──▶ open
//! open ── its pause is over, or an administrator asks ──▶ half_open (one probe, one server)
//! half_open ── answered ──▶ closed        half_open ── not answered ──▶ open, for twice as long
//! ```
//!
//! Time and chance are parameters. What an error means for the Store's health is said by whoever knows the error.

use qm_core::{
    Timestamp,
    circuit::{Circuit, CircuitState},
};
use std::time::Duration;

/// What went wrong, as far as the health of the whole service is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No answer, or one that says that the service is out of order; `wait` is how long it asked to be left alone.
    Outage {
        /// `Retry-After`.
        wait: Option<Duration>,
    },
    /// The service answers, and lets us in no more (401, 403, 410, no token): somebody has to act.
    Refusal,
}

/// What may be done with the Store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Ask.
    Pass,
    /// Store this, and if nobody else did so meanwhile, send one probe.
    Probe(Circuit),
    /// Leave it alone until then.
    Wait(Timestamp),
}

/// What follows from trouble that an operation met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is open already.
    Known,
    /// Store this.
    Noted(Circuit),
    /// Trouble of one product looks the same: send a probe, and open the circuit only if that fails, too.
    Suspect,
}

/// Whether an operation may begin.
pub fn admit(circuit: &Circuit, now: Timestamp) -> Admission {
    match (circuit.state, circuit.retry_at) {
        (CircuitState::Closed, _) => Admission::Pass,
        (_, Some(retry_at)) if now < retry_at && !clock_was_set_back(circuit, now) => {
            Admission::Wait(retry_at)
        }
        _ => Admission::Probe(Circuit {
            state: CircuitState::HalfOpen,
            since: Some(now),
            retry_at: Some(now + PROBE_PATIENCE),
            ..circuit.clone()
        }),
    }
}

/// An operation got its answers; `None` where that changes nothing.
pub fn on_answer(circuit: &Circuit) -> Option<Circuit> {
    let news = circuit.failures != 0 || circuit.openings != 0;
    (circuit.state == CircuitState::Closed && news).then(|| Circuit {
        failures: 0,
        openings: 0,
        ..circuit.clone()
    })
}

/// An operation met trouble. `chance` (0 to 999) spreads the pauses of several organizations and servers.
pub fn on_trouble(circuit: &Circuit, trouble: Trouble, reason: &str, now: Timestamp, chance: u64) -> Verdict {
    match (circuit.state, trouble) {
        // The Store itself says to wait: that needs no second opinion.
        (CircuitState::Closed, Trouble::Outage { wait: Some(_) }) => {
            Verdict::Noted(opened(circuit, trouble, reason, now, chance))
        }
        (CircuitState::Closed, Trouble::Outage { wait: None })
            if circuit.openings == 0 && circuit.failures + 1 < OUTAGES =>
        {
            Verdict::Noted(Circuit {
                failures: circuit.failures + 1,
                ..circuit.clone()
            })
        }
        (CircuitState::Closed, _) => Verdict::Suspect,
        (CircuitState::Open, Trouble::Outage { wait: Some(wait) }) if circuit.retry_at < Some(now + wait) => {
            Verdict::Noted(Circuit {
                retry_at: Some(now + wait.min(LONGEST_WAIT)),
                ..circuit.clone()
            })
        }
        _ => Verdict::Known,
    }
}

/// The probe that began at `began` was answered; `None` where another server has moved on. How often it opened is
/// forgotten only when an operation goes well.
pub fn on_probe_answered(circuit: &Circuit, began: Timestamp, now: Timestamp) -> Option<Circuit> {
    is_probing(circuit, began).then(|| Circuit {
        since: Some(now),
        openings: circuit.openings,
        ..Circuit::default()
    })
}

/// The probe that began at `began` failed; `None` where another server has moved on.
pub fn on_probe_failed(
    circuit: &Circuit,
    began: Timestamp,
    trouble: Trouble,
    reason: &str,
    now: Timestamp,
    chance: u64,
) -> Option<Circuit> {
    is_probing(circuit, began).then(|| opened(circuit, trouble, reason, now, chance))
}

/// A suspicion was confirmed by a probe; `None` where it is no longer closed.
pub fn on_suspicion_confirmed(
    circuit: &Circuit,
    trouble: Trouble,
    reason: &str,
    now: Timestamp,
    chance: u64,
) -> Option<Circuit> {
    (circuit.state == CircuitState::Closed).then(|| opened(circuit, trouble, reason, now, chance))
}

/// Somebody wants to know now: an open circuit is due at once. `None` where it is not open.
pub fn hasten(circuit: &Circuit, now: Timestamp) -> Option<Circuit> {
    (circuit.state == CircuitState::Open).then(|| Circuit {
        retry_at: Some(now),
        ..circuit.clone()
    })
}

fn is_probing(circuit: &Circuit, began: Timestamp) -> bool {
    circuit.state == CircuitState::HalfOpen && circuit.since == Some(began)
}

fn opened(circuit: &Circuit, trouble: Trouble, reason: &str, now: Timestamp, chance: u64) -> Circuit {
    Circuit {
        state: CircuitState::Open,
        since: Some(now),
        retry_at: Some(now + pause(trouble, circuit.openings, chance)),
        reason: Some(reason.to_owned()),
        failures: 0,
        openings: circuit.openings + 1,
    }
}

/// Doubled each time up to a limit, give or take a quarter; never shorter than the Store asked for.
fn pause(trouble: Trouble, openings: i64, chance: u64) -> Duration {
    let (first, longest, wait) = match trouble {
        Trouble::Outage { wait } => (FIRST_PAUSE, LONGEST_PAUSE, wait),
        Trouble::Refusal => (FIRST_REFUSAL, LONGEST_REFUSAL, None),
    };
    let doublings = u32::try_from(openings.clamp(0, 16)).unwrap_or(0);
    let plain = first.saturating_mul(1 << doublings).min(longest);
    let spread = plain * u32::try_from(750 + chance.min(999) / 2).unwrap_or(750) / 1000;
    spread.max(wait.unwrap_or_default().min(LONGEST_WAIT))
}

/// The state is younger than the present: it is not known how long ago it began, so the Store is asked.
fn clock_was_set_back(circuit: &Circuit, now: Timestamp) -> bool {
    circuit.since.is_some_and(|since| now + CLOCKS_APART < since)
}

/// Operations in a row that have to meet an outage; each has used up its own attempts by then.
const OUTAGES: i64 = 3;
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(30);
/// Somebody has to act in a portal or a directory, which takes its time.
const FIRST_REFUSAL: Duration = Duration::from_mins(30);
const LONGEST_REFUSAL: Duration = Duration::from_hours(6);
/// A `Retry-After` beyond this is not believed.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// A probe of a server that was killed is forgotten after this; longer than any probe takes.
const PROBE_PATIENCE: Duration = Duration::from_mins(3);
/// How far the clocks of several servers may be apart.
const CLOCKS_APART: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests;
