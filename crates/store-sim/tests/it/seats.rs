use crate::support::{Stage, column, inventory, offline_key, online_key, seat, upn};
use http::StatusCode;
use qm_store_sim::{
    Fault, Loss, Operation, Ownership, SeatState, SimConfig, ViolationKind, catalogue::DistributionPolicy,
};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn assigning_counts_once_and_reclaiming_gives_back() {
    let stage = Stage::demo().await;
    let first = stage.post(&seat("cia")).await.ok();
    assert_eq!(
        first["assignedTo"], "Cia@saltmarsh.example",
        "spelled as in the directory"
    );
    assert_eq!(first["state"], "Active");
    stage.clock.advance(Duration::from_secs(5));
    let again = stage.post(&seat("CIA")).await.ok();
    assert_eq!(again, first, "the seat is as it was");
    assert_eq!(stage.sim.available_seats(&online_key()), Some(2));
    assert_eq!(stage.get(&seat("cia")).await.ok(), first);

    let revoked = stage.delete(&seat("cia")).await.ok();
    assert_eq!(revoked["state"], "Revoked");
    assert_eq!(stage.sim.available_seats(&online_key()), Some(3));
    assert_eq!(stage.delete(&seat("cia")).await.refusal(), (404, "Seat"));
    assert_eq!(stage.get(&seat("cia")).await.refusal(), (404, "Seat"));
    let ledger = stage.sim.ledger();
    assert_eq!((ledger.len(), ledger[0].state), (1, SeatState::Revoked));
    let new = stage.post(&seat("cia")).await.ok();
    assert_ne!(new["dateAssigned"], first["dateAssigned"]);
    stage.sim.assert_no_violations();
}

#[tokio::test]
async fn no_more_seats_are_given_than_there_are() {
    let stage = Stage::with(SimConfig {
        no_seats_status: StatusCode::BAD_REQUEST,
        ..SimConfig::default()
    })
    .await;
    for user in ["ann", "bob", "cia"] {
        stage.post(&seat(user)).await.ok();
    }
    let refused = stage.post(&seat("dan")).await;
    assert_eq!(refused.refusal(), (400, "No seats available"));
    stage.post(&seat("ann")).await.ok();
    assert_eq!(stage.sim.seat_holders(&online_key()).len(), 3);

    stage.sim.set_seat_total(&online_key(), 1);
    assert_eq!(stage.sim.available_seats(&online_key()), Some(0));
    stage.delete(&seat("ann")).await.ok();
    assert_eq!(stage.post(&seat("dan")).await.status, 400);
    stage
        .sim
        .update_product(&online_key(), |product| product.policy = DistributionPolicy::Open);
    stage.post(&seat("dan")).await.ok();
}

#[tokio::test]
async fn users_have_to_exist_and_guests_survive_the_path() {
    let stage = Stage::demo().await;
    assert_eq!(stage.post(&seat("zoe")).await.refusal(), (404, "User"));
    assert_eq!(
        stage.get(&format!("/Users/{}/Seats", upn("zoe"))).await.refusal(),
        (404, "User")
    );
    assert_eq!(
        stage.post(&inventory("/Seats/nobody")).await.refusal(),
        (400, "username")
    );
    let guest = "tom+1_partner.example#EXT#@saltmarsh.example";
    stage.sim.add_user(guest);
    let path = inventory("/Seats/tom%2B1_partner.example%23EXT%23%40saltmarsh.example");
    assert_eq!(stage.post(&path).await.ok()["assignedTo"], guest);
    assert_eq!(stage.get(&path).await.ok()["assignedTo"], guest);
}

#[tokio::test]
async fn seats_exist_for_online_licensed_entries_of_the_inventory_only() {
    let stage = Stage::demo().await;
    let offline = format!("/Inventory/{}/Seats", offline_key());
    assert_eq!(stage.get(&offline).await.refusal(), (409, "Not online"));
    let of_ann = format!("{offline}/{}", upn("ann"));
    for answer in [
        stage.get(&of_ann).await,
        stage.post(&of_ann).await,
        stage.delete(&of_ann).await,
    ] {
        assert_eq!(answer.refusal(), (409, "Not online"));
    }
    stage.sim.set_ownership(&online_key(), Ownership::Removed);
    assert_eq!(stage.post(&seat("ann")).await.refusal(), (404, "Inventory"));
    assert_eq!(
        stage.bulk("assign", &["ann"]).await.unwrap().refusal(),
        (404, "Inventory")
    );
}

#[tokio::test]
async fn accounts_come_go_and_change_their_names_with_their_seats() {
    let stage = Stage::demo().await;
    stage.post(&seat("ann")).await.ok();
    stage.sim.claim_seat(&online_key(), &upn("bob")).unwrap();
    assert_eq!(
        stage
            .sim
            .claim_seat(&offline_key(), &upn("bob"))
            .unwrap_err()
            .status,
        409
    );
    stage.sim.rename_user(&upn("ann"), &upn("anna"));
    let seats = stage.get(&inventory("/Seats")).await.ok();
    assert_eq!(column(&seats["seats"], "assignedTo"), [upn("anna"), upn("bob")]);
    assert_eq!(stage.delete(&seat("ann")).await.refusal(), (404, "User"));
    stage.sim.remove_user(&upn("anna"));
    assert_eq!(stage.sim.seat_holders(&online_key()), [upn("bob")]);
    assert_eq!(stage.delete(&seat("anna")).await.refusal(), (404, "User"));
    assert!(stage.sim.ledger().iter().any(|seat| seat.claimed));
}

#[tokio::test]
async fn a_bulk_request_succeeds_in_part() {
    let stage = Stage::demo().await;
    let answer = stage
        .bulk("Assign", &["ann", "zoe", "cia", "no-upn@", "dan", "eve"])
        .await
        .unwrap()
        .ok();
    assert_eq!(
        column(&answer["seatDetails"], "assignedTo"),
        [upn("ann"), upn("Cia"), upn("dan")]
    );
    assert_eq!(
        column(&answer["failedSeatOperations"], "userName"),
        [upn("zoe"), "no-upn@".to_owned(), upn("eve")]
    );
    assert_eq!(
        column(&answer["failedSeatOperations"], "failureReason"),
        ["User not found", "Invalid user name", "No seats available"]
    );
    let back = stage.bulk("reclaim", &["ann", "bob"]).await.unwrap().ok();
    assert_eq!(column(&back["seatDetails"], "state"), ["Revoked"]);
    assert_eq!(
        column(&back["failedSeatOperations"], "failureReason"),
        ["Seat not found"]
    );
    stage.sim.assert_no_violations();
}

#[tokio::test]
async fn a_bulk_request_names_25_users_at_most() {
    let stage = Stage::with(SimConfig {
        everyone_exists: true,
        ..SimConfig::default()
    })
    .await;
    stage.sim.set_seat_total(&online_key(), 100);
    let names: Vec<_> = (0..26).map(|number| format!("user{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(
        stage.bulk("assign", &names).await.unwrap().refusal(),
        (400, "usernames")
    );
    assert_eq!(stage.sim.seat_holders(&online_key()).len(), 0);
    assert_eq!(stage.sim.violations()[0].kind, ViolationKind::BulkTooLarge(26));
    stage.bulk("assign", &names[..25]).await.unwrap().ok();
    assert_eq!(stage.sim.seat_holders(&online_key()).len(), 25);
}

#[tokio::test]
async fn malformed_bulk_requests_are_400_and_field_names_have_no_case() {
    let stage = Stage::demo().await;
    let bulk = |body: serde_json::Value| {
        stage
            .request(Method::POST, &inventory("/Seats"))
            .json(&body)
            .send()
    };
    for (body, parameter) in [
        (json!({"seatAction": "assign"}), "usernames"),
        (json!({"usernames": [], "seatAction": "assign"}), "usernames"),
        (json!({"usernames": [" "], "seatAction": "assign"}), "usernames"),
        (json!({"usernames": ["a@b"]}), "seatAction"),
        (json!({"usernames": ["a@b"], "seatAction": "keep"}), "seatAction"),
        (json!(["a@b"]), "body"),
    ] {
        let answer = crate::support::Answer::of(bulk(body).await.unwrap()).await;
        assert_eq!(answer.refusal(), (400, parameter));
    }
    let answer = bulk(json!({"UserNames": [upn("ann")], "SeatAction": "ASSIGN"}))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let text = stage
        .request(Method::POST, &inventory("/Seats"))
        .body("usernames=ann")
        .send();
    assert_eq!(text.await.unwrap().status(), 415);
}

#[tokio::test]
async fn bulk_faults_fail_users_or_forget_them() {
    let stage = Stage::demo().await;
    stage.sim.inject(Fault::BulkFails(1));
    let failed = stage.bulk("assign", &["ann", "bob"]).await.unwrap().ok();
    assert_eq!(column(&failed["failedSeatOperations"], "userName"), [upn("ann")]);
    assert_eq!(stage.sim.seat_holders(&online_key()), [upn("bob")]);
    stage.sim.inject(Fault::BulkOmits(1));
    let omitted = stage.bulk("assign", &["ann", "bob"]).await.unwrap().ok();
    assert_eq!(column(&omitted["seatDetails"], "assignedTo"), [upn("bob")]);
    assert_eq!(omitted["failedSeatOperations"], json!([]));
    assert_eq!(
        stage.sim.seat_holders(&online_key()).len(),
        2,
        "the omitted one was processed"
    );
    stage.sim.inject(Fault::NullLists);
    let null = stage.bulk("assign", &["ann"]).await.unwrap().ok();
    assert!(null["failedSeatOperations"].is_null());
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_effect() {
    let stage = Stage::demo().await;
    stage
        .sim
        .inject(Fault::LoseAnswer(Loss::Drop).on(Operation::AssignSeat));
    assert!(stage.empty_post(&seat("ann")).send().await.is_err());
    assert_eq!(stage.sim.seat_holders(&online_key()), [upn("ann")]);
    stage
        .sim
        .inject(Fault::LoseAnswer(Loss::ServerError).on(Operation::ReclaimSeat));
    assert_eq!(stage.delete(&seat("ann")).await.status, 500);
    assert_eq!(stage.sim.seat_holders(&online_key()).len(), 0);
    stage.sim.inject(Fault::Drop.on(Operation::AssignSeat));
    assert!(stage.empty_post(&seat("ann")).send().await.is_err());
    assert_eq!(stage.sim.seat_holders(&online_key()).len(), 0, "without effect");
    let statuses: Vec<_> = stage
        .sim
        .requests()
        .iter()
        .skip(1)
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [None, Some(500), None]);
}

#[tokio::test]
async fn repeating_a_bulk_request_in_doubt_without_looking_is_a_violation() {
    for loss in [Loss::Drop, Loss::ServerError] {
        let stage = Stage::demo().await;
        let fault = Fault::LoseAnswer(loss).on(Operation::BulkSeats);
        stage.sim.inject(fault.clone().times(2));
        stage.bulk("assign", &["ann", "bob"]).await;
        stage.get(&inventory("/Seats")).await.ok();
        stage.bulk("assign", &["bob"]).await;
        stage.sim.assert_no_violations();
        stage.bulk("assign", &["bob", "cia"]).await.unwrap().ok();
        let kinds: Vec<_> = stage
            .sim
            .violations()
            .into_iter()
            .map(|violation| violation.kind)
            .collect();
        assert_eq!(kinds, [ViolationKind::RepeatedBlindly(upn("bob"))]);
    }
}
