use super::{
    Api,
    fake::{Canned, Fake, ok, problem},
    parse, provider,
};
use crate::client::{ClientError, wait};
use serde_json::{Value, json};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_millis(1);

fn deployment(state: &str, counts: &Value) -> Value {
    json!({
        "id": "0190b6a0-0000-7000-8000-000000000001", "app_id": "0190b6a0-0000-7000-8000-0000000000aa",
        "intent": "required", "context": "device", "state": state, "counts": counts,
        "created_at": "2026-05-01T08:00:00Z",
    })
}

async fn wait_for(answers: Vec<Canned>) -> (Fake, Result<Value, ClientError>) {
    let fake = Fake::with(answers).await;
    let connection = parse(&format!("--url {} --token t deployments list", fake.url))
        .unwrap()
        .connection;
    let api = Api::connect(&connection, provider()).unwrap();
    let end = wait::until_over(&api, &deployment("active", &json!({ "planned": 1 })), INTERVAL).await;
    (fake, end)
}

#[tokio::test]
async fn waits_through_pauses_and_restarts_until_it_is_over() {
    let over = deployment("completed", &json!({ "installed": 1 }));
    let (fake, end) = wait_for(vec![
        ok(&deployment("active", &json!({ "sent": 1 }))),
        problem(503, "Service Unavailable", "the server restarts"),
        ok(&deployment("paused", &json!({ "sent": 1 }))),
        ok(&over),
    ])
    .await;
    assert_eq!(end.unwrap(), over);
    assert_eq!(
        fake.requests(),
        ["GET /api/v1/deployments/0190b6a0-0000-7000-8000-000000000001"; 4]
    );
}

#[tokio::test]
async fn a_refusal_ends_the_wait_at_once() {
    let (fake, end) = wait_for(vec![problem(401, "Unauthorized", "the token was taken back")]).await;
    assert!(matches!(end, Err(ClientError::Problem { status, .. }) if status == 401));
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn patience_has_an_end() {
    let (fake, end) = wait_for(Vec::new()).await;
    assert!(matches!(end, Err(ClientError::Problem { status, .. }) if status == 500));
    assert_eq!(fake.requests().len(), 16);
}

#[test]
fn only_devices_that_should_have_it_count_as_missed() {
    let reached = deployment("completed", &json!({ "installed": 3, "not_applicable": 2 }));
    assert!(wait::shortfall(&reached).unwrap().is_none());
    let failed = deployment(
        "completed",
        &json!({ "installed": 3, "failed": 1, "cancelled": 1 }),
    );
    let error = wait::shortfall(&failed).unwrap().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("the deployment is completed, 2 of 5 devices were not reached\nhint: ")
    );
    assert_eq!(error.exit_code(), 1);
    let cancelled = deployment("cancelled", &json!({}));
    assert!(wait::shortfall(&cancelled).unwrap().is_some());
}
