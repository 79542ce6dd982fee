use crate::setup::{Setup, USERS, online_key};
use qm_core::seat::SeatState;
use qm_store_sim::{Fault, Loss, Operation, SimConfig, catalogue::demo};
use qm_store_sync::SyncError;

/// A directory where everybody exists, and this many seats.
async fn crowd(seats: u64) -> (Setup, Vec<String>) {
    let config = SimConfig {
        products: demo(seats).unwrap(),
        everyone_exists: true,
        ..SimConfig::default()
    };
    let setup = Setup::with(config).await;
    setup.full().await;
    let names = (0..60)
        .map(|number| format!("user{number:02}@fjord.example"))
        .collect();
    (setup, names)
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn one_seat_is_assigned_and_given_back() {
    let setup = Setup::new(2).await;
    setup.full().await;
    let app = setup.online().await.id;
    let guest = USERS[2];
    setup.enter(app, SeatState::Assigning, &[guest]).await;
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!(
        (round.changes.len(), round.changes[0].state),
        (1, SeatState::Assigned)
    );
    assert_eq!(round.counts.unwrap().available, Some(1));
    assert_eq!(setup.sim.seat_holders(&online_key()), [guest]);
    assert_eq!(setup.online().await.seats.unwrap().assigned, 1);
    assert_eq!(setup.sim.count(Operation::BulkSeats), 0);

    setup.enter(app, SeatState::Reclaiming, &[guest]).await;
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!(round.changes[0].state, SeatState::Reclaimed);
    assert!(setup.sim.seat_holders(&online_key()).is_empty());

    let asked = setup.sim.requests().len();
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes, []);
    assert_eq!(setup.sim.requests().len(), asked, "nothing to do, nothing asked");
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn many_seats_go_in_chunks_and_reclaims_make_room_first() {
    let (setup, names) = crowd(30).await;
    let app = setup.online().await.id;
    setup.enter(app, SeatState::Assigning, &refs(&names[..30])).await;
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 30);
    assert_eq!(setup.sim.count(Operation::BulkSeats), 2);
    setup.enter(app, SeatState::Reclaiming, &refs(&names[..20])).await;
    setup
        .enter(app, SeatState::Assigning, &refs(&names[30..50]))
        .await;
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!((round.changes.len(), round.waiting.len()), (40, 0));
    assert_eq!(setup.sim.available_seats(&online_key()), Some(0));
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn without_a_free_seat_users_wait_and_get_the_next_one() {
    let (setup, names) = crowd(2).await;
    let app = setup.online().await.id;
    setup.enter(app, SeatState::Assigning, &refs(&names)).await;
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!((round.changes.len(), round.waiting.len()), (2, 58));
    assert_eq!(
        setup.seat_state(app, &round.waiting[0]).await,
        SeatState::Assigning
    );
    // One bulk call, one single call to know why, and no call for every user who waits.
    assert_eq!(
        (
            setup.sim.count(Operation::BulkSeats),
            setup.sim.count(Operation::AssignSeat)
        ),
        (1, 1)
    );

    let holder = round.changes[0].upn.clone();
    setup.enter(app, SeatState::Reclaiming, &[&holder]).await;
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!((round.changes.len(), round.waiting.len()), (2, 57));
}

#[tokio::test]
async fn whoever_holds_a_seat_already_is_settled_though_none_is_left() {
    let (setup, names) = crowd(1).await;
    let app = setup.online().await.id;
    setup.sim.claim_seat(&online_key(), &names[59]).unwrap();
    setup.enter(app, SeatState::Assigning, &refs(&names)).await;
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!((round.changes.len(), round.waiting.len()), (1, 59));
    assert_eq!(round.changes[0].upn, names[59]);
}

#[tokio::test]
async fn unknown_users_fail_with_a_reason() {
    let setup = Setup::new(9).await;
    setup.full().await;
    let app = setup.online().await.id;
    setup
        .enter(
            app,
            SeatState::Assigning,
            &[USERS[0], "left@fjord.example", USERS[1]],
        )
        .await;
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!(round.changes.len(), 3);
    let left = setup.seat(app, "left@fjord.example").await.unwrap();
    assert_eq!(left.state, SeatState::Failed);
    assert!(left.reason.contains("directory"), "{}", left.reason);
    assert_eq!(setup.sim.seat_holders(&online_key()).len(), 2);

    setup
        .enter(app, SeatState::Reclaiming, &["left@fjord.example"])
        .await;
    setup.sync.seat_round(app).await.unwrap();
    assert_eq!(
        setup.seat_state(app, "left@fjord.example").await,
        SeatState::Reclaimed,
        "gone with the account"
    );
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_looking() {
    for loss in [Loss::Drop, Loss::ServerError] {
        let (setup, names) = crowd(40).await;
        let app = setup.online().await.id;
        setup
            .sim
            .inject(Fault::LoseAnswer(loss).on(Operation::AssignSeat));
        setup.enter(app, SeatState::Assigning, &refs(&names[..1])).await;
        assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 1);
        assert_eq!(setup.sim.count(Operation::AssignSeat), 1, "not repeated");

        setup.sim.inject(Fault::LoseAnswer(loss).on(Operation::BulkSeats));
        setup.enter(app, SeatState::Assigning, &refs(&names[1..11])).await;
        assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 10);
        assert_eq!(setup.sim.count(Operation::BulkSeats), 1, "not repeated");

        setup
            .sim
            .inject(Fault::LoseAnswer(loss).on(Operation::ReclaimSeat));
        setup.enter(app, SeatState::Reclaiming, &refs(&names[..1])).await;
        assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 1);
        assert_eq!(setup.sim.seat_holders(&online_key()).len(), 10);
        setup.sim.assert_no_violations();
    }
}

#[tokio::test]
async fn what_took_no_effect_is_sent_once_more_and_then_left_for_later() {
    let (setup, names) = crowd(40).await;
    let app = setup.online().await.id;
    setup.sim.inject(Fault::status(500).on(Operation::BulkSeats));
    setup.enter(app, SeatState::Assigning, &refs(&names[..5])).await;
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 5);
    assert_eq!(setup.sim.count(Operation::BulkSeats), 2);

    setup
        .sim
        .inject(Fault::status(500).on(Operation::AssignSeat).always());
    setup.enter(app, SeatState::Assigning, &refs(&names[5..6])).await;
    let error = setup.sync.seat_round(app).await.unwrap_err();
    assert!(
        matches!(error, SyncError::Store(_)) && error.is_transient(),
        "{error}"
    );
    assert_eq!(setup.seat_state(app, &names[5]).await, SeatState::Assigning);
    assert_eq!(setup.seat(app, &names[5]).await.unwrap().attempts, 1);
    setup.sim.clear_faults();
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 1);
}

#[tokio::test]
async fn users_in_neither_list_and_users_that_failed_are_looked_into() {
    let (setup, names) = crowd(40).await;
    let app = setup.online().await.id;
    setup.sim.inject(Fault::BulkOmits(2));
    setup.enter(app, SeatState::Assigning, &refs(&names[..4])).await;
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 4);
    assert_eq!(setup.sim.count(Operation::AssignSeat), 0);

    setup.sim.inject(Fault::BulkFails(2));
    setup.sim.inject(Fault::NullLists.on(Operation::BulkSeats));
    setup.enter(app, SeatState::Assigning, &refs(&names[4..8])).await;
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 4);
    assert_eq!(setup.sim.count(Operation::AssignSeat), 2);
    assert_eq!(setup.sim.seat_holders(&online_key()).len(), 8);
}

#[tokio::test]
async fn a_refused_batch_is_taken_apart() {
    let (setup, names) = crowd(40).await;
    let app = setup.online().await.id;
    setup.sim.inject(Fault::status(400).on(Operation::BulkSeats));
    setup.enter(app, SeatState::Assigning, &refs(&names[..3])).await;
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 3);
    assert_eq!(setup.sim.count(Operation::AssignSeat), 3);
}

#[tokio::test]
async fn an_interrupted_round_keeps_what_was_settled() {
    let (setup, names) = crowd(40).await;
    let app = setup.online().await.id;
    setup.enter(app, SeatState::Assigning, &refs(&names[..30])).await;
    setup
        .sim
        .inject(Fault::status(403).on(Operation::BulkSeats).after(1).always());
    let error = setup.sync.seat_round(app).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert_eq!(setup.sim.seat_holders(&online_key()).len(), 25);
    let mut assigned = 0;
    for name in &names[..30] {
        assigned += usize::from(setup.seat_state(app, name).await == SeatState::Assigned);
    }
    assert_eq!(assigned, 25, "which of the users were first is not told");
    setup.recover();
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 5);
}

#[tokio::test]
async fn what_a_killed_server_may_have_done_is_looked_at_before_anything_is_repeated() {
    let (setup, names) = crowd(40).await;
    let app = setup.online().await.id;
    setup.enter(app, SeatState::Assigning, &refs(&names[..6])).await;
    let mut begun = Vec::new();
    for name in &names[..4] {
        begun.push(setup.seat(app, name).await.unwrap().id);
    }
    // Counted before the call, and then the server is no more; the call took effect for two of them.
    qm_db::run!(setup.db, "seats.attempt", |tx| qm_db::seats::count_attempt(
        tx, &begun
    )
    .await)
    .unwrap();
    for name in &names[..2] {
        setup.sim.claim_seat(&online_key(), name).unwrap();
    }
    let round = setup.sync.seat_round(app).await.unwrap();
    assert_eq!(round.changes.len(), 6);
    assert_eq!(
        setup.sim.count(Operation::Seat),
        4,
        "those in doubt were looked at"
    );
    let claimed = setup.sim.ledger().iter().filter(|seat| seat.claimed).count();
    assert_eq!(claimed, 2, "and not assigned once more");
    assert_eq!(setup.sim.count(Operation::BulkSeats), 1);
}

#[tokio::test]
async fn whoever_waits_for_a_seat_is_in_no_doubt() {
    let (setup, names) = crowd(1).await;
    let app = setup.online().await.id;
    setup.enter(app, SeatState::Assigning, &refs(&names[..3])).await;
    let waiting = setup.sync.seat_round(app).await.unwrap().waiting;
    assert_eq!(waiting.len(), 2);
    for name in &waiting {
        assert_eq!(setup.seat(app, name).await.unwrap().attempts, 0);
    }
}

#[tokio::test]
async fn apps_without_seats_are_refused() {
    let setup = Setup::new(2).await;
    setup.full().await;
    let offline = setup.offline().await.id;
    assert!(matches!(
        setup.sync.seat_round(offline).await,
        Err(SyncError::NotOnline)
    ));
    let nobody = qm_core::AppId::new(setup.clock.now(), &qm_core::Rng::seeded(1));
    assert!(matches!(
        setup.sync.seat_round(nobody).await,
        Err(SyncError::UnknownApp(_))
    ));
}

#[tokio::test]
async fn a_call_of_unknown_outcome_is_looked_at_also_when_the_opposite_is_wanted_now() {
    let (setup, names) = crowd(40).await;
    let app = setup.online().await.id;
    setup.enter(app, SeatState::Assigning, &refs(&names[..4])).await;
    setup
        .sim
        .inject(Fault::LoseAnswer(Loss::Drop).on(Operation::BulkSeats).always());
    setup.sim.inject(Fault::status(500).on(Operation::Seat).always());
    setup.sync.seat_round(app).await.unwrap_err();
    assert_eq!(setup.sim.seat_holders(&online_key()).len(), 4);
    setup.sim.clear_faults();
    for name in &names[..4] {
        let seat = setup.seat(app, name).await.unwrap();
        let now = setup.clock.now();
        let (from, to) = (SeatState::Assigning, SeatState::Reclaiming);
        let moved = qm_db::run!(setup.db, "seats.flip", |tx| {
            qm_db::seats::set_state(tx, seat.id, from, to, "not wanted any more", now).await
        });
        assert!(moved.unwrap());
    }
    setup.recover();
    assert_eq!(setup.sync.seat_round(app).await.unwrap().changes.len(), 4);
    assert!(setup.sim.seat_holders(&online_key()).is_empty());
    setup.sim.assert_no_violations();
}
