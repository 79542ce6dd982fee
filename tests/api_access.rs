//! Every role against every endpoint of the admin API.

use anyhow::{Context as _, Result};
use qm_core::access::Role;
use qm_testkit::{Stage, admin::problem, stages, wire::request};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Nothing has this id.
const NOWHERE: &str = "0190d3a0-0000-7000-8000-000000000000";

/// An endpoint: method, path, the least role (`None`: no token needed), a body, what whoever may call it gets.
type Row = (
    &'static str,
    &'static str,
    Option<Role>,
    Option<&'static str>,
    u16,
);

const VIEWER: Option<Role> = Some(Role::Viewer);
const OPERATOR: Option<Role> = Some(Role::Operator);
const ADMIN: Option<Role> = Some(Role::Admin);
const DEPLOYMENT: &str = r#"{"app_id":"0190d3a0-0000-7000-8000-000000000000","intent":"required","context":"device","targets":{}}"#;

const ROWS: &[Row] = &[
    ("get", "/apps", VIEWER, None, 200),
    ("post", "/apps/packages", OPERATOR, Some("{}"), 415),
    ("get", "/apps/{id}", VIEWER, None, 404),
    ("get", "/apps/{id}/icon", None, None, 404),
    ("get", "/audit", VIEWER, None, 200),
    ("get", "/deployments", VIEWER, None, 200),
    ("post", "/deployments", OPERATOR, Some(DEPLOYMENT), 404),
    ("post", "/deployments/plan", VIEWER, Some(DEPLOYMENT), 404),
    ("get", "/deployments/{id}", VIEWER, None, 404),
    ("post", "/deployments/{id}/cancel", OPERATOR, None, 404),
    ("post", "/deployments/{id}/pause", OPERATOR, None, 404),
    ("post", "/deployments/{id}/resume", OPERATOR, None, 404),
    ("post", "/deployments/{id}/retry", OPERATOR, None, 404),
    ("get", "/deployments/{id}/targets", VIEWER, None, 404),
    ("get", "/devices", VIEWER, None, 200),
    ("get", "/devices/{id}", VIEWER, None, 404),
    ("delete", "/devices/{id}", ADMIN, None, 404),
    ("get", "/devices/{id}/apps", VIEWER, None, 404),
    ("get", "/devices/{id}/commands", VIEWER, None, 404),
    (
        "post",
        "/devices/{id}/commands",
        OPERATOR,
        Some(r#"{"verb":"get","uri":"./DevDetail/SwV"}"#),
        404,
    ),
    ("get", "/devices/{id}/commands/{command_id}", VIEWER, None, 404),
    ("get", "/devices/{id}/exchanges", VIEWER, None, 404),
    (
        "post",
        "/enrollment-tokens",
        OPERATOR,
        Some(r#"{"upn":"ada@example.com"}"#),
        201,
    ),
    ("get", "/groups", VIEWER, None, 200),
    ("post", "/groups", OPERATOR, Some(r#"{"name":" "}"#), 422),
    (
        "put",
        "/groups/{id}/members",
        OPERATOR,
        Some(r#"{"device_ids":[]}"#),
        404,
    ),
    ("get", "/licenses/seats", VIEWER, None, 200),
    ("get", "/store/status", VIEWER, None, 200),
    ("post", "/store/sync", OPERATOR, None, 202),
];

#[test]
fn every_endpoint_of_the_openapi_document_has_a_row() -> Result<()> {
    let document: Value = serde_json::from_str(&qm_admin_api::document())?;
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        for method in methods.as_object().context("methods")?.keys() {
            described.insert((method.clone(), path.clone()));
        }
    }
    let rows: BTreeSet<_> = ROWS
        .iter()
        .map(|row| (row.0.to_owned(), row.1.to_owned()))
        .collect();
    assert_eq!(rows, described);
    Ok(())
}

/// A token of each role, and none.
async fn callers(stage: &Stage) -> Result<Vec<(Option<Role>, Option<String>)>> {
    let mut callers = vec![(None, None)];
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        callers.push((Some(role), Some(stage.token(role).await?)));
    }
    Ok(callers)
}

fn with_id(path: &str, id: &str) -> String {
    format!(
        "/api/v1{}",
        path.replace("{id}", id).replace("{command_id}", NOWHERE)
    )
}

#[tokio::test]
async fn every_role_gets_what_it_may_have_of_every_endpoint_and_no_more() -> Result<()> {
    for stage in stages(0, 0).await? {
        let admin = stage.admin()?;
        for (role, token) in callers(&stage).await? {
            for (method, path, least, body, served) in ROWS {
                let wanted = match (least, role) {
                    (None, _) => *served,
                    (Some(_), None) => 401,
                    (Some(least), Some(role)) if role.allows(*least) => *served,
                    _ => 403,
                };
                let (method, path) = (method.to_uppercase(), with_id(path, NOWHERE));
                let answer = admin.call(&method, &path, token.as_deref(), *body).await?;
                let case = format!("{role:?}: {method} {path} on {}", stage.engine);
                assert_eq!(answer.status, wanted, "{case}: {}", answer.text());
                if wanted >= 400 {
                    problem(&answer).context(case)?;
                }
            }
        }
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_taken_from_one_well_formed_header_and_nowhere_else() -> Result<()> {
    let stage = stages(0, 0).await?.remove(0);
    let (admin, token) = (stage.admin()?, stage.token(Role::Admin).await?);
    let good = format!("Bearer {token}");
    let (basic, lower) = (format!("Basic {token}"), format!("bearer  {token}"));
    let (twice, cookie) = (
        format!("Bearer {token}, Bearer {token}"),
        format!("token={token}"),
    );
    let (halved, longer) = (format!("Bearer {}", &token[..42]), format!("Bearer {token}A"));
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("authorization", &good)], 200),
        (&[("authorization", &lower)], 200),
        (&[], 401),
        (&[("authorization", "Bearer")], 401),
        (&[("authorization", "Bearer ")], 401),
        (&[("authorization", &token)], 401),
        (&[("authorization", &basic)], 401),
        (&[("authorization", &twice)], 401),
        (&[("authorization", &halved)], 401),
        (&[("authorization", &longer)], 401),
        (&[("authorization", "Bearer \u{e9}\u{e9}")], 401),
        (&[("authorization", &good), ("authorization", "Bearer x")], 401),
        (&[("authorization", "Bearer x"), ("authorization", &good)], 401),
        (&[("cookie", &cookie)], 401),
        (&[("x-api-key", &token), ("proxy-authorization", &good)], 401),
    ];
    for (headers, status) in cases {
        let answer = admin
            .send(&request("GET", "/api/v1/devices", headers, b""))
            .await?;
        assert_eq!(answer.status, *status, "{headers:?}");
        if *status == 401 {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            problem(&answer)?;
        }
    }
    let in_query = format!("/api/v1/devices?access_token={token}&token={token}");
    let answer = admin.send(&request("GET", &in_query, &[], b"")).await?;
    assert_eq!(answer.status, 401);
    stage.strike().await
}

/// A page of another site can make a browser send requests, but neither a token nor JSON.
#[tokio::test]
async fn other_sites_cannot_act_through_a_browser() -> Result<()> {
    let stage = stages(0, 0).await?.remove(0);
    let (admin, token) = (stage.admin()?, stage.token(Role::Admin).await?);
    let bearer = format!("Bearer {token}");
    let origin = ("origin", "https://evil.example");
    let preflight = [
        origin,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let body = br#"{"name":"forged"}"#;
    let mut answers = vec![
        admin
            .send(&request("OPTIONS", "/api/v1/groups", &preflight, b""))
            .await?,
    ];
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/xml",
    ] {
        let headers = [origin, ("content-type", media_type), ("authorization", &bearer)];
        let answer = admin
            .send(&request("POST", "/api/v1/groups", &headers, body))
            .await?;
        assert_eq!(answer.status, 415, "{media_type}");
        problem(&answer)?;
        answers.push(answer);
    }
    let headers = [
        origin,
        ("content-type", "application/json"),
        ("cookie", "token=x"),
    ];
    answers.push(
        admin
            .send(&request("POST", "/api/v1/groups", &headers, body))
            .await?,
    );
    for answer in &answers {
        assert!(answer.status >= 400);
        for header in ["access-control-allow-origin", "set-cookie"] {
            assert_eq!(answer.header(header), None, "{header}");
        }
    }
    let groups: Value = serde_json::from_slice(&admin.get("/api/v1/groups", &token).await?.body)?;
    assert_eq!(groups["items"], json!([]));
    stage.strike().await
}

#[tokio::test]
async fn an_id_of_another_kind_or_of_none_is_not_found() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        let (admin, token) = (stage.admin()?, stage.token(Role::Admin).await?);
        let group: Value = serde_json::from_slice(
            &admin
                .call("POST", "/api/v1/groups", Some(&token), Some(r#"{"name":"G"}"#))
                .await?
                .body,
        )?;
        let device = stage.api.devices().await?[0].id.to_string();
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?.id;
        let kinds = [
            ("/apps/", app.id.to_string()),
            ("/devices/", device.clone()),
            ("/groups/", group["id"].as_str().context("id")?.to_owned()),
            ("/deployments/", deployment.to_string()),
        ];
        let none = [
            "x",
            "1",
            "..%2f..%2fetc%2fpasswd",
            "%00",
            "'%20OR%20'1'='1",
            "%F0%9F%92%A9",
            &"a".repeat(2000),
        ];
        for (method, path, _, body, _) in ROWS.iter().filter(|row| row.1.contains("{id}")) {
            let others = kinds.iter().filter(|(prefix, _)| !path.starts_with(prefix));
            let ids = others.map(|(_, id)| id.as_str()).chain(none.iter().copied());
            for id in ids {
                let answer = admin
                    .call(&method.to_uppercase(), &with_id(path, id), Some(&token), *body)
                    .await?;
                let case = format!("{method} {path} with {id} on {}", stage.engine);
                assert_eq!(answer.status, 404, "{case}: {}", answer.text());
                problem(&answer).context(case)?;
            }
        }
        assert_eq!(stage.api.devices().await?[0].state, "enrolled");
        admin.get(&format!("/api/v1/devices/{device}"), &token).await?;
        stage.strike().await?;
    }
    Ok(())
}
