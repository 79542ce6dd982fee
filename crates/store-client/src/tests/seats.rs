use super::*;
use crate::{Conflict, Operation, SeatAction, StoreError, Verdict, tests::seat as seat_json};

const UPN: &str = "pat_x.example#EXT#@d.example";
const ONE: &str = "/V1/Inventory/9ABCDEFGHIJK/0042/Seats/pat_x.example%23EXT%23%40d.example";

#[tokio::test]
async fn assigns_and_reclaims_one_seat() {
    let service = Service::with_token(|seen, _| match seen.method.as_str() {
        "POST" => Reply::ok(&seat_json(UPN, "active")),
        "DELETE" => Reply::ok(&seat_json(UPN, "Revoked")),
        _ => Reply::ok(&seat_json(UPN, "Active")),
    })
    .await;
    let (client, key) = (service.client(), key());
    assert_eq!(client.assign_seat(&key, UPN).await.unwrap().upn, UPN);
    assert!(client.seat(&key, UPN).await.unwrap().is_some());
    assert!(client.reclaim_seat(&key, UPN).await.unwrap().is_some());
    assert_eq!(
        service.lines(),
        [
            format!("POST {ONE}"),
            format!("GET {ONE}"),
            format!("DELETE {ONE}")
        ]
    );
    assert_eq!(service.calls()[0].header("content-length"), Some("0"));
}

#[tokio::test]
async fn an_absent_seat_is_an_answer() {
    let table = [
        (missing("Seat"), Ok(None)),
        (Reply::new(404, ""), Ok(None)),
        (Reply::ok(&seat_json(UPN, "Revoked")), Ok(None)),
        (missing("User"), Err(StoreError::UnknownUser)),
    ];
    for (reply, expected) in table {
        let reply = Arc::new(Mutex::new(Some(reply)));
        let service = Service::with_token(move |_, _| reply.lock().unwrap().take().unwrap()).await;
        assert_eq!(service.client().seat(&key(), UPN).await, expected);
    }
    for item in ["Seat", "User", ""] {
        let service = Service::with_token(move |_, _| missing(item)).await;
        assert_eq!(
            service.client().reclaim_seat(&key(), UPN).await,
            Ok(None),
            "{item}"
        );
    }
    let service = Service::with_token(|_, _| missing("Inventory")).await;
    assert!(matches!(
        service.client().reclaim_seat(&key(), UPN).await,
        Err(StoreError::NotFound { .. })
    ));
    assert!(matches!(
        service.client().seat(&key(), UPN).await,
        Err(StoreError::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_lost_answer_is_ambiguous_and_not_repeated() {
    type Make = fn() -> Reply;
    let table: [Make; 5] = [
        || Reply::new(500, ""),
        || Reply::new(503, ""),
        || Reply::ok(&seat_json(UPN, "Active")).cut(),
        || Reply::new(200, "{\"assigned"),
        || Reply::ok(&seat_json(UPN, "Pending")),
    ];
    for make in table {
        let service = Service::with_token(move |_, _| make()).await;
        let (client, key) = (service.client(), key());
        assert_eq!(
            client.assign_seat(&key, UPN).await,
            Err(StoreError::Ambiguous(Operation::AssignSeat))
        );
        assert_eq!(
            client.reclaim_seat(&key, UPN).await,
            Err(StoreError::Ambiguous(Operation::ReclaimSeat))
        );
        assert_eq!(service.calls().len(), 2);
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_ambiguous() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut buffer = [0; 64];
            stream.readable().await.unwrap();
            let _ = stream.try_read(&mut buffer);
        }
    });
    let authority = Service::with_token(|_, _| Reply::new(500, "")).await;
    let [api, content] = http_clients();
    let config = StoreConfig {
        base_url: format!("http://{silent}/V1"),
        ..authority.client().inner.endpoints.config.clone()
    };
    let client = StoreClient::new(config, api, content, authority.clock.clone(), Rng::seeded(1)).unwrap();
    let result = client
        .change_seats(&key(), SeatAction::Assign, &[UPN.to_owned()])
        .await;
    assert_eq!(result, Err(StoreError::Ambiguous(Operation::BulkSeats)));
}

#[tokio::test]
async fn throttled_seat_calls_are_repeated() {
    let service = Service::with_token(|_, n| match n {
        0 => Reply::new(429, "").with("retry-after", "0"),
        _ => Reply::ok(&seat_json(UPN, "Active")),
    })
    .await;
    assert!(service.client().assign_seat(&key(), UPN).await.is_ok());
    assert_eq!(service.calls().len(), 2);
}

/// A service that refuses to assign, with a seat or none, and with a count in the inventory.
async fn refusing(refuse: fn() -> Reply, seat: fn() -> Reply, policy: &'static str, left: i64) -> Service {
    Service::with_token(move |seen, _| match seen.method.as_str() {
        "POST" => refuse(),
        _ if seen.target.starts_with("/V1/Inventory?") => Reply::ok(&json!({ "inventoryEntries": [
            { "productKey": wire_key(), "distributionPolicy": policy, "availableSeats": left }] })),
        _ => seat(),
    })
    .await
}

#[tokio::test]
async fn a_refusal_is_looked_into() {
    let no_seat = || missing("Seat");
    let held = || Reply::ok(&seat_json(UPN, "Active"));
    let refused = |service: Service| async move { service.client().assign_seat(&key(), UPN).await };

    let service = refusing(|| fault(400, "AlreadyAssigned"), held, "Restricted", 0).await;
    assert!(refused(service).await.is_ok());
    let service = refusing(|| Reply::new(409, ""), no_seat, "Restricted", 0).await;
    assert_eq!(refused(service).await, Err(StoreError::NoSeatsLeft));
    let service = refusing(|| missing("Seat"), no_seat, "Restricted", 0).await;
    assert_eq!(refused(service).await, Err(StoreError::NoSeatsLeft));
    let service = refusing(|| fault(409, "NoSeatsAvailable"), no_seat, "Restricted", 3).await;
    assert_eq!(refused(service).await, Err(StoreError::NoSeatsLeft));
    let service = refusing(|| missing("User"), no_seat, "Restricted", 0).await;
    assert_eq!(refused(service).await, Err(StoreError::UnknownUser));
    let service = refusing(|| Reply::new(400, ""), || missing("User"), "Open", 0).await;
    assert_eq!(refused(service).await, Err(StoreError::UnknownUser));
    let service = refusing(|| fault(400, "BadName"), no_seat, "Open", 0).await;
    assert!(matches!(refused(service).await, Err(StoreError::Refused { fault, .. }) if fault.status == 400));
    let service = refusing(|| fault(409, "Not online"), no_seat, "Restricted", 0).await;
    let error = refused(service).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Conflict {
            conflict: Conflict::NotOnline,
            ..
        }
    ));
}

#[tokio::test]
async fn bulk_calls_carry_names_once_and_tell_each_outcome() {
    let service = Service::with_token(|_, _| {
        Reply::ok(&json!({
            "SeatDetails": [seat_json("A@x.example", "Active")],
            "failedSeatOperations": [{ "userName": "b@x.example", "failureReason": "No seats left", "productKey": wire_key() }],
        }))
    })
    .await;
    let names = ["a@x.example", "A@X.example", " ", "b@x.example", "c@x.example"].map(str::to_owned);
    let result = service
        .client()
        .change_seats(&key(), SeatAction::Assign, &names)
        .await
        .unwrap();
    assert_eq!(result.verdict("a@x.example"), Verdict::Done);
    assert_eq!(
        result.verdict("b@x.example"),
        Verdict::Failed("No seats left".into())
    );
    assert_eq!(result.verdict("c@x.example"), Verdict::Unknown);
    assert!(result.failed[0].tells_no_seats());
    let call = &service.calls()[0];
    assert_eq!(call.line(), "POST /V1/Inventory/9ABCDEFGHIJK/0042/Seats");
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        sent,
        json!({ "usernames": ["a@x.example", "b@x.example", "c@x.example"], "seatAction": "assign" })
    );
}

#[tokio::test]
async fn bulk_calls_are_bounded_and_read_null_lists() {
    let service = Service::with_token(|_, _| Reply::ok(&json!({ "seatDetails": null }))).await;
    let client = service.client();
    let many: Vec<_> = (0..26).map(|n| format!("u{n}@x.example")).collect();
    let error = client.change_seats(&key(), SeatAction::Reclaim, &many).await;
    assert_eq!(error, Err(StoreError::BatchSize { given: 26 }));
    assert_eq!(
        client.change_seats(&key(), SeatAction::Reclaim, &[]).await,
        Err(StoreError::BatchSize { given: 0 })
    );
    assert!(service.calls().is_empty());
    let result = client
        .change_seats(&key(), SeatAction::Reclaim, &many[..25])
        .await
        .unwrap();
    assert_eq!(result.verdict("u3@x.example"), Verdict::Unknown);
}

#[tokio::test]
async fn lists_the_seats_of_a_user() {
    let service = Service::with_token(|seen, _| {
        if seen.target.contains("gone") {
            missing("User")
        } else {
            Reply::ok(&json!({ "seats": [seat_json(UPN, "Active")] }))
        }
    })
    .await;
    let client = service.client();
    let walk = client.user_seats(UPN).await.unwrap();
    assert_eq!(walk.items[0].key, Some(key()));
    assert_eq!(
        client.user_seats("gone@x.example").await,
        Err(StoreError::UnknownUser)
    );
    assert_eq!(
        service.lines()[0],
        "GET /V1/Users/pat_x.example%23EXT%23%40d.example/Seats?maxResults=100"
    );
}
