//! No secret reaches the log, however much is logged.

use anyhow::{Context as _, Result};
use qm_core::access::Role;
use qm_testkit::{
    Stage, count, log, stages,
    wire::{Dialer, request},
};
use rustls::DEFAULT_VERSIONS;
use serde_json::Value;
use std::fs;

/// What a request with a wrong credential carries; people mistype real ones.
const MISTYPED: &str = "correct-horse-battery-staple-0123456789";

/// Secrets of the installation: keys, and what the Store is told.
fn of_the_installation(stage: &Stage) -> Result<Vec<(String, String)>> {
    let keys = &stage.config.keys;
    let mut secrets = Vec::new();
    for file in [&keys.device_ca_key, &stage.config.tls.key] {
        let pem = fs::read_to_string(stage.config.path(file))?;
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        secrets.extend(lines.map(|line| (file.display().to_string(), line.to_owned())));
    }
    let links = fs::read_to_string(stage.config.path(&keys.links))?;
    secrets.push(("the link key".to_owned(), links.trim().to_owned()));
    secrets.push(("the Store's secret".to_owned(), stage.store.client_secret()));
    Ok(secrets)
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level() -> Result<()> {
    let log = log::keep("trace");
    let stage = stages(1, 0).await?.remove(0);
    let mut secrets = of_the_installation(&stage)?;
    let token = stage.token(Role::Admin).await?;
    secrets.push(("the API token".to_owned(), token.clone()));
    secrets.push(("a wrong token".to_owned(), MISTYPED.to_owned()));
    let enrollment = stage.devices[0].lock().await.options().token.expose().clone();
    secrets.push(("the enrollment token".to_owned(), enrollment));
    stage.enroll().await?;
    let app = stage.app("offline").await?;
    let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
    stage.settle(deployment.id, |d| count(d, "queued") == 1).await?;
    stage
        .rounds(deployment.id, |d| count(d, "installed") == 1)
        .await?;

    let admin = stage.admin()?;
    let created = admin
        .call(
            "POST",
            "/api/v1/enrollment-tokens",
            Some(&token),
            Some(r#"{"upn":"ada@example.com"}"#),
        )
        .await?;
    let created: Value = serde_json::from_slice(&created.body)?;
    let created = created["token"].as_str().context("token")?.to_owned();
    secrets.push(("a new enrollment token".to_owned(), created));
    admin.call("GET", "/api/v1/devices", Some(MISTYPED), None).await?;
    enroll_with(&stage, MISTYPED).await?;
    let link = format!(
        "/content/{}/a.msix?exp=9999999999&sig={MISTYPED}",
        "ab".repeat(32)
    );
    Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?
        .send(
            stage.config.enrollment.listen.port(),
            &request("GET", &link, &[], b""),
        )
        .await?;

    for kept in ["device enrolled", "\"TRACE\""] {
        assert!(!log.lines_with(kept).is_empty(), "{kept}");
    }
    for (what, secret) in secrets {
        assert!(secret.len() >= 16, "{what} is no secret");
        let lines = log.lines_with(&secret);
        assert!(lines.is_empty(), "{what}: {}", lines[0]);
    }
    stage.strike().await
}

async fn enroll_with(stage: &Stage, password: &str) -> Result<()> {
    let mut options = stage.device_options("mistyped@demo.example").await?;
    options.token = qm_core::Secret::new(password.to_owned());
    let refused = qm_device_sim::Device::new(options).enroll().await;
    anyhow::ensure!(refused.is_err(), "a wrong token enrolled");
    Ok(())
}
