use crate::support::{Stage, inventory, seat, text};
use qm_store_sim::{Fault, Loss, Operation, RetryAfter, fault};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const PAUSE: Duration = Duration::from_millis(80);

#[tokio::test]
async fn statuses_come_as_often_and_where_they_are_told_to() {
    let stage = Stage::demo().await;
    stage.sim.inject(Fault::status(401).on(Operation::Seats).after(1));
    let statuses = [
        stage.get("/Inventory").await.status,
        stage.get(&inventory("/Seats")).await.status,
        stage.get(&inventory("/Seats")).await.status,
        stage.get(&inventory("/Seats")).await.status,
    ];
    assert_eq!(statuses, [200, 200, 401, 200]);
    for status in [403, 410, 500, 502, 504] {
        stage.sim.inject(Fault::status(status).times(2));
        assert_eq!(
            [
                stage.get("/Inventory").await.status,
                stage.get("/Inventory").await.status
            ],
            [status; 2]
        );
    }
    stage.sim.inject(Fault::status(403).always());
    stage.get("/Inventory").await;
    assert_eq!(stage.get("/Inventory").await.status, 403);
    stage.sim.clear_faults();
    stage.get("/Inventory").await.ok();
}

#[tokio::test]
async fn throttling_says_when_to_come_back() {
    let stage = Stage::demo().await;
    stage.sim.inject(Fault::throttled(3));
    let date = Fault::Status {
        status: 503,
        retry_after: Some(RetryAfter::Date(60)),
    };
    stage.sim.inject(date);
    for expected in ["3", "Thu, 09 Oct 2025 08:54:20 GMT"] {
        let answer = stage.request(Method::GET, "/Inventory").send().await.unwrap();
        assert_eq!(answer.headers()["retry-after"], expected);
        assert_eq!(answer.headers()["date"], "Thu, 09 Oct 2025 08:53:20 GMT");
    }
}

#[tokio::test]
async fn web_pages_and_redirects_come_in_place_of_answers() {
    let stage = Stage::demo().await;
    stage.sim.inject(Fault::Html);
    let page = stage.request(Method::GET, "/Inventory").send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(page.text().await.unwrap().starts_with("<!DOCTYPE html>"));
    stage.sim.inject(Fault::Redirect);
    let moved = stage.request(Method::GET, "/Inventory").send().await.unwrap();
    let elsewhere = moved.headers()["location"].to_str().unwrap().to_owned();
    let page = stage.http.get(elsewhere).send().await.unwrap();
    assert_eq!(page.status(), 200);
    stage.sim.assert_no_violations();
}

#[tokio::test]
async fn answers_can_be_late_or_never_come() {
    let stage = Stage::demo().await;
    stage.sim.inject(Fault::Delay(Duration::from_millis(300)));
    let begun = Instant::now();
    stage.get("/Inventory").await.ok();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    stage
        .sim
        .inject(Fault::Delay(Duration::from_mins(5)).at(&seat("ann")));
    let request = stage.empty_post(&seat("ann"));
    let late = request.timeout(Duration::from_millis(100)).send().await;
    assert!(late.unwrap_err().is_timeout());
    assert_eq!(
        stage.sim.ledger(),
        [],
        "the client went away before anything was done"
    );
    stage.sim.inject(Fault::Drop);
    assert!(stage.request(Method::GET, "/Inventory").send().await.is_err());
}

#[tokio::test]
async fn answers_come_in_strange_shapes() {
    let stage = Stage::demo().await;
    stage.sim.inject(Fault::PascalCase);
    let pascal = stage.get("/Inventory").await.ok();
    assert_eq!(pascal["InventoryEntries"][0]["ProductKey"]["SkuId"], "0010");
    stage.sim.inject(Fault::NumbersAsStrings);
    let strings = stage.get("/Inventory?licenseTypes=online").await.ok();
    assert_eq!(strings["inventoryEntries"][0]["seatCapacity"], "3");
    stage.sim.inject(Fault::MixedCase);
    assert_eq!(
        stage.get("/Inventory").await.ok()["inventoryEntries"][0]["LicenseType"],
        "Offline"
    );
    stage.sim.inject(Fault::UnknownFields);
    assert!(stage.get("/Inventory").await.ok()["extendedData"].is_object());
    stage.sim.inject(Fault::Overwrite {
        field: "lastModified".to_owned(),
        value: json!("0001-01-01T00:00:00"),
    });
    let overwritten = stage.get("/Inventory").await.ok();
    assert_eq!(
        text(&overwritten["inventoryEntries"][1]["lastModified"]),
        "0001-01-01T00:00:00"
    );
    stage.sim.inject(Fault::ByteOrderMark);
    let marked = stage
        .request(Method::GET, "/Inventory")
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(marked.starts_with(b"\xef\xbb\xbf{"));
}

/// Presets that answer late or never.
const ENDLESS: [&str; 3] = ["slow", "silent", "trickling"];

#[tokio::test]
async fn answers_can_stay_out_or_trickle_before_and_after_the_effect() {
    let stage = Stage::demo().await;
    let assign = |who: &str| stage.empty_post(&seat(who)).send();
    let seen = |times: usize| {
        let sim = &stage.sim;
        async move {
            while sim.count(Operation::AssignSeat) < times {
                sleep(PAUSE).await;
            }
        }
    };
    stage.sim.inject(Fault::Hang);
    // The fault is this request's from the moment that it was seen; there is no end to wait for.
    tokio::select! {
        answer = assign("ann") => panic!("{answer:?}"),
        () = seen(1) => {}
    }
    stage.sim.inject(Fault::Trickle);
    let headers = assign("ann").await.unwrap();
    assert_eq!(headers.status(), 200);
    assert!(timeout(PAUSE, headers.bytes()).await.is_err());
    assert_eq!(stage.sim.ledger(), [], "nothing was done");
    for (times, who, loss) in [(3, "ann", Loss::Hang), (4, "bob", Loss::Trickle)] {
        stage
            .sim
            .inject(Fault::LoseAnswer(loss).on(Operation::AssignSeat));
        let whole = async { assign(who).await.unwrap().bytes().await };
        let given = async {
            seen(times).await;
            while stage.sim.ledger().len() < times - 2 {
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            answer = whole => panic!("{answer:?}"),
            () = given => {}
        }
    }
    assert_eq!(stage.sim.ledger().len(), 2, "the seats were given");
}

#[tokio::test]
async fn a_service_that_was_switched_off_comes_back_as_it_was() {
    let stage = Stage::demo().await;
    stage.empty_post(&seat("ann")).send().await.unwrap();
    stage.sim.switch_off().await;
    let refused = stage.request(Method::GET, "/Inventory").send().await.unwrap_err();
    assert!(refused.is_connect());
    stage.sim.switch_on().await.unwrap();
    assert_eq!(stage.get("/Inventory").await.status, 200);
    assert_eq!(stage.sim.ledger().len(), 1);
}

#[tokio::test]
async fn every_fault_by_name_leaves_the_service_alive() {
    let stage = Stage::demo().await;
    for name in fault::names().filter(|name| !ENDLESS.contains(name)) {
        stage.sim.inject(fault::preset(name).unwrap());
        // Whatever the answer is, if there is one.
        drop(stage.request(Method::GET, "/Inventory").send().await);
        stage.sim.clear_faults();
        assert_eq!(stage.get("/Inventory").await.status, 200, "after {name}");
    }
}
