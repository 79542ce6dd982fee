//! The database goes away while devices call in, and comes back.

use anyhow::Result;
use qm_admin_api::types::Deployment;
use qm_device_sim::{Device, Ended, SimError, Trigger};
use qm_test_postgres::{Cluster, Stop};
use qm_testkit::{Stage, count, embedded_stage, stage_on};
use serde_json::Value;

/// An offline-licensed app, on its way to every device.
async fn rollout(stage: &Stage) -> Result<Deployment> {
    stage.enroll().await?;
    let app = stage.app("offline").await?;
    let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
    let all = stage.count();
    stage.settle(deployment.id, |d| count(d, "queued") == all).await
}

/// What everybody is told who asks while the database cannot be used.
async fn everybody_is_put_off(stage: &Stage, cause: &str) -> Result<()> {
    let ready = stage.api.get("/readyz").await?;
    assert_eq!(ready.status(), 503);
    let said = ready.text().await?;
    assert!(said.contains(cause), "{said}");
    assert_eq!(stage.api.get("/healthz").await?.status(), 200);
    let refused = stage.api.get("/api/v1/devices").await?;
    assert_eq!(refused.status(), 401, "nobody is let in without a token");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_server_that_is_stopped_delays_a_rollout_and_spoils_nothing() -> Result<()> {
    let Some(binaries) = Cluster::find_binaries() else {
        return Ok(());
    };
    let cluster = Cluster::start(&binaries)?;
    let stage = stage_on(&cluster.url(), 3).await?;
    let deployment = rollout(&stage).await?;
    let mut newcomer = Device::new(stage.device_options("new@demo.example").await?);

    cluster.stop(Stop::Immediate)?;
    let (reports, enrollment, api) = tokio::join!(
        stage.call_in(),
        newcomer.enroll(),
        stage.api.deployment(deployment.id)
    );
    for report in reports? {
        assert_eq!(report.ended, Ended::Refused(503));
    }
    assert!(
        matches!(enrollment, Err(SimError::Refused(503))),
        "{enrollment:?}"
    );
    let refused = api.unwrap_err().to_string();
    let (status, problem) = refused.split_once(": ").unwrap_or_default();
    assert!(status.contains("503"), "{refused}");
    let problem: Value = serde_json::from_str(problem)?;
    assert_eq!(problem["type"], "urn:quartermaster:problem:unavailable");
    everybody_is_put_off(&stage, "is the PostgreSQL server running?").await?;

    cluster.resume()?;
    stage.ready().await?;
    newcomer.enroll().await?;
    // The server goes once more, while the devices are in mid-session.
    let (reports, stopped) = tokio::join!(stage.call_in(), async {
        cluster.stop(Stop::Fast)?;
        cluster.resume()
    });
    stopped?;
    for report in reports? {
        assert!(
            matches!(report.ended, Ended::Done | Ended::Refused(503)),
            "{:?}",
            report.ended
        );
    }
    stage.ready().await?;
    stage.rounds(deployment.id, |d| d.state == "completed").await?;
    assert!(newcomer.violations().is_empty(), "{:?}", newcomer.violations());
    stage.strike().await
}

/// Lets the database grow no further: what a full disk is to it.
async fn fill(stage: &Stage) -> Result<()> {
    let db = stage.database();
    db.execute_raw("CREATE TABLE filler (page BLOB)").await?;
    db.execute_raw("PRAGMA max_page_count = 1").await?;
    while db
        .execute_raw("INSERT INTO filler VALUES (zeroblob(3000))")
        .await
        .is_ok()
    {}
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_puts_off_what_has_to_be_stored_and_nothing_else() -> Result<()> {
    let stage = embedded_stage(2).await?;
    stage.enroll().await?;
    let app = stage.app("offline").await?;
    stage.call_in().await?;
    let mut newcomer = Device::new(stage.device_options("new@demo.example").await?);
    fill(&stage).await?;

    let enrollment = newcomer.enroll().await;
    assert!(
        matches!(enrollment, Err(SimError::Refused(503))),
        "{enrollment:?}"
    );
    everybody_is_put_off(&stage, "its disk is full").await?;
    for report in stage.call_in().await? {
        assert_eq!(report.ended, Ended::Done, "an idle device has nothing to store");
    }
    assert_eq!(stage.api.devices().await?.len(), 2, "what is there can be read");

    stage
        .database()
        .execute_raw("PRAGMA max_page_count = 1000000")
        .await?;
    stage.ready().await?;
    newcomer.enroll().await?;
    newcomer.session(Trigger::PostEnrollment).await?;
    let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
    stage.settle(deployment.id, |d| count(d, "queued") == 2).await?;
    stage.rounds(deployment.id, |d| d.state == "completed").await?;
    assert!(newcomer.violations().is_empty(), "{:?}", newcomer.violations());
    stage.strike().await
}
