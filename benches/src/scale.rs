//! What a check-in costs with few and with many devices, and while an app is deployed to all of them.

use crate::{
    Effort,
    drive::{Driven, drive, paced},
    figure::{Figure, Goal, median},
    note,
    process::Process,
    seed,
    server::Installation,
};
use anyhow::{Context as _, Result};
use qm_admin_api::types::Deployment;
use qm_core::{Architecture, Version};
use qm_device_sim::load::{Caller, Plan};
use qm_store_sim::appx::PackageSpec;
use quartermaster::demo::api::Api;
use std::{fs, num::NonZeroUsize, time::Duration};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Two servers side by side, then a deployment on the larger one.
pub async fn run(effort: Effort) -> Result<Vec<Figure>> {
    let mut small = Fleet::with(effort.devices / 100).await?;
    let mut large = Fleet::with(effort.devices).await?;
    let mut pairs = Vec::new();
    for round in 0..=effort.rounds {
        let pair = (large.cost(effort).await?, small.cost(effort).await?);
        if round > 0 {
            pairs.push(pair);
        }
    }
    small.server.stop().await?;
    let (many, few): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let detail = format!("{:.0} : {:.0} µs of CPU", median(&many), median(&few));
    let what = format!(
        "idle check-in with {} : {} devices",
        effort.devices,
        effort.devices / 100
    );
    let size = Figure::ratio(what, &pairs, Goal::AtMost(1.2)).with(detail);
    let mut figures = vec![size];
    figures.extend(rollout(&mut large, effort).await?);
    Ok(figures)
}

/// A server with devices.
struct Fleet {
    installation: Installation,
    server: Process,
    callers: Vec<Caller>,
    devices: u64,
}

impl Fleet {
    async fn with(devices: u64) -> Result<Self> {
        note(&format!("scale: {devices} devices are being made"));
        let installation = Installation::make(None).await?;
        let server = installation.start().await?;
        let callers = installation.callers(CALLERS).await?;
        server.stop().await?;
        seed::devices(&installation.config()?, devices, seed::Users::One).await?;
        let server = installation.start().await?;
        Ok(Self {
            installation,
            server,
            callers,
            devices,
        })
    }

    async fn cost(&mut self, effort: Effort) -> Result<f64> {
        Ok(drive(&mut self.callers, &self.server, effort.time).await?.cpu)
    }

    /// Uploads an app and deploys it to all seeded devices; the deployment once all targets wait for their device.
    async fn deploy(&self, api: &Api, name: &str) -> Result<Deployment> {
        let spec = PackageSpec::app(name, PUBLISHER, Version([1, 0, 0, 0]), Architecture::X64);
        let file = self.installation.path(format!("{name}.msix"));
        fs::write(&file, spec.build()?)?;
        let app = api.upload(&file, &[]).await?;
        let deployment = api.deploy(&app, "required", &[seed::UPN.to_owned()]).await?;
        self.settled(api, deployment.id).await
    }

    async fn settled(&self, api: &Api, id: Uuid) -> Result<Deployment> {
        loop {
            let deployment = api.deployment(id).await?;
            let queued = deployment.counts.get("queued").copied().unwrap_or(0);
            if u64::try_from(queued)? >= self.devices {
                return Ok(deployment);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A deployment alone tells what it costs itself; what a second one takes beyond that under load is the check-ins'.
async fn rollout(fleet: &mut Fleet, effort: Effort) -> Result<Vec<Figure>> {
    note("scale: a deployment to all devices");
    let api = fleet.installation.api().await?;
    let before = fleet.cost(effort).await?;
    let (begun, start) = (Instant::now(), fleet.server.reading().await?);
    fleet.deploy(&api, "Bench.First").await?;
    let (alone, took) = ((fleet.server.reading().await? - start).cpu, begun.elapsed());
    let plan = Plan {
        rate: Some(RATE),
        time: took * 2,
        concurrency: NonZeroUsize::new(CALLERS).context("some")?,
    };
    let mut callers = std::mem::take(&mut fleet.callers);
    let quiet = paced(&mut callers, &fleet.server, plan).await?;
    let start = fleet.server.reading().await?;
    let (busy, second) = tokio::join!(
        paced(&mut callers, &fleet.server, plan),
        fleet.deploy(&api, "Bench.Second")
    );
    let (busy, _) = (busy?, second?);
    let used = (fleet.server.reading().await? - start).cpu.saturating_sub(alone);
    fleet.callers = callers;
    let after = fleet.cost(effort).await?;
    let mut found = figures(&busy, &quiet, used, [before, after], (alone, took));
    found.push(with_work(fleet, &api, took).await?);
    Ok(found)
}

/// How long sessions take that have something to store, alone and while a deployment to all devices is stored: on SQLite
/// they share one writer.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
async fn with_work(fleet: &mut Fleet, api: &Api, took: Duration) -> Result<Figure> {
    note("scale: check-ins with work during a deployment to all devices");
    let plan = Plan {
        rate: Some(CALLERS as f64 / took.as_secs_f64().max(0.1)),
        time: took,
        concurrency: NonZeroUsize::new(CALLERS).context("some")?,
    };
    let mut callers = std::mem::take(&mut fleet.callers);
    queue_work(api).await?;
    let quiet = paced(&mut callers, &fleet.server, plan).await?;
    queue_work(api).await?;
    let (busy, deployed) = tokio::join!(
        paced(&mut callers, &fleet.server, plan),
        fleet.deploy(api, "Bench.Third")
    );
    deployed?;
    fleet.callers = callers;
    let busy = busy?.outcome.latency;
    let quiet = quiet.outcome.latency;
    let millis = |micros: u64| micros as f64 / 1e3;
    let detail = format!(
        "p50/p99/max {:.0}/{:.0}/{:.0} ms against {:.0}/{:.0}/{:.0} ms",
        millis(busy.p50),
        millis(busy.p99),
        millis(busy.max),
        millis(quiet.p50),
        millis(quiet.p99),
        millis(quiet.max)
    );
    let what = "longest check-in with work during a deployment to all";
    Ok(Figure::of(what, &[millis(busy.max)], " ms", Goal::None).with(detail))
}

/// Something to read from each device that calls in.
async fn queue_work(api: &Api) -> Result<()> {
    let path = "/devices?limit=500&upn=bench@quartermaster.example";
    let found: serde_json::Value = api.call(http::Method::GET, path, None).await?;
    for device in found["items"].as_array().into_iter().flatten() {
        let path = format!("/devices/{}/commands", device["id"].as_str().unwrap_or_default());
        let body = serde_json::json!({ "verb": "get", "uri": "./DevDetail/SwV" });
        api.call::<serde_json::Value>(http::Method::POST, &path, Some(body))
            .await?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn figures(
    busy: &Driven,
    quiet: &Driven,
    used: Duration,
    [before, after]: [f64; 2],
    (alone, took): (Duration, Duration),
) -> Vec<Figure> {
    let share = used.as_secs_f64() * 1e6 / busy.outcome.sessions.max(1) as f64;
    let cost = format!("{share:.0} : {:.0} µs of CPU at {RATE} a second", quiet.cpu);
    let wait = |driven: &Driven| {
        let latency = driven.outcome.latency;
        format!(
            "{:.1}/{:.1} ms",
            latency.p50 as f64 / 1e3,
            latency.p99 as f64 / 1e3
        )
    };
    let latency = format!("p50/p99 {} against {}", wait(busy), wait(quiet));
    let alone = format!(
        "the deployment alone: {:.1} s of CPU, {:.1} s",
        alone.as_secs_f64(),
        took.as_secs_f64()
    );
    vec![
        Figure::ratio(
            "idle check-in during a deployment to all : before",
            &[(share, quiet.cpu)],
            Goal::AtMost(1.2),
        )
        .with(format!("{cost}; {latency}; {alone}")),
        Figure::ratio(
            "idle check-in with that deployment open : before",
            &[(after, before)],
            Goal::AtMost(1.2),
        )
        .with(format!("{after:.0} : {before:.0} µs of CPU")),
    ]
}

const CALLERS: usize = 64;
/// Check-ins in a second during a deployment: far from what the machine can do.
const RATE: f64 = 150.0;
const PUBLISHER: &str = "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI";
