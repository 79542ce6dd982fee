use super::*;
use crate::{
    AnswerProblem, Conflict, InventoryQuery, NotTheService, Operation, StoreError, tests::seat as seat_json,
};

fn entry(number: usize) -> Value {
    json!({ "productKey": { "productId": format!("9P{number}"), "skuId": "0010" }, "seatCapacity": number })
}

fn page(entries: &[usize], token: Option<&str>) -> Reply {
    let entries: Vec<_> = entries.iter().map(|number| entry(*number)).collect();
    Reply::ok(&json!({ "inventoryEntries": entries, "continuationToken": token }))
}

fn token_of(seen: &Seen) -> Option<&str> {
    seen.target.split_once("continuationToken=").map(|(_, rest)| rest)
}

#[tokio::test]
async fn walks_all_pages_with_the_same_filter() {
    let service = Service::with_token(|seen, _| match token_of(seen) {
        None => page(&[1, 2], Some("a+/=")).with("date", "Mon, 19 Feb 2024 08:14:55 GMT"),
        Some("a%2B%2F%3D") => page(&[], Some("b")),
        _ => page(&[3, 2], Some(" ")),
    })
    .await;
    let query = InventoryQuery {
        modified_since: Some(Timestamp::from_millis(1_708_330_495_128)),
        include_removed: Some(false),
        ..InventoryQuery::default()
    };
    let walk = service.client().inventory(&query).await.unwrap();
    let ids: Vec<_> = walk
        .items
        .iter()
        .map(|entry| entry.key.product_id.as_str())
        .collect();
    assert_eq!((ids, walk.skipped), (vec!["9P1", "9P2", "9P3"], 0));
    assert!(walk.began_at.is_some());
    let filter = "modifiedSince=2024-02-19T08%3A14%3A55.1280000Z&licenseTypes=online&licenseTypes=offline&IncludeRemoved=false&maxResults=25";
    assert_eq!(
        service.lines(),
        [
            format!("GET /V1/Inventory?{filter}"),
            format!("GET /V1/Inventory?{filter}&continuationToken=a%2B%2F%3D"),
            format!("GET /V1/Inventory?{filter}&continuationToken=b"),
        ]
    );
}

#[tokio::test]
async fn looks_for_one_entry_no_further_than_its_page() {
    let service = Service::with_token(|seen, _| match token_of(seen) {
        None => page(&[1], Some("x")),
        Some("x") => page(&[2], Some("y")),
        _ => page(&[3], None),
    })
    .await;
    let (client, wanted) = (
        service.client(),
        ProductKey {
            product_id: "9p2".into(),
            sku_id: "0010".into(),
        },
    );
    let found = client.inventory_entry(&wanted).await.unwrap().unwrap();
    assert_eq!((found.seat_capacity, service.calls().len()), (Some(2), 2));
    let unknown = ProductKey {
        product_id: "9P9".into(),
        ..wanted
    };
    assert_eq!(client.inventory_entry(&unknown).await, Ok(None));
}

#[tokio::test]
async fn a_repeated_token_ends_the_walk() {
    let service = Service::with_token(|_, _| page(&[1], Some("again"))).await;
    let error = service
        .client()
        .inventory(&InventoryQuery::default())
        .await
        .unwrap_err();
    assert_eq!(error, StoreError::PageLoop(Operation::Inventory));
    assert_eq!(service.calls().len(), 2);
}

#[tokio::test]
async fn a_token_refused_in_mid_walk_starts_over_once() {
    let service = Service::with_token(|seen, n| match (token_of(seen), n) {
        (None, _) => page(&[1], Some("x")),
        (Some(_), 0) => Reply::new(400, ""),
        _ => page(&[2], None),
    })
    .await;
    let walk = service
        .client()
        .inventory(&InventoryQuery::default())
        .await
        .unwrap();
    assert_eq!((walk.items.len(), service.calls().len()), (2, 4));

    let service = Service::with_token(|seen, _| match token_of(seen) {
        None => page(&[1], Some("x")),
        Some(_) => Reply::new(400, ""),
    })
    .await;
    let error = service
        .client()
        .inventory(&InventoryQuery::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }));
    assert_eq!(service.calls().len(), 4);
}

#[tokio::test]
async fn a_refused_page_size_falls_back() {
    let service = Service::with_token(|seen, _| {
        if seen.target.contains("maxResults=100") {
            Reply::new(400, "")
        } else {
            Reply::ok(&json!({ "Seats": [seat_json("a@x.example", "Active"), seat_json("A@X.example", "Active"), 7] }))
        }
    })
    .await;
    let walk = service.client().seats(&key()).await.unwrap();
    assert_eq!((walk.items.len(), walk.skipped), (1, 1));
    assert_eq!(walk.items[0].upn, "A@X.example");
    assert_eq!(
        service.lines()[1],
        "GET /V1/Inventory/9ABCDEFGHIJK/0042/Seats?maxResults=25"
    );
}

#[tokio::test]
async fn reads_products_licenses_and_packages() {
    let service = Service::with_token(|seen, _| match seen.target.rsplit('/').next().unwrap() {
        "0042" => {
            Reply::ok(&json!({ "PackageFamilyName": "Acme.Paint_8wekyb3d8bbwe", "supportedLanguages": null }))
        }
        "fr-be" => Reply::new(404, ""),
        "en-us" => Reply::ok(
            &json!({ "language": "en-us", "displayName": "Paint", "images": null,
            "publisher": { "publisherName": "Acme" } }),
        ),
        "c1" => {
            Reply::ok(&json!({ "licenseBlob": "QUJD\r\n", "licenseInstanceId": "i1", "contentId": "c1" }))
        }
        "c2" => fault(409, "Not offline"),
        "Packages" => {
            Reply::ok(&json!({ "packageSetId": "s", "productPackages": [{ "packageId": "p1" }, {}] }))
        }
        _ => Reply::ok(&json!({ "packageId": "p1", "location": { "url": "https://cdn.example/p1" } })),
    })
    .await;
    let (client, key) = (service.client(), key());
    let details = client.product_details(&key).await.unwrap().unwrap();
    assert_eq!(
        details.package_family_name.as_deref(),
        Some("Acme.Paint_8wekyb3d8bbwe")
    );
    assert_eq!(client.localized_details(&key, "fr-be").await, Ok(None));
    let localized = client.localized_details(&key, "en-us").await.unwrap().unwrap();
    assert_eq!(
        (localized.display_name.as_deref(), localized.publisher.as_deref()),
        (Some("Paint"), Some("Acme"))
    );
    let license = client.offline_license(&key, "c1").await.unwrap().unwrap();
    assert_eq!(license.blob.expose(), "QUJD");
    let error = client.offline_license(&key, "c2").await.unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict {
                conflict: Conflict::NotOffline,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(client.packages(&key).await.unwrap().unwrap().packages.len(), 1);
    let package = client.package(&key, "p/1").await.unwrap().unwrap();
    assert_eq!(package.address.unwrap().expose(), "https://cdn.example/p1");
    assert_eq!(
        service.lines().last().unwrap(),
        "GET /V1/Products/9ABCDEFGHIJK/0042/Packages/p%2F1"
    );
    let post = service
        .calls()
        .into_iter()
        .find(|call| call.method == "POST")
        .unwrap();
    assert_eq!((post.header("content-length"), post.body.len()), (Some("0"), 0));
    assert_eq!(post.header("accept"), Some("application/json"));
    assert_eq!(post.header("ms-cv").map(str::len), Some(16));
}

#[tokio::test]
async fn reads_are_repeated_within_their_budget() {
    let service = Service::with_token(|_, n| match n {
        0 => Reply::new(503, ""),
        1 => Reply::ok(&json!({ "packageFamilyName": "A_b" })).cut(),
        _ => Reply::ok(&json!({})),
    })
    .await;
    assert!(service.client().product_details(&key()).await.unwrap().is_some());
    assert_eq!(service.calls().len(), 3);

    let service = Service::with_token(|_, _| Reply::new(500, "")).await;
    let error = service.client().product_details(&key()).await.unwrap_err();
    assert_eq!(
        error,
        StoreError::Unavailable {
            operation: Operation::ProductDetails,
            status: 500,
            retry_after: None
        }
    );
    assert_eq!(service.calls().len(), 3);
}

#[tokio::test]
async fn waits_no_longer_than_the_budget_allows() {
    let service = Service::with_token(|_, _| Reply::new(429, "").with("retry-after", "900")).await;
    let error = service.client().product_details(&key()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_mins(15)));
    assert_eq!(service.calls().len(), 1);

    // The date is by the clock of the service, whatever time it is here.
    let service = Service::with_token(|_, _| {
        Reply::new(429, "")
            .with("date", "Fri, 01 May 2015 10:00:00 GMT")
            .with("retry-after", "Fri, 01 May 2015 10:01:40 GMT")
    })
    .await;
    let error = service.client().product_details(&key()).await.unwrap_err();
    assert_eq!(
        error,
        StoreError::Throttled {
            retry_after: Some(Duration::from_secs(100))
        }
    );
}

#[tokio::test]
async fn a_wish_for_patience_holds_for_every_request() {
    for status in [429, 503] {
        let service =
            Service::with_token(move |_, _| Reply::new(status, "").with("retry-after", "900")).await;
        let client = service.client();
        assert!(client.product_details(&key()).await.is_err());
        let error = client.packages(&key()).await.unwrap_err();
        assert!(error.retry_after() > Some(Duration::from_mins(14)), "{error:?}");
        assert_eq!(service.calls().len(), 1, "the second request was not sent");
    }
}

#[tokio::test]
async fn a_probe_asks_once_whatever_was_wished_and_its_answer_ends_the_wait() {
    let service = Service::with_token(|seen, n| match (seen.line().contains("Packages"), n) {
        (true, 0) => Reply::new(429, "").with("retry-after", "18446744073709551615"),
        (false, 0) => Reply::new(503, ""),
        _ => Reply::ok(&json!({})),
    })
    .await;
    let client = service.client();
    let error = client.packages(&key()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_hours(24)));
    assert!(matches!(
        client.probe().await,
        Err(StoreError::Unavailable { .. })
    ));
    assert_eq!(service.calls().len(), 2, "a probe is not repeated");
    assert!(client.packages(&key()).await.is_err());
    assert_eq!(client.probe().await, Ok(()));
    assert!(client.packages(&key()).await.is_ok());
    assert_eq!(service.calls().len(), 4);
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up_within_its_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let clock = qm_core::Clock::mock(qm_core::Timestamp::from_millis(0));
    let client = super::client(address, clock).with_retries(RetryPolicy {
        attempts: 2,
        attempt: Duration::from_millis(30),
        ..super::retries()
    });
    let error = client.product_details(&key()).await.unwrap_err();
    assert!(
        error.is_transient() && error.concerns_connection(),
        "the token endpoint is silent, too: {error}"
    );
    silent.abort();
}

#[tokio::test]
async fn what_is_not_the_service_is_told_apart() {
    type Make = fn(&str) -> Reply;
    let html = "<!DOCTYPE html><title>Moved</title>";
    let elsewhere = |answer| StoreError::NotTheService {
        operation: Operation::ProductDetails,
        answer,
    };
    let bad = |problem| StoreError::BadAnswer {
        operation: Operation::ProductDetails,
        problem,
    };
    let table: [(Make, StoreError); 7] = [
        (
            |html| Reply::new(200, html).with("content-type", "text/html"),
            elsewhere(NotTheService::Html),
        ),
        (
            |html| Reply::new(404, html).with("content-type", "text/html"),
            elsewhere(NotTheService::Html),
        ),
        (
            |_| Reply::new(302, "").with("location", "/login"),
            elsewhere(NotTheService::Redirect(302)),
        ),
        (
            |_| Reply::new(410, ""),
            StoreError::Retired(Operation::ProductDetails),
        ),
        (|_| Reply::new(200, "{\"a\":"), bad(AnswerProblem::NotJson)),
        (|_| Reply::new(200, "[]"), bad(AnswerProblem::NotAnObject)),
        (|_| Reply::new(200, ""), bad(AnswerProblem::Empty)),
    ];
    for (make, expected) in table {
        let service = Service::with_token(move |_, _| make(html)).await;
        assert_eq!(service.client().product_details(&key()).await, Err(expected));
        assert_eq!(service.calls().len(), 1);
    }
}

#[tokio::test]
async fn answers_beyond_the_limit_are_refused() {
    let service = Service::with_token(|_, _| Reply::new(200, vec![b' '; (16 << 20) + 1])).await;
    let error = service.client().product_details(&key()).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn says_that_access_is_not_activated() {
    let service = Service::with_token(|_, _| Reply::new(403, "")).await;
    let error = service
        .client()
        .inventory(&InventoryQuery::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("activate") && error.concerns_connection() && !error.is_transient());
}

#[tokio::test]
async fn an_unreachable_service_is_told_without_addresses() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(address, Clock::mock(Timestamp::from_millis(0)));
    let error = client.seat(&key(), "mila@x.example").await.unwrap_err();
    assert!(error.is_transient() && error.concerns_connection(), "{error}");
    assert!(!error.to_string().contains("mila"), "{error}");
}
