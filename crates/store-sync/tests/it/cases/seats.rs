//! Seats: every answer to a single and to a bulk call, and seats that somebody else gave, took or renamed.

use crate::{
    connect::{config, connect},
    setup::{Setup, USERS, offline_key, online_key},
};
use qm_core::{AppId, seat::SeatState};
use qm_store_client::{RetryPolicy, StoreError};
use qm_store_sim::{Fault, FaultRule, Loss, Operation, SimConfig, catalogue::demo};
use qm_store_sync::{Mode, StoreSync, SyncError};
use std::time::Duration;

/// A directory where everybody exists, 60 users, and this many seats.
fn crowd(seats: u64) -> SimConfig {
    SimConfig {
        products: demo(seats).unwrap(),
        everyone_exists: true,
        ..SimConfig::default()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("user{number:03}@fjord.example"))
        .collect()
}

async fn enter(setup: &Setup, app: AppId, state: SeatState, names: &[String]) {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    setup.enter(app, state, &names).await;
}

async fn synchronized(setup: &Setup) -> AppId {
    setup.full().await;
    setup.online().await.id
}

/// How many of the users are in a state.
async fn in_state(setup: &Setup, app: AppId, names: &[String], state: SeatState) -> usize {
    let mut count = 0;
    for name in names {
        count += usize::from(setup.seat_state(app, name).await == state);
    }
    count
}

#[tokio::test]
async fn a_new_an_existing_and_no_seat_left() {
    for status in [400, 403, 404, 409] {
        let make = || SimConfig {
            no_seats_status: http_status(status),
            ..crowd(2)
        };
        for setup in Setup::on_each_with(make).await {
            let app = synchronized(&setup).await;
            let names = names(3);
            setup.sim.claim_seat(&online_key(), &names[0]).unwrap();
            enter(&setup, app, SeatState::Assigning, &names[..1]).await;
            assert_eq!(
                setup.sync.seat_round(app).await.unwrap().changes.len(),
                1,
                "existing"
            );
            enter(&setup, app, SeatState::Assigning, &names[1..2]).await;
            assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 1, "new");
            enter(&setup, app, SeatState::Assigning, &names[2..]).await;
            let round = setup.sync.seat_round(app).await.unwrap();
            assert_eq!(round.waiting, names[2..], "{status}");
            assert_eq!(setup.seat_state(app, &names[2]).await, SeatState::Assigning);
            assert_eq!(setup.sim.seat_holders(&online_key()).len(), 2);
        }
    }
}

fn http_status(status: u16) -> reqwest::StatusCode {
    reqwest::StatusCode::from_u16(status).unwrap()
}

#[tokio::test]
async fn a_seat_is_given_back_whether_it_is_there_or_not() {
    for setup in Setup::on_each(5).await {
        let app = synchronized(&setup).await;
        let [ann, bo, guest, dan] = USERS;
        for user in [ann, guest] {
            setup.sim.claim_seat(&online_key(), user).unwrap();
        }
        setup.sim.remove_user(dan);
        setup
            .enter(app, SeatState::Reclaiming, &[ann, bo, guest, dan])
            .await;
        let round = setup.sync.seat_round(app).await.unwrap();
        assert_eq!(round.changes.len(), 4, "{round:?}");
        assert!(round.changes.iter().all(|one| one.state == SeatState::Reclaimed));
        assert!(setup.sim.seat_holders(&online_key()).is_empty());
    }
}

#[tokio::test]
async fn an_unknown_user_fails_alone_and_a_guest_survives_the_path() {
    for setup in Setup::on_each(5).await {
        let app = synchronized(&setup).await;
        let guest = USERS[2];
        setup.enter(app, SeatState::Assigning, &[guest]).await;
        setup.sync.seat_round(app).await.unwrap();
        setup
            .enter(app, SeatState::Assigning, &["nobody@fjord.example"])
            .await;
        let round = setup.sync.seat_round(app).await.unwrap();
        assert_eq!(round.changes[0].state, SeatState::Failed);
        assert!(round.changes[0].reason.contains("directory"));
        assert_eq!(setup.sim.seat_holders(&online_key()), [guest]);
    }
}

#[tokio::test]
async fn a_list_of_101_seats_is_read_with_pages_of_100() {
    for setup in Setup::on_each_with(|| crowd(200)).await {
        let app = synchronized(&setup).await;
        for name in names(101) {
            setup.sim.claim_seat(&online_key(), &name).unwrap();
        }
        let report = setup.sync.synchronize(Mode::Reconcile).await.unwrap();
        assert_eq!((report.seats_found, report.failures), (101, vec![]));
        assert_eq!(setup.sim.count(Operation::Seats), 2);
        let pages = setup.sim.requests();
        let pages = pages.iter().filter(|one| one.operation == Some(Operation::Seats));
        for page in pages {
            assert!(page.query.contains("maxResults=100"), "{}", page.query);
        }
        assert_eq!(in_state(&setup, app, &names(101), SeatState::Assigned).await, 101);
    }
}

#[tokio::test]
async fn a_refused_page_of_100_falls_back_to_25() {
    let setup = Setup::with(crowd(200)).await;
    synchronized(&setup).await;
    for name in names(60) {
        setup.sim.claim_seat(&online_key(), &name).unwrap();
    }
    setup.sim.inject(Fault::status(400).on(Operation::Seats));
    let report = setup.sync.synchronize(Mode::Reconcile).await.unwrap();
    assert_eq!((report.seats_found, report.failures), (60, vec![]));
    assert_eq!(setup.sim.count(Operation::Seats), 1 + 3);
}

/// A seat call whose answer is lost, with what the ledger and the Store have to say afterwards.
struct Lost {
    operation: Operation,
    state: SeatState,
    users: usize,
}

const LOST: [Lost; 4] = [
    Lost {
        operation: Operation::AssignSeat,
        state: SeatState::Assigning,
        users: 1,
    },
    Lost {
        operation: Operation::ReclaimSeat,
        state: SeatState::Reclaiming,
        users: 1,
    },
    Lost {
        operation: Operation::BulkSeats,
        state: SeatState::Assigning,
        users: 5,
    },
    Lost {
        operation: Operation::BulkSeats,
        state: SeatState::Reclaiming,
        users: 5,
    },
];

/// Loses the answer of one call, and finds every seat as it should be.
async fn lose(setup: &Setup, server: &StoreSync, lost: &Lost, fault: Fault) {
    let app = setup.online().await.id;
    let names = names(lost.users);
    let giving_back = lost.state == SeatState::Reclaiming;
    if giving_back {
        for name in &names {
            setup.sim.claim_seat(&online_key(), name).unwrap();
        }
    }
    enter(setup, app, lost.state, &names).await;
    setup.sim.inject(fault.clone().on(lost.operation));
    server.seat_round(app).await.unwrap();
    let (settled, holders) = if giving_back {
        (SeatState::Reclaimed, 0)
    } else {
        (SeatState::Assigned, lost.users)
    };
    assert_eq!(
        in_state(setup, app, &names, settled).await,
        lost.users,
        "{fault:?} {:?} on {}",
        lost.operation,
        setup.engine
    );
    assert_eq!(setup.sim.seat_holders(&online_key()).len(), holders, "{fault:?}");
    enter(setup, app, SeatState::Reclaiming, &names).await;
    server.seat_round(app).await.unwrap();
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn a_lost_answer_costs_no_seat_and_gives_none_twice() {
    for setup in Setup::on_each_with(|| crowd(5)).await {
        synchronized(&setup).await;
        let after = [Loss::Drop, Loss::ServerError].map(Fault::LoseAnswer);
        let before = [Fault::Drop, Fault::status(500)];
        for fault in after.into_iter().chain(before) {
            for lost in &LOST {
                lose(&setup, &setup.sync, lost, fault.clone()).await;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_or_never_ends_costs_no_seat() {
    let one = async |turn: usize, lost: &Lost, fault: Fault| {
        let setup = Setup::in_turn(turn, 5).await;
        for name in names(5) {
            setup.sim.add_user(&name);
        }
        synchronized(&setup).await;
        let hasty = connect(config(&setup.sim), setup.clock.clone()).with_retries(RetryPolicy {
            attempts: 2,
            attempt: Duration::from_secs(1),
            first_pause: Duration::from_millis(1),
            ..RetryPolicy::default()
        });
        lose(&setup, &setup.server_with(hasty), lost, fault).await;
    };
    tokio::join!(
        one(0, &LOST[0], Fault::LoseAnswer(Loss::Hang)),
        one(1, &LOST[1], Fault::Trickle),
        one(2, &LOST[2], Fault::LoseAnswer(Loss::Trickle)),
        one(3, &LOST[3], Fault::Hang),
    );
}

#[tokio::test]
async fn bulk_calls_name_25_users_and_every_outcome_is_settled() {
    let cases: [(&str, Option<FaultRule>); 5] = [
        ("all succeed", None),
        ("all fail", Some(Fault::BulkFails(25).into())),
        ("mixed", Some(Fault::BulkFails(7).into())),
        ("some in neither list", Some(Fault::BulkOmits(9).into())),
        (
            "null lists",
            Some(Fault::NullLists.on(Operation::BulkSeats).always()),
        ),
    ];
    for (case, rule) in cases {
        for setup in Setup::on_each_with(|| crowd(60)).await {
            let app = synchronized(&setup).await;
            rule.clone().into_iter().for_each(|rule| setup.sim.inject(rule));
            let names = names(26);
            enter(&setup, app, SeatState::Assigning, &names).await;
            let round = setup.sync.seat_round(app).await.unwrap();
            assert_eq!(round.changes.len(), 26, "{case}");
            assert_eq!(
                (
                    setup.sim.count(Operation::BulkSeats),
                    setup.sim.seat_holders(&online_key()).len()
                ),
                (1, 26),
                "{case}: 25 at once and the last one alone"
            );
            assert_eq!(
                in_state(&setup, app, &names, SeatState::Assigned).await,
                26,
                "{case}"
            );
            setup.sim.assert_no_violations();
        }
    }
}

#[tokio::test]
async fn a_bulk_call_in_which_all_fail_for_good_fails_each_user() {
    for setup in Setup::on_each(30).await {
        let app = synchronized(&setup).await;
        let names = names(4);
        enter(&setup, app, SeatState::Assigning, &names).await;
        let round = setup.sync.seat_round(app).await.unwrap();
        assert_eq!(round.changes.len(), 4);
        assert_eq!(in_state(&setup, app, &names, SeatState::Failed).await, 4);
        assert!(setup.sim.seat_holders(&online_key()).is_empty());
    }
}

#[tokio::test]
async fn an_offline_product_has_no_seats() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let offline = setup.offline().await.id;
        assert!(matches!(
            setup.sync.seat_round(offline).await,
            Err(SyncError::NotOnline)
        ));
        let client = connect(config(&setup.sim), setup.clock.clone());
        let key = qm_store_client::ProductKey {
            product_id: offline_key().product_id,
            sku_id: offline_key().sku_id,
        };
        let error = client.assign_seat(&key, USERS[0]).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_seat_taken_or_given_in_the_portal_is_found_by_the_reconciliation() {
    for setup in Setup::on_each(9).await {
        let app = synchronized(&setup).await;
        let [ann, bo, ..] = USERS;
        setup.enter(app, SeatState::Assigning, &[ann]).await;
        setup.sync.seat_round(app).await.unwrap();
        setup.sim.claim_seat(&online_key(), bo).unwrap();
        setup.sim.remove_user(ann);
        setup.sim.add_user(ann);
        let report = setup.sync.synchronize(Mode::Reconcile).await.unwrap();
        assert_eq!((report.seats_found, report.seats_lost), (1, 1));
        assert_eq!(setup.seat_state(app, ann).await, SeatState::Reclaimed);
        let found = setup.seat(app, bo).await.unwrap();
        assert_eq!(
            (found.state, found.reason.as_str()),
            (SeatState::Assigned, "found at the Store")
        );
        assert_eq!(
            setup.sim.seat_holders(&online_key()),
            [bo],
            "nothing is taken from whom we do not know"
        );
    }
}

#[tokio::test]
async fn a_renamed_user_is_found_under_the_new_name_and_the_old_row_ends() {
    for setup in Setup::on_each(2).await {
        let app = synchronized(&setup).await;
        let (old, new) = (USERS[0], "ann.lund@fjord.example");
        setup.enter(app, SeatState::Assigning, &[old]).await;
        setup.sync.seat_round(app).await.unwrap();
        setup.sim.rename_user(old, new);
        let report = setup.sync.synchronize(Mode::Reconcile).await.unwrap();
        assert_eq!((report.seats_found, report.seats_lost), (1, 1));
        assert_eq!(setup.seat_state(app, new).await, SeatState::Assigned);
        assert_eq!(setup.seat_state(app, old).await, SeatState::Reclaimed);
        assert_eq!(setup.online().await.seats.unwrap().assigned, 1);
    }
}
