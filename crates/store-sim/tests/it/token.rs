use crate::support::{Answer, Stage, new_token};
use qm_store_sim::{Fault, Operation, SimConfig, TokenError};
use std::time::Duration;

#[tokio::test]
async fn a_token_comes_with_numbers_as_text_and_opens_the_service() {
    let stage = Stage::demo().await;
    let (tenant, id, secret) = (
        stage.sim.tenant_id(),
        stage.sim.client_id(),
        stage.sim.client_secret(),
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", &secret),
        ("resource", "https://onestore.microsoft.com"),
    ];
    let token = stage.token_with(&tenant, &form).await.ok();
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], "4271");
    assert_eq!(token["not_before"], "1760000000");
    assert_eq!(token["expires_on"], "1760004271");
    assert_eq!(token["resource"], "https://onestore.microsoft.com");
    stage.get("/Inventory").await.ok();
    stage.sim.assert_no_violations();
    assert_eq!(stage.sim.count(Operation::Token), 2);
}

#[tokio::test]
async fn the_second_version_takes_a_scope_and_writes_numbers() {
    let stage = Stage::demo().await;
    let url = format!(
        "{}/{}/oauth2/v2.0/token",
        stage.sim.authority_url(),
        stage.sim.tenant_id()
    );
    let form = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", stage.sim.client_id()),
        ("client_secret", stage.sim.client_secret()),
        ("scope", "https://onestore.microsoft.com/.default".to_owned()),
    ];
    let token = Answer::of(stage.http.post(url).form(&form).send().await.unwrap())
        .await
        .ok();
    assert_eq!(token["expires_in"], 4271);
    assert!(token.get("resource").is_none());
}

#[tokio::test]
async fn wrong_token_requests_are_refused_with_their_codes() {
    let stage = Stage::demo().await;
    let (tenant, id, secret) = (
        stage.sim.tenant_id(),
        stage.sim.client_id(),
        stage.sim.client_secret(),
    );
    let resource = stage.sim.resource();
    let other = "00000000-0000-4000-8000-000000000000";
    for (tenant, grant, id, secret, resource, status, error, code) in [
        (
            tenant.as_str(),
            "client_credentials",
            id.as_str(),
            "guess",
            resource.as_str(),
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            &tenant,
            "client_credentials",
            &id,
            "",
            &resource,
            401,
            "invalid_client",
            7_000_216,
        ),
        (
            &tenant,
            "client_credentials",
            other,
            &secret,
            &resource,
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            other,
            "client_credentials",
            &id,
            &secret,
            &resource,
            400,
            "invalid_request",
            90_002,
        ),
        (
            &tenant,
            "client_credentials",
            &id,
            &secret,
            "https://else.example",
            400,
            "invalid_resource",
            500_011,
        ),
        (
            &tenant,
            "password",
            &id,
            &secret,
            &resource,
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (
            &tenant,
            "client_credentials",
            &id,
            &secret,
            "",
            400,
            "invalid_request",
            900_144,
        ),
    ] {
        let form = [
            ("grant_type", grant),
            ("client_id", id),
            ("client_secret", secret),
            ("resource", resource),
        ];
        let answer = stage.token_with(tenant, &form).await;
        assert_eq!(answer.status, status, "{code}");
        assert_eq!(answer.body["error"], error);
        assert_eq!(answer.body["error_codes"], serde_json::json!([code]));
        assert!(answer.body["correlation_id"].is_string());
    }
}

#[tokio::test]
async fn token_faults_are_those_of_the_platform() {
    let stage = Stage::demo().await;
    for (error, status, code) in [
        (TokenError::SecretExpired, 401, 7_000_222),
        (TokenError::ResourceDisabled, 400, 500_014),
        (TokenError::Unavailable, 503, 90_033),
    ] {
        stage.sim.inject(Fault::Token(error));
        let answer = stage.token_with(&stage.sim.tenant_id(), &[]).await;
        assert_eq!(
            (answer.status, &answer.body["error_codes"][0]),
            (status, &code.into())
        );
    }
    stage.sim.inject(Fault::throttled(7).on(Operation::Token));
    let url = format!(
        "{}/{}/oauth2/token",
        stage.sim.authority_url(),
        stage.sim.tenant_id()
    );
    let throttled = stage.http.post(&url).body("x=y").send().await.unwrap();
    assert_eq!(throttled.status(), 429);
    assert_eq!(throttled.headers()["retry-after"], "7");
    new_token(&stage.http, &stage.sim).await;
}

#[tokio::test]
async fn tokens_expire_are_revoked_and_need_an_active_tool() {
    let mut stage = Stage::with(SimConfig {
        token_lifetime: Duration::from_secs(40),
        token_numbers: true,
        ..SimConfig::default()
    })
    .await;
    stage.clock.advance(Duration::from_secs(39));
    assert_eq!(stage.get("/Inventory").await.status, 200);
    stage.clock.advance(Duration::from_secs(1));
    let refused = stage
        .request(reqwest::Method::GET, "/Inventory")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));

    stage.token = new_token(&stage.http, &stage.sim).await;
    assert_eq!(stage.get("/Inventory").await.status, 200);
    stage.sim.set_activated(false);
    assert_eq!(stage.get("/Inventory").await.status, 403);
    stage.sim.set_activated(true);
    stage.sim.revoke_tokens();
    assert_eq!(stage.get("/Inventory").await.status, 401);
    stage.sim.set_client_secret("changed");
    stage.token = new_token(&stage.http, &stage.sim).await;
    assert_eq!(stage.get("/Inventory").await.status, 200);
}
