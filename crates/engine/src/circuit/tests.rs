use super::*;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const OUTAGE: Trouble = Trouble::Outage { wait: None };
const MIDDLE: u64 = 500;

fn asked(wait: Duration) -> Trouble {
    Trouble::Outage { wait: Some(wait) }
}

fn noted(verdict: Verdict) -> Circuit {
    match verdict {
        Verdict::Noted(circuit) => circuit,
        other => panic!("nothing to note: {other:?}"),
    }
}

fn probing(circuit: &Circuit, now: Timestamp) -> Circuit {
    match admit(circuit, now) {
        Admission::Probe(circuit) => circuit,
        other => panic!("no probe: {other:?}"),
    }
}

fn open(trouble: Trouble, openings: i64) -> Circuit {
    let circuit = Circuit {
        openings,
        ..Circuit::default()
    };
    on_suspicion_confirmed(&circuit, trouble, "why", NOW, MIDDLE).unwrap()
}

fn pause_of(circuit: &Circuit) -> Duration {
    circuit.retry_at.unwrap().since(circuit.since.unwrap())
}

#[test]
fn the_third_outage_in_a_row_is_suspect() {
    let one = noted(on_trouble(&Circuit::default(), OUTAGE, "why", NOW, MIDDLE));
    let two = noted(on_trouble(&one, OUTAGE, "why", NOW, MIDDLE));
    assert_eq!((two.state, two.failures), (CircuitState::Closed, 2));
    assert_eq!(on_trouble(&two, OUTAGE, "why", NOW, MIDDLE), Verdict::Suspect);
    let reset = on_answer(&two).unwrap();
    assert_eq!(reset, Circuit::default());
    assert_eq!(on_answer(&reset), None);
}

#[test]
fn a_refusal_is_suspect_at_once() {
    let circuit = Circuit::default();
    assert_eq!(
        on_trouble(&circuit, Trouble::Refusal, "why", NOW, MIDDLE),
        Verdict::Suspect
    );
}

#[test]
fn a_store_that_asks_for_patience_gets_it() {
    let wait = Duration::from_mins(10);
    let circuit = noted(on_trouble(&Circuit::default(), asked(wait), "why", NOW, MIDDLE));
    assert_eq!((circuit.state, pause_of(&circuit)), (CircuitState::Open, wait));
    let longer = noted(on_trouble(&circuit, asked(wait * 2), "why", NOW, MIDDLE));
    assert_eq!(pause_of(&longer), wait * 2);
    assert_eq!(
        on_trouble(&longer, asked(wait), "why", NOW, MIDDLE),
        Verdict::Known
    );
    let forever = noted(on_trouble(
        &Circuit::default(),
        asked(Duration::MAX),
        "why",
        NOW,
        MIDDLE,
    ));
    assert_eq!(pause_of(&forever), LONGEST_WAIT);
}

#[test]
fn pauses_double_up_to_their_limit() {
    let minutes = |trouble, openings| pause_of(&open(trouble, openings)).as_secs() / 60;
    let outages: Vec<_> = (0..7).map(|openings| minutes(OUTAGE, openings)).collect();
    assert_eq!(outages, [1, 2, 4, 8, 16, 30, 30]);
    let refusals: Vec<_> = (0..5)
        .map(|openings| minutes(Trouble::Refusal, openings))
        .collect();
    assert_eq!(refusals, [30, 60, 120, 240, 360]);
}

#[test]
fn chance_spreads_a_pause_by_a_quarter_either_way() {
    let pause = |chance| pause(OUTAGE, 0, chance);
    assert_eq!(pause(0), Duration::from_secs(45));
    assert!(pause(999) > Duration::from_secs(74) && pause(999) < Duration::from_secs(75));
}

#[test]
fn one_probe_goes_out_when_the_pause_is_over_and_others_wait_for_it() {
    let circuit = open(OUTAGE, 0);
    let retry_at = circuit.retry_at.unwrap();
    assert_eq!(admit(&circuit, NOW), Admission::Wait(retry_at));
    let probe = probing(&circuit, retry_at);
    assert_eq!(probe.state, CircuitState::HalfOpen);
    assert_eq!(
        admit(&probe, retry_at),
        Admission::Wait(retry_at + PROBE_PATIENCE)
    );
    let next = probing(&probe, retry_at + PROBE_PATIENCE);
    assert_eq!(
        on_probe_answered(&next, retry_at, NOW),
        None,
        "a probe that was given up moves nothing"
    );
}

#[test]
fn an_answered_probe_closes_on_trial_and_an_operation_ends_the_trial() {
    let probe = probing(&open(OUTAGE, 2), NOW + LONGEST_PAUSE);
    let began = probe.since.unwrap();
    let closed = on_probe_answered(&probe, began, began).unwrap();
    assert_eq!(
        (closed.state, closed.openings, closed.retry_at, &closed.reason),
        (CircuitState::Closed, 3, None, &None)
    );
    assert_eq!(admit(&closed, began), Admission::Pass);
    assert_eq!(
        on_trouble(&closed, OUTAGE, "why", began, MIDDLE),
        Verdict::Suspect,
        "on trial one is enough"
    );
    let well = on_answer(&closed).unwrap();
    assert_eq!((well.openings, well.since), (0, Some(began)));
}

#[test]
fn a_failed_probe_opens_for_longer() {
    let first = open(OUTAGE, 0);
    let probe = probing(&first, first.retry_at.unwrap());
    let began = probe.since.unwrap();
    let again = on_probe_failed(&probe, began, OUTAGE, "still", began, MIDDLE).unwrap();
    assert_eq!(again.reason.as_deref(), Some("still"));
    assert_eq!(pause_of(&again), pause_of(&first) * 2);
    assert_eq!(
        on_probe_failed(&again, began, OUTAGE, "late", began, MIDDLE),
        None
    );
}

#[test]
fn an_administrator_and_a_clock_that_was_set_back_make_it_due() {
    let circuit = open(Trouble::Refusal, 3);
    assert_eq!(
        hasten(&circuit, NOW).map(|circuit| probing(&circuit, NOW).state),
        Some(CircuitState::HalfOpen)
    );
    assert_eq!(hasten(&Circuit::default(), NOW), None);
    probing(&circuit, NOW - Duration::from_hours(1));
    assert!(matches!(
        admit(&circuit, NOW - Duration::from_mins(1)),
        Admission::Wait(_)
    ));
}

#[test]
fn an_operation_that_began_earlier_moves_nothing_while_open() {
    let circuit = open(OUTAGE, 0);
    assert_eq!(on_answer(&circuit), None);
    assert_eq!(
        on_trouble(&circuit, Trouble::Refusal, "late", NOW, MIDDLE),
        Verdict::Known
    );
    assert_eq!(
        on_suspicion_confirmed(&circuit, OUTAGE, "late", NOW, MIDDLE),
        None
    );
}

/// What can happen to a circuit.
#[derive(Debug, Clone, Copy)]
enum Event {
    Answer,
    Trouble(Trouble),
    ProbeAnswered,
    ProbeFailed(Trouble),
    Hasten,
    Admit,
    Pass(Duration),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(OUTAGE),
        Just(Trouble::Refusal),
        (0_u64..200_000).prop_map(|seconds| asked(Duration::from_secs(seconds))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Answer),
        trouble().prop_map(Event::Trouble),
        Just(Event::ProbeAnswered),
        trouble().prop_map(Event::ProbeFailed),
        Just(Event::Hasten),
        Just(Event::Admit),
        (0_u64..10_000).prop_map(|seconds| Event::Pass(Duration::from_secs(seconds))),
    ]
}

/// A circuit with what its owner does about it; the probe that was sent last, and when.
struct Life {
    circuit: Circuit,
    now: Timestamp,
    probe: Option<Timestamp>,
    chance: u64,
}

impl Life {
    fn meet(&mut self, event: Event) {
        let (circuit, now, chance) = (&self.circuit, self.now, self.chance);
        let began = self.probe.unwrap_or(now);
        let after = match event {
            Event::Answer => on_answer(circuit),
            Event::Trouble(trouble) => match on_trouble(circuit, trouble, "why", now, chance) {
                Verdict::Known => None,
                Verdict::Noted(after) => Some(after),
                Verdict::Suspect => on_suspicion_confirmed(circuit, trouble, "why", now, chance),
            },
            Event::ProbeAnswered => on_probe_answered(circuit, began, now),
            Event::ProbeFailed(trouble) => on_probe_failed(circuit, began, trouble, "why", now, chance),
            Event::Hasten => hasten(circuit, now),
            Event::Admit => match admit(circuit, now) {
                Admission::Probe(after) => {
                    self.probe = after.since;
                    Some(after)
                }
                Admission::Pass | Admission::Wait(_) => None,
            },
            Event::Pass(time) => {
                self.now = now + time;
                None
            }
        };
        self.circuit = after.unwrap_or_else(|| self.circuit.clone());
    }
}

proptest! {
    #[test]
    fn every_life_of_a_circuit_is_sound(events in proptest::collection::vec((event(), 0_u64..1000), 0..60)) {
        let mut life = Life { circuit: Circuit::default(), now: NOW, probe: None, chance: 0 };
        for (event, chance) in events {
            life.chance = chance;
            life.meet(event);
            let Circuit { state, since, retry_at, reason, .. } = &life.circuit;
            let closed = *state == CircuitState::Closed;
            prop_assert_eq!(retry_at.is_none(), closed, "{:?}", event);
            prop_assert_eq!(reason.is_none(), closed, "{:?}", event);
            prop_assert!(*state == CircuitState::Closed || since.is_some());
            // Never shut for good: the Store is asked again within a day, and half-open lasts minutes.
            if let Some(retry_at) = retry_at {
                prop_assert!(retry_at.since(life.now) <= LONGEST_WAIT);
            }
        }
        // Whatever happened, patience and one good answer bring it back.
        life.meet(Event::Pass(LONGEST_WAIT));
        life.meet(Event::Admit);
        life.meet(Event::ProbeAnswered);
        life.meet(Event::Answer);
        prop_assert_eq!((life.circuit.state, life.circuit.failures, life.circuit.openings), (CircuitState::Closed, 0, 0));
    }

    #[test]
    fn while_it_waits_only_one_probe_is_let_through(openings in 0_i64..40, seconds in 0_u64..50_000, chance in 0_u64..1000) {
        let closed = Circuit { openings, ..Circuit::default() };
        let circuit = on_suspicion_confirmed(&closed, OUTAGE, "why", NOW, chance).unwrap();
        let later = NOW + Duration::from_secs(seconds);
        match admit(&circuit, later) {
            Admission::Pass => prop_assert!(false, "an open circuit lets nothing pass"),
            Admission::Wait(until) => prop_assert!(later < until),
            Admission::Probe(half) => {
                prop_assert!(later >= circuit.retry_at.unwrap());
                prop_assert!(matches!(admit(&half, later), Admission::Wait(_)), "one probe at a time");
            }
        }
    }

    #[test]
    fn a_pause_is_within_its_bounds(openings in -5_i64..1000, wait in proptest::option::of(0_u64..1_000_000), chance: u64) {
        let wait = wait.map(Duration::from_secs);
        let pause = pause(Trouble::Outage { wait }, openings, chance);
        prop_assert!(pause >= wait.unwrap_or_default().min(LONGEST_WAIT));
        prop_assert!(pause >= FIRST_PAUSE * 3 / 4);
        prop_assert!(pause <= (LONGEST_PAUSE * 5 / 4).max(wait.unwrap_or_default()));
    }
}
