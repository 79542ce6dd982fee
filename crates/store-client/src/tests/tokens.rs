use super::*;
use crate::{StoreError, TokenError};

fn details() -> Reply {
    Reply::ok(&json!({ "packageFamilyName": "Acme.Paint_8wekyb3d8bbwe" }))
}

#[tokio::test]
async fn one_token_serves_all_who_wait() {
    let service = Service::with_token(|_, _| details()).await;
    let client = service.client();
    let key = key();
    let (one, other, third) = tokio::join!(
        client.product_details(&key),
        client.product_details(&key),
        client.product_details(&key)
    );
    assert!(one.is_ok() && other.is_ok() && third.is_ok());
    let requests = service.token_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let form = "grant_type=client_credentials&client_id=app&client_secret=s%2B%2F%3D%7E&resource=https%3A%2F%2Faudience.example";
    assert_eq!(requests[0].body, form);
    assert!(
        service
            .calls()
            .iter()
            .all(|call| call.header("authorization") == Some("Bearer tok"))
    );
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let service = Service::with_token(|_, _| details()).await;
    let client = service.client();
    client.product_details(&key()).await.unwrap();
    service.clock.advance(Duration::from_secs(3299));
    client.product_details(&key()).await.unwrap();
    assert_eq!(service.token_requests().len(), 1);
    service.clock.advance(Duration::from_secs(2));
    client.product_details(&key()).await.unwrap();
    assert_eq!(service.token_requests().len(), 2);
}

#[tokio::test]
async fn the_old_token_serves_while_the_authority_is_out_of_order() {
    let service = Service::start(|seen, n| match (seen.is_token(), n) {
        (true, 0) => Reply::token("old"),
        (true, _) => Reply::new(503, ""),
        _ => details(),
    })
    .await;
    let client = service.client();
    client.product_details(&key()).await.unwrap();
    service.clock.advance(Duration::from_secs(3400));
    assert!(client.product_details(&key()).await.is_ok());
    service.clock.advance(Duration::from_mins(5));
    let error = client.product_details(&key()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Token(TokenError::Unavailable { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let service = Service::start(|seen, n| match (seen.is_token(), seen.header("authorization")) {
        (true, _) => Reply::token(&format!("tok{n}")),
        (_, Some("Bearer tok1")) => details(),
        _ => Reply::new(401, ""),
    })
    .await;
    assert!(service.client().product_details(&key()).await.is_ok());
    assert_eq!((service.token_requests().len(), service.calls().len()), (2, 2));
}

#[tokio::test]
async fn a_token_refused_again_is_an_error() {
    let service = Service::with_token(|_, _| Reply::new(401, "")).await;
    let error = service.client().product_details(&key()).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Unauthorized(_)) && !error.is_transient() && error.concerns_connection()
    );
    assert_eq!((service.token_requests().len(), service.calls().len()), (2, 2));
}

#[tokio::test]
async fn the_authority_may_ask_for_patience() {
    let service = Service::start(|seen, n| match (seen.is_token(), n) {
        (true, 0) => Reply::new(429, "").with("retry-after", "0"),
        (true, _) => Reply::token("tok"),
        _ => details(),
    })
    .await;
    assert!(service.client().product_details(&key()).await.is_ok());
    assert_eq!(service.token_requests().len(), 2);
}

#[tokio::test]
async fn a_refusal_of_the_authority_is_told_and_not_repeated() {
    let service = Service::start(|_, _| {
        Reply::json(
            401,
            &json!({ "error": "invalid_client", "error_codes": [7_000_222] }),
        )
    })
    .await;
    let error = service.client().product_details(&key()).await.unwrap_err();
    assert_eq!(error, StoreError::Token(TokenError::CredentialsExpired));
    assert_eq!((service.token_requests().len(), service.calls().len()), (1, 0));
}

#[tokio::test]
async fn the_authoritys_wish_for_patience_holds_for_every_request() {
    let service = Service::start(|_, _| Reply::new(429, "").with("retry-after", "900")).await;
    let client = service.client();
    for _ in 0..2 {
        let error = client.product_details(&key()).await.unwrap_err();
        assert!(error.retry_after() > Some(Duration::from_mins(14)), "{error:?}");
    }
    assert_eq!(service.token_requests().len(), 1);
}

#[tokio::test]
async fn a_token_and_its_request_share_one_budget_of_attempts() {
    let service = Service::start(|seen, n| match (seen.is_token(), n) {
        (true, 0) => Reply::new(503, ""),
        (true, _) => Reply::token("tok"),
        _ => Reply::new(503, ""),
    })
    .await;
    assert!(service.client().product_details(&key()).await.is_err());
    assert_eq!((service.token_requests().len(), service.calls().len()), (2, 2));
}
