//! PostgreSQL carries out a commit and its answer is lost: nobody knows whether it took place. Whoever repeats what they
//! asked for doubles nothing and loses nothing.

use anyhow::{Result, ensure};
use qm_admin_api::types::{App, CommandAccepted, Deployment};
use qm_device_sim::Ended;
use qm_store_sim::{ProductKey, catalogue::DEMO_ONLINE};
use qm_test_postgres::{Cluster, Cut, Way};
use qm_testkit::{Stage, count, stage_on_with};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// A stage whose way to the database can be cut, where PostgreSQL is installed.
struct Cuttable {
    stage: Stage,
    way: Way,
    _cluster: Cluster,
}

impl Cuttable {
    async fn with(devices: u64, seats: u64) -> Result<Option<Self>> {
        let Some(binaries) = Cluster::find_binaries() else {
            return Ok(None);
        };
        let cluster = Cluster::start(&binaries)?;
        let way = Way::to(cluster.port()).await?;
        let stage = stage_on_with(&way.url(), devices, seats, "\n[limits]\nlease_seconds = 1\n").await?;
        stage.enroll().await?;
        Ok(Some(Self {
            stage,
            way,
            _cluster: cluster,
        }))
    }

    /// Carries something out while no commit is answered, of which there has to be one at least.
    async fn unanswered<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let before = self.way.lost_commits();
        self.way.set(Cut::AtEachCommit);
        let done = work.await;
        self.way.set(Cut::Open);
        ensure!(self.way.lost_commits() > before, "nothing was committed");
        done
    }

    async fn deploy(&self, app: &App, key: Option<&str>) -> Result<(StatusCode, Value)> {
        let body = json!({
            "app_id": app.id, "intent": "required", "context": "user", "targets": { "upns": self.stage.upns }
        });
        let mut request = self.stage.api.request(Method::POST, "/deployments").json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await?;
        Ok((answer.status(), serde_json::from_str(&answer.text().await?)?))
    }

    async fn deployments(&self) -> Result<Vec<Deployment>> {
        let list: Value = self.stage.api.call(Method::GET, "/deployments", None).await?;
        Ok(serde_json::from_value(list["items"].clone())?)
    }
}

/// Targets that are on their way or have arrived, over all deployments.
fn live(deployments: &[Deployment]) -> i64 {
    let aside = ["cancelled", "failed", "not_applicable"];
    let counts = deployments.iter().flat_map(|deployment| &deployment.counts);
    counts
        .filter(|(state, _)| !aside.contains(&state.as_str()))
        .map(|(_, count)| count)
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_whose_commit_is_not_answered_can_be_asked_for_again() -> Result<()> {
    let Some(cut) = Cuttable::with(2, 0).await? else {
        return Ok(());
    };
    let app = cut.stage.app("offline").await?;
    let (status, problem) = cut.unanswered(cut.deploy(&app, None)).await?;
    assert_eq!(status, 503, "{problem}");
    assert_eq!(problem["type"], "urn:quartermaster:problem:unavailable");
    let told = problem["detail"].as_str().unwrap_or_default();
    assert!(told.contains("look before you ask again"), "{told}");
    let first = cut.deployments().await?;
    assert_eq!((first.len(), live(&first)), (1, 2), "it took place: {first:?}");
    // Without a key the same is asked for once more, and has nobody left to go to.
    let (status, again) = cut.deploy(&app, None).await?;
    assert!(status == 201 || status == 409, "{status}: {again}");
    let all = cut.deployments().await?;
    assert_eq!(live(&all), 2, "{all:?}");
    let id = first[0].id;
    cut.stage.settle(id, |d| count(d, "queued") == 2).await?;
    cut.stage.rounds(id, |d| count(d, "installed") == 2).await?;
    cut.stage.strike().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_with_a_key_is_made_once_however_often_it_is_asked_for() -> Result<()> {
    let Some(cut) = Cuttable::with(1, 0).await? else {
        return Ok(());
    };
    let app = cut.stage.app("offline").await?;
    let (status, problem) = cut.unanswered(cut.deploy(&app, Some("once"))).await?;
    assert_eq!(status, 503, "{problem}");
    let mut answers = vec![problem];
    // The reservation of the key may be all that was stored: it is taken over when its lease ends.
    for _ in 0..20 {
        let (status, answer) = cut.deploy(&app, Some("once")).await?;
        assert!(status == 201 || status == 409, "{status}: {answer}");
        answers.push(answer);
        let lost = answers
            .last()
            .is_some_and(|last| last.to_string().contains("was carried out"));
        if status == 201 || lost {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let all = cut.deployments().await?;
    assert_eq!((all.len(), live(&all)), (1, 1), "{all:?}\n{answers:?}");
    let (status, last) = cut.deploy(&app, Some("once")).await?;
    assert!(status == 201 || status == 409, "{status}: {last}");
    assert_eq!(cut.deployments().await?.len(), 1);
    let id = all[0].id;
    // A job whose claim was not answered is taken up when its lease ends.
    cut.stage.settle(id, |d| count(d, "queued") == 1).await?;
    cut.stage.rounds(id, |d| count(d, "installed") == 1).await?;
    cut.stage.strike().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_whose_commits_are_not_answered_are_given_once() -> Result<()> {
    let Some(cut) = Cuttable::with(3, 3).await? else {
        return Ok(());
    };
    let stage = &cut.stage;
    let app = stage.app("online").await?;
    let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
    let before = cut.way.lost_commits();
    cut.way.set(Cut::AtEachCommit);
    stage.until(async || cut.way.lost_commits() >= before + 3).await?;
    cut.way.set(Cut::Open);
    stage.settle(deployment.id, |d| count(d, "queued") == 3).await?;
    let key = ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1);
    assert_eq!(stage.store.seat_holders(&key).len(), 3);
    let ledger = stage.api.seats().await?;
    assert_eq!(ledger.len(), 3, "{ledger:?}");
    assert!(ledger.iter().all(|seat| seat.state == "assigned"), "{ledger:?}");
    stage
        .rounds(deployment.id, |d| count(d, "installed") == 3)
        .await?;
    cut.stage.strike().await
}

/// Queues something that may run again and something that must not.
async fn queue(stage: &Stage, device: Uuid, round: u64) -> Result<[(Uuid, &'static str); 2]> {
    let ask = async |verb: &'static str| {
        let uri = format!("./Vendor/MSFT/Round{round}/{verb}");
        let path = format!("/devices/{device}/commands");
        let body = json!({ "verb": verb, "uri": uri });
        let command: CommandAccepted = stage.api.call(Method::POST, &path, Some(body)).await?;
        Ok::<_, anyhow::Error>((command.id, verb))
    };
    Ok([ask("get").await?, ask("exec").await?])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_whose_message_was_stored_without_an_answer_repeats_it_harmlessly() -> Result<()> {
    let Some(cut) = Cuttable::with(1, 0).await? else {
        return Ok(());
    };
    let stage = &cut.stage;
    let device = stage.api.devices().await?[0].id;
    for after in [0, 30, 60, 90, 120] {
        let queued = queue(stage, device, after).await?;
        // Each time another message of the session meets it.
        let (reports, ()) = tokio::join!(stage.call_in(), async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            cut.way.set(Cut::AtEachCommit);
            tokio::time::sleep(Duration::from_millis(300)).await;
            cut.way.set(Cut::Open);
        });
        let mut reports = reports?;
        let ended = reports[0].ended.clone();
        assert!(matches!(ended, Ended::Done | Ended::Refused(503)), "{ended:?}");
        for _ in 0..2 {
            reports.extend(stage.call_in().await?);
        }
        assert_eq!(reports[2].ended, Ended::Done);
        for (id, verb) in queued {
            let uri = format!("/Round{after}/{verb}");
            let ran = reports.iter().flat_map(|report| &report.commands);
            let ran = ran.filter(|command| command.uri.ends_with(&uri)).count();
            let path = format!("/devices/{device}/commands/{id}");
            let command: Value = stage.api.call(Method::GET, &path, None).await?;
            let over = ["done", "failed"].iter().any(|state| command["state"] == *state);
            // What must not run twice and may have run is not sent again: it waits for its answer or its end.
            let well = if verb == "exec" { ran <= 1 } else { over && ran > 0 };
            assert!(well, "{verb} ran {ran} times: {command}");
        }
    }
    assert!(cut.way.lost_commits() > 0);
    cut.stage.strike().await
}
