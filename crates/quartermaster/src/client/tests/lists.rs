use super::{
    ask,
    fake::{Fake, page},
};
use crate::client::ClientError;
use serde_json::{Value, json};

fn seats(names: &[&str]) -> Value {
    let seat = |name: &&str| {
        json!({
            "app_id": "0190b6a0-0000-7000-8000-0000000000aa", "upn": format!("{name}@example.com"),
            "state": "assigned", "reason": "deployment", "since": "2026-05-01T08:00:00Z",
        })
    };
    names.iter().map(seat).collect()
}

#[tokio::test]
async fn follows_the_cursor_to_the_end() {
    let fake = Fake::with([
        page(&seats(&["ada", "bob"]), Some("c/1 +")),
        page(&seats(&[]), Some("c2")),
        page(&seats(&["eve"]), None),
    ])
    .await;
    let shown = ask(&fake.url, "licenses seats --upn x@example.com")
        .await
        .unwrap();
    assert_eq!(
        shown.data.unwrap(),
        "APP                                   USER             STATE     SINCE                 REASON\n\
         0190b6a0-0000-7000-8000-0000000000aa  ada@example.com  assigned  2026-05-01T08:00:00Z  deployment\n\
         0190b6a0-0000-7000-8000-0000000000aa  bob@example.com  assigned  2026-05-01T08:00:00Z  deployment\n\
         0190b6a0-0000-7000-8000-0000000000aa  eve@example.com  assigned  2026-05-01T08:00:00Z  deployment"
    );
    assert!(shown.notes.is_empty());
    assert_eq!(
        fake.requests(),
        [
            "GET /api/v1/licenses/seats?upn=x%40example.com&limit=100",
            "GET /api/v1/licenses/seats?upn=x%40example.com&limit=100&cursor=c%2F1+%2B",
            "GET /api/v1/licenses/seats?upn=x%40example.com&limit=100&cursor=c2",
        ]
    );
}

#[tokio::test]
async fn a_limit_asks_for_no_more_than_it_needs_and_tells_that_there_is_more() {
    let fake = Fake::with([
        page(&seats(&["ada", "bob"]), Some("c1")),
        page(&seats(&["eve"]), Some("c2")),
    ])
    .await;
    let shown = ask(&fake.url, "licenses seats --limit 3").await.unwrap();
    assert_eq!(shown.data.unwrap().lines().count(), 4);
    assert_eq!(
        shown.notes,
        ["There are more; without --limit you get all of them."]
    );
    assert_eq!(
        fake.requests(),
        [
            "GET /api/v1/licenses/seats?limit=3",
            "GET /api/v1/licenses/seats?limit=1&cursor=c1",
        ]
    );
}

#[tokio::test]
async fn json_is_the_apis_own_with_all_pages_in_one() {
    let first = json!([{ "from_a_newer_server": 1 }]);
    let fake = Fake::with([page(&first, Some("c1")), page(&json!([{}]), None)]).await;
    let shown = ask(&fake.url, "devices list --output json").await.unwrap();
    assert_eq!(
        shown.data.unwrap(),
        "{\n  \"items\": [\n    {\n      \"from_a_newer_server\": 1\n    },\n    {}\n  ],\n  \"next_cursor\": null\n}"
    );
}

#[tokio::test]
async fn a_cut_list_keeps_its_cursor_in_json() {
    let fake = Fake::with([page(&json!([{}]), Some("c1"))]).await;
    let shown = ask(&fake.url, "audit list --limit 1 --output json")
        .await
        .unwrap();
    let json: Value = serde_json::from_str(&shown.data.unwrap()).unwrap();
    assert_eq!(json, json!({ "items": [{}], "next_cursor": "c1" }));
    assert!(shown.notes.is_empty());
}

#[tokio::test]
async fn an_empty_list_is_its_heading() {
    let fake = Fake::with([page(&json!([]), None)]).await;
    assert_eq!(
        ask(&fake.url, "groups list").await.unwrap().data.unwrap(),
        "ID  NAME  MEMBERS"
    );
}

#[tokio::test]
async fn a_list_that_goes_in_circles_ends() {
    let fake = Fake::with([page(&json!([]), Some("c1")), page(&json!([]), Some("c1"))]).await;
    assert!(matches!(
        ask(&fake.url, "apps list").await,
        Err(ClientError::EndlessList)
    ));
}

#[tokio::test]
async fn what_is_no_list_is_an_error() {
    let fake = Fake::with([super::fake::ok(&json!({ "hello": "world" }))]).await;
    assert!(matches!(
        ask(&fake.url, "apps list").await,
        Err(ClientError::NoList)
    ));
}
