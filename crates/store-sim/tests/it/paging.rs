use crate::support::{Stage, column, inventory, offline_key, online_key, seat, text, upn};
use qm_store_sim::{
    Bound, EndOfList, Fault, Operation, Ownership, SimConfig,
    catalogue::{self, Product},
};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// The statuses of the pages, and the product ids or user names on them.
async fn walk(stage: &Stage, path: &str, query: &[(&str, &str)]) -> Result<Vec<Vec<String>>, u16> {
    let mut pages = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut request = stage.request(Method::GET, path).query(query);
        if let Some(token) = &token {
            request = request.query(&[("continuationToken", token)]);
        }
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        let page: Value = response.json().await.unwrap();
        let names = match page.get("inventoryEntries") {
            Some(entries) => entries
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| text(&entry["productKey"]["productId"]))
                .collect(),
            None => column(&page["seats"], "assignedTo"),
        };
        pages.push(names);
        let next = page["continuationToken"]
            .as_str()
            .map(str::trim)
            .filter(|token| !token.is_empty());
        match next.map(str::to_owned) {
            None => return Ok(pages),
            Some(next) if Some(&next) == token.as_ref() => return Ok(pages),
            next => token = next,
        }
    }
}

fn sizes(pages: &[Vec<String>]) -> Vec<usize> {
    pages.iter().map(Vec::len).collect()
}

async fn with_products(count: usize) -> Stage {
    let stage = Stage::demo().await;
    for key in [online_key(), offline_key()] {
        stage.sim.forget_product(&key);
    }
    for product in catalogue::many(count) {
        stage.sim.put_product(product);
    }
    stage
}

#[tokio::test]
async fn inventories_of_all_sizes_are_walked_completely() {
    for (count, expected) in [(0, vec![0]), (1, vec![1]), (25, vec![25]), (26, vec![25, 1])] {
        let stage = with_products(count).await;
        let pages = walk(&stage, "/Inventory", &[]).await.unwrap();
        assert_eq!(sizes(&pages), expected);
        stage.sim.assert_no_violations();
    }
    let stage = with_products(2000).await;
    let pages = walk(&stage, "/Inventory", &[("maxResults", "150")])
        .await
        .unwrap();
    let all: Vec<_> = pages.concat();
    assert_eq!((pages.len(), all.len()), (14, 2000));
    assert!(all.is_sorted(), "no entry twice, none left out");
}

#[tokio::test]
async fn the_inventory_shows_what_the_documentation_lists() {
    let stage = Stage::demo().await;
    stage.post(&seat("ann")).await.ok();
    let page = stage.get("/Inventory").await.ok();
    assert!(page.get("continuationToken").is_none());
    let online = page["inventoryEntries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["licenseType"] == "Online")
        .unwrap();
    assert_eq!(online["productKey"]["skuId"], "0010");
    assert_eq!(online["seatCapacity"], 3);
    assert_eq!(online["availableSeats"], 2);
    assert_eq!(online["lastModified"], "2025-10-09T08:53:20.0000000Z");
    assert_eq!(
        (&online["distributionPolicy"], &online["status"]),
        (&"Restricted".into(), &"Active".into())
    );
}

#[tokio::test]
async fn license_types_are_filtered_by_repeating_the_parameter() {
    let stage = Stage::demo().await;
    for (query, count) in [
        ("", 2),
        ("?licenseTypes=online", 1),
        ("?licensetypes=Offline", 1),
        ("?licenseTypes=online&licenseTypes=offline", 2),
    ] {
        let page = stage.get(&format!("/Inventory{query}")).await.ok();
        assert_eq!(
            page["inventoryEntries"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
    stage.sim.assert_no_violations();
    let joined = stage.get("/Inventory?licenseTypes=online,offline").await;
    assert_eq!(joined.refusal(), (400, "licenseTypes"));
    assert_eq!(stage.sim.violations().len(), 1);
}

#[tokio::test]
async fn modified_since_is_honoured_with_either_bound() {
    for (bound, expected) in [(Bound::Inclusive, 2), (Bound::Exclusive, 1)] {
        let stage = Stage::with(SimConfig {
            modified_since: bound,
            ..SimConfig::default()
        })
        .await;
        stage.clock.advance(Duration::from_mins(1));
        assert!(stage.sim.set_seat_total(&online_key(), 9));
        stage.post(&seat("ann")).await.ok();
        let since = |date: &'static str| {
            let request = stage
                .request(Method::GET, "/Inventory")
                .query(&[("modifiedSince", date)]);
            async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
        };
        let start = since("2025-10-09T10:53:20.0000000+02:00").await;
        assert_eq!(start["inventoryEntries"].as_array().unwrap().len(), expected);
        let later = since("2025-10-09T08:54:00Z").await;
        assert_eq!(later["inventoryEntries"][0]["seatCapacity"], 9);
        assert_eq!(later["inventoryEntries"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn malformed_parameters_of_lists_are_400() {
    let stage = Stage::demo().await;
    for (query, parameter) in [
        ("modifiedSince=yesterday", "modifiedSince"),
        ("modifiedSince=2025-10-09T10:53:20+02:00", "modifiedSince"),
        ("modifiedSince=%222025-10-09T10:53:20Z%22", "modifiedSince"),
        ("licenseTypes=free", "licenseTypes"),
        ("maxResults=0", "maxResults"),
        ("maxResults=many", "maxResults"),
        ("maxResults=1001", "maxResults"),
        ("continuationToken=invented", "continuationToken"),
        ("includeRemoved=perhaps", "includeremoved"),
    ] {
        let answer = stage.get(&format!("/Inventory?{query}")).await;
        assert_eq!(answer.refusal(), (400, parameter), "{query}");
    }
    let seats = stage.get(&inventory("/Seats?maxResults=101")).await;
    assert_eq!(seats.refusal(), (400, "maxResults"));
}

#[tokio::test]
async fn removed_entries_are_shown_and_vanished_ones_are_not() {
    let stage = Stage::demo().await;
    assert!(stage.sim.set_ownership(&online_key(), Ownership::Removed));
    assert!(stage.sim.set_ownership(&offline_key(), Ownership::NotOwned));
    let page = stage.get("/Inventory").await.ok();
    assert_eq!(page["inventoryEntries"].as_array().unwrap().len(), 1);
    assert_eq!(page["inventoryEntries"][0]["status"], "Removed");
    let without = stage
        .get("/Inventory?IncludeRemoved=false&includeSubscription=true")
        .await
        .ok();
    assert_eq!(without["inventoryEntries"].as_array().unwrap().len(), 0);
    stage.sim.assert_no_violations();
}

#[tokio::test]
async fn continuation_tokens_need_encoding_and_belong_to_one_list() {
    let stage = with_products(30).await;
    let page = stage.get("/Inventory?maxResults=10").await.ok();
    let token = text(&page["continuationToken"]);
    assert!(
        token.contains('+') && token.contains('/') && token.ends_with('='),
        "{token}"
    );
    let unencoded = stage
        .get(&format!("/Inventory?maxResults=10&continuationToken={token}"))
        .await;
    assert_eq!(unencoded.refusal(), (400, "continuationToken"));
    for (extra, status) in [
        (("maxResults", "10"), 200),
        (("maxResults", "11"), 400),
        (("licenseTypes", "online"), 400),
    ] {
        let request = stage.request(Method::GET, "/Inventory");
        let request = request.query(&[("continuationToken", token.as_str()), extra]);
        assert_eq!(request.send().await.unwrap().status(), status, "{extra:?}");
    }
    for (wait, status) in [(3599, 200), (1, 400)] {
        stage.clock.advance(Duration::from_secs(wait));
        let request = stage.request(Method::GET, "/Inventory?maxResults=10");
        let request = request.query(&[("continuationToken", &token)]);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_token_that_lapses_in_mid_walk_is_400_once() {
    let stage = with_products(60).await;
    stage.sim.inject(Fault::ContinuationExpired.after(1));
    assert_eq!(walk(&stage, "/Inventory", &[]).await, Err(400));
    assert_eq!(walk(&stage, "/Inventory", &[]).await.unwrap().concat().len(), 60);
    let first = stage.get("/Inventory").await.ok();
    stage.sim.expire_continuations();
    let request = stage.request(Method::GET, "/Inventory");
    let request = request.query(&[("continuationToken", text(&first["continuationToken"]))]);
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn lists_can_end_in_every_way_and_repeat_or_skip_pages() {
    let stage = with_products(30).await;
    for (end, value) in [
        (EndOfList::Null, Value::Null),
        (EndOfList::Empty, "".into()),
        (EndOfList::Blank, "  ".into()),
    ] {
        stage.sim.inject(Fault::EndOfList(end));
        let page = stage.get("/Inventory?maxResults=30").await.ok();
        assert_eq!(page.get("continuationToken"), Some(&value));
    }
    stage.sim.inject(Fault::EmptyPage.after(1));
    assert_eq!(sizes(&walk(&stage, "/Inventory", &[]).await.unwrap()), [25, 0, 5]);
    stage.sim.inject(Fault::ContinuationRepeated);
    assert_eq!(
        sizes(&walk(&stage, "/Inventory", &[("maxResults", "10")]).await.unwrap()),
        [10, 10]
    );
    assert_eq!(stage.sim.pending_faults(), 0);
}

#[tokio::test]
async fn seats_are_listed_by_product_and_by_user() {
    let stage = Stage::with(SimConfig {
        products: vec![Product::online(
            catalogue::ProductKey::new("9SECOND00000", "0010"),
            "Second",
            "Second_1234567890abc",
            200,
        )],
        everyone_exists: true,
        ..SimConfig::default()
    })
    .await;
    let second = catalogue::ProductKey::new("9SECOND00000", "0010");
    for number in 0..101 {
        stage
            .sim
            .claim_seat(&second, &upn(&format!("user{number:03}")))
            .unwrap();
    }
    stage.sim.claim_seat(&online_key(), &upn("user007")).unwrap();
    let path = format!("/Inventory/{second}/Seats");
    assert_eq!(
        sizes(&walk(&stage, &path, &[("maxResults", "100")]).await.unwrap()),
        [100, 1]
    );
    assert_eq!(
        sizes(&walk(&stage, &path, &[]).await.unwrap()),
        [25, 25, 25, 25, 1]
    );
    let path = format!("/Users/{}/Seats", upn("USER007"));
    let pages = walk(&stage, &path, &[("maxResults", "1")]).await.unwrap();
    assert_eq!(sizes(&pages), [1, 1]);
    assert_eq!(stage.sim.count(Operation::UserSeats), 2);
    stage.sim.assert_no_violations();
}
