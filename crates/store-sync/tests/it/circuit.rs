//! A Store that is out of order or lets nobody in is left alone, and found again.

use crate::setup::{Setup, USERS, online_key};
use qm_core::{app::AppState, circuit::CircuitState, seat::SeatState};
use qm_db::store_status::SyncState;
use qm_store_sim::{Fault, FaultRule, Operation, SimConfig, catalogue::demo};
use qm_store_sync::{Mode, SyncError};
use std::time::Duration;

/// Synchronizes until the circuit opens; how often that took.
async fn until_open(setup: &Setup) -> usize {
    for attempt in 1..10 {
        setup.sync.synchronize(Mode::Full).await.unwrap_err();
        if setup.circuit().await.state == CircuitState::Open {
            return attempt;
        }
    }
    panic!("it never opened");
}

fn is_left_alone<T: std::fmt::Debug>(result: &Result<T, SyncError>) -> bool {
    matches!(result, Err(SyncError::LeftAlone { .. }))
}

async fn pause(setup: &Setup) -> Duration {
    let circuit = setup.circuit().await;
    circuit.retry_at.unwrap().since(circuit.since.unwrap())
}

#[tokio::test]
async fn a_dead_store_is_left_alone_but_for_one_probe_in_each_longer_pause() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let app = setup.online().await.id;
        setup.enter(app, SeatState::Assigning, &USERS[..1]).await;
        setup.sim.inject(Fault::status(503).always());
        assert_eq!(until_open(&setup).await, 3, "{}", setup.engine);

        let asked = setup.sim.requests().len();
        for mode in [Mode::Full, Mode::Incremental, Mode::Reconcile] {
            assert!(is_left_alone(&setup.sync.synchronize(mode).await));
        }
        assert!(is_left_alone(&setup.sync.seat_round(app).await));
        assert_eq!(setup.sim.requests().len(), asked, "nothing is asked");

        let mut before = pause(&setup).await;
        for probes in 1..=3 {
            setup.wait_for_retry().await;
            assert!(is_left_alone(&setup.sync.seat_round(app).await));
            assert!(is_left_alone(&setup.sync.seat_round(app).await));
            assert_eq!(setup.sim.count(Operation::Inventory), 1 + 2 * 3 + 1 + probes);
            let now = pause(&setup).await;
            assert!(now > before, "{now:?} after {before:?}");
            before = now;
        }

        let status = setup.status().await;
        assert_eq!((status.state, status.products), (SyncState::Failed, 2));
        assert!(status.last_error.unwrap().contains("503"));
        assert_eq!(setup.online().await.state, AppState::Available);
        assert_eq!(setup.seat_state(app, USERS[0]).await, SeatState::Assigning);
        assert_eq!(setup.seat(app, USERS[0]).await.unwrap().attempts, 0);

        setup.sim.clear_faults();
        setup.wait_for_retry().await;
        assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 1);
        let circuit = setup.circuit().await;
        assert_eq!(
            (circuit.state, circuit.reason, circuit.openings),
            (CircuitState::Closed, None, 0)
        );
        setup.full().await;
        assert_eq!(setup.status().await.state, SyncState::Idle);
        setup.sim.assert_no_violations();
    }
}

#[tokio::test]
async fn a_refusal_of_everything_opens_at_once_for_long() {
    type Break = fn(&Setup);
    let cases: [(Break, &str); 5] = [
        (
            |setup| setup.sim.inject(Fault::status(401).always()),
            "does not accept the token",
        ),
        (|setup| setup.sim.set_activated(false), "Management tools"),
        (
            |setup| setup.sim.inject(Fault::status(410).always()),
            "seems to be retired",
        ),
        (
            |setup| {
                setup.sim.revoke_tokens();
                setup.sim.set_client_secret("another");
            },
            "rejects the application's secret",
        ),
        (
            |setup| {
                setup.sim.revoke_tokens();
                setup
                    .sim
                    .inject(Fault::Token(qm_store_sim::TokenError::ResourceDisabled).always());
            },
            "switched off in the directory",
        ),
    ];
    for (spoil, words) in cases {
        for setup in Setup::on_each(5).await {
            setup.full().await;
            spoil(&setup);
            assert_eq!(until_open(&setup).await, 1, "{words}");
            let circuit = setup.circuit().await;
            assert!(
                circuit.reason.as_deref().unwrap().contains(words),
                "{:?}",
                circuit.reason
            );
            assert!(pause(&setup).await > Duration::from_mins(20), "{words}");
            let asked = setup.sim.requests().len();
            assert!(is_left_alone(&setup.sync.synchronize(Mode::Full).await));
            assert_eq!(setup.sim.requests().len(), asked);
            assert!(
                setup.status().await.last_error.unwrap().contains(words),
                "the reason stays visible"
            );
            assert_eq!(setup.offline().await.state, AppState::Available);
        }
    }
}

#[tokio::test]
async fn trouble_of_one_product_or_user_leaves_the_circuit_closed() {
    let rules: [FaultRule; 5] = [
        Fault::status(500).on(Operation::AssignSeat).always(),
        Fault::status(403).on(Operation::AssignSeat).always(),
        Fault::status(410).on(Operation::AssignSeat).always(),
        Fault::status(409).on(Operation::AssignSeat).always(),
        Fault::status(404).on(Operation::AssignSeat).always(),
    ];
    for rule in rules {
        for setup in Setup::on_each(5).await {
            setup.full().await;
            let app = setup.online().await.id;
            setup.sim.inject(rule.clone());
            for _ in 0..4 {
                setup.enter(app, SeatState::Assigning, &USERS[..1]).await;
                let _ = setup.sync.seat_round(app).await;
            }
            let circuit = setup.circuit().await;
            assert_eq!(circuit.state, CircuitState::Closed, "{rule:?}: {circuit:?}");
            setup.sync.synchronize(Mode::Full).await.unwrap();
            assert_eq!(setup.circuit().await.failures, 0);
        }
    }
}

#[tokio::test]
async fn a_wish_for_patience_is_kept_by_every_server() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        setup.sim.inject(Fault::throttled(1200).on(Operation::Inventory));
        assert!(setup.sync.synchronize(Mode::Full).await.is_err());
        assert_eq!(pause(&setup).await, Duration::from_mins(20));
        let asked = setup.sim.requests().len();
        let other = setup.another_server();
        assert!(is_left_alone(&other.synchronize(Mode::Full).await));
        assert_eq!(setup.sim.requests().len(), asked, "{}", setup.engine);
        setup.wait_for_retry().await;
        other.synchronize(Mode::Full).await.unwrap();
        setup.sync.synchronize(Mode::Full).await.unwrap();
    }
}

#[tokio::test]
async fn of_two_servers_one_sends_the_probe() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        setup.sim.inject(Fault::status(503).always());
        until_open(&setup).await;
        let other = setup.another_server();
        setup.wait_for_retry().await;
        let asked = setup.sim.count(Operation::Inventory);
        let (one, two) = tokio::join!(
            setup.sync.synchronize(Mode::Full),
            other.synchronize(Mode::Incremental)
        );
        assert!(is_left_alone(&one) && is_left_alone(&two));
        assert_eq!(
            setup.sim.count(Operation::Inventory),
            asked + 1,
            "{}",
            setup.engine
        );
    }
}

#[tokio::test]
async fn a_server_that_dies_with_its_probe_leaves_the_next_one_to_another() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        setup.sim.inject(Fault::status(503).always());
        until_open(&setup).await;
        setup.sim.clear_faults();
        setup.sim.inject(Fault::Hang.on(Operation::Inventory));
        setup.wait_for_retry().await;
        let dying = setup.another_server();
        let probe = tokio::spawn(async move { dying.synchronize(Mode::Full).await });
        while setup.sim.pending_faults() > 0 {
            tokio::task::yield_now().await;
        }
        probe.abort();
        assert!(probe.await.unwrap_err().is_cancelled());
        assert_eq!(setup.circuit().await.state, CircuitState::HalfOpen);
        assert!(is_left_alone(&setup.sync.synchronize(Mode::Full).await));
        setup.wait_for_retry().await;
        setup.sync.synchronize(Mode::Full).await.unwrap();
        assert_eq!(setup.circuit().await.state, CircuitState::Closed);
    }
}

#[tokio::test]
async fn what_is_here_already_needs_no_store() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let app = setup.offline().await.id;
        let packages: Vec<_> = setup.packages(app).await.iter().map(|one| one.id).collect();
        setup.sync.fetch_content(app, &packages).await.unwrap();
        setup.sim.set_activated(false);
        until_open(&setup).await;
        let fetched = setup.sync.fetch_content(app, &packages).await.unwrap();
        assert_eq!(fetched.present.len(), packages.len());
        let idle = setup.sync.seat_round(setup.online().await.id).await.unwrap();
        assert_eq!(idle.changes, []);
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_an_outage_and_the_store_is_found_again() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        setup.sim.switch_off().await;
        assert_eq!(until_open(&setup).await, 3);
        let reason = setup.circuit().await.reason.unwrap();
        assert!(reason.contains("cannot be reached"), "{reason}");
        setup.sim.switch_on().await.unwrap();
        setup.wait_for_retry().await;
        setup.full().await;
        assert_eq!(setup.circuit().await.state, CircuitState::Closed);
        assert!(setup.sim.seat_holders(&online_key()).is_empty());
    }
}

#[tokio::test]
async fn an_answer_in_between_forgives_what_was_before() {
    let setup = Setup::with(SimConfig {
        products: demo(5).unwrap(),
        ..SimConfig::default()
    })
    .await;
    for _ in 0..3 {
        for _ in 0..2 {
            setup
                .sim
                .inject(Fault::status(503).on(Operation::Inventory).times(2));
            assert!(setup.sync.synchronize(Mode::Full).await.is_err());
        }
        assert_eq!(setup.circuit().await.failures, 2);
        setup.full().await;
        assert_eq!(setup.circuit().await.failures, 0);
    }
}
