//! A deployment of an online-licensed app, which stores a seat and a reason beside each target, against one of an uploaded
//! app to the same devices.

use crate::{
    Effort,
    figure::{Figure, Goal, median},
    note,
    rollout::{MOST_ROUNDS, upload},
    seed::{self, Users},
    server::Installation,
};
use anyhow::{Result, ensure};
use http::Method;
use qm_admin_api::types::Deployment;
use qm_core::{
    AppId, Clock, DeviceId, GroupId, Rng, Timestamp,
    app::{App, AppSource, AppState, LicenseKind, SeatCounts},
    group::Group,
};
use qm_db::{Db, apps, groups};
use qm_test_postgres::Cluster;
use quartermaster::demo::api::Api;
use std::time::Instant;
use uuid::Uuid;

/// On each database.
pub async fn run(effort: Effort) -> Result<Vec<Figure>> {
    let mut figures = vec![on("SQLite", None, effort).await?];
    match Cluster::find_binaries() {
        Some(binaries) => {
            let cluster = Cluster::start(&binaries)?;
            figures.push(on("PostgreSQL", Some(&cluster.url()), effort).await?);
        }
        None => note("online: PostgreSQL is not installed, so only SQLite is measured"),
    }
    Ok(figures)
}

async fn on(engine: &str, database: Option<&str>, effort: Effort) -> Result<Figure> {
    note(&format!("online: {engine}, {} devices", effort.devices));
    let rounds = effort.rounds.min(MOST_ROUNDS);
    let installation = Installation::make(database).await?;
    let server = installation.start().await?;
    installation.callers(1).await?;
    server.stop().await?;
    let devices = seed::devices(&installation.config()?, effort.devices, Users::Each).await?;
    let (group, apps) = catalogue(&installation, &devices, rounds + 1).await?;
    let server = installation.start().await?;
    let api = installation.api().await?;
    let uploaded = upload(&installation, &api).await?;
    let mut pairs = Vec::new();
    for (round, app) in apps.iter().enumerate() {
        let online = deploy(&api, *app, group, effort.devices).await?;
        let plain = deploy(&api, uploaded.id, group, effort.devices).await?;
        if round > 0 {
            pairs.push((online, plain));
        }
    }
    server.stop().await?;
    let (online, plain): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let what = format!(
        "deployment of an online app to {} users, {engine} : of an uploaded one",
        effort.devices
    );
    let detail = format!("{:.2} : {:.2} s", median(&online), median(&plain));
    // Three rows in place of one.
    Ok(Figure::ratio(what, &pairs, Goal::AtMost(3.0)).with(detail))
}

/// Puts the devices into a group, and online-licensed apps into the catalogue, one for each round.
async fn catalogue(
    installation: &Installation,
    devices: &[DeviceId],
    count: usize,
) -> Result<(Uuid, Vec<Uuid>)> {
    let db = Db::connect(&installation.config()?.database_url()).await?;
    let (now, rng) = (Clock::system().now(), Rng::system());
    let group = Group {
        id: GroupId::new(now, &rng),
        name: "Everybody".to_owned(),
        members: Vec::new(),
    };
    let mut tx = db.begin("bench.catalogue").await?;
    groups::create(&mut tx, &group).await?;
    groups::set_members(&mut tx, group.id, devices).await?;
    let mut ids = Vec::new();
    for number in 0..count {
        let app = online_app(AppId::new(now, &rng), number, now);
        apps::insert(&mut tx, &app).await?;
        ids.push(app.id.0);
    }
    tx.commit().await?;
    db.close().await;
    Ok((group.id.0, ids))
}

fn online_app(id: AppId, number: usize, now: Timestamp) -> App {
    App {
        id,
        name: format!("Online {number}"),
        publisher: None,
        description: None,
        source: AppSource::Store,
        license: LicenseKind::Online,
        state: AppState::Available,
        product_id: Some(format!("9BENCH{number:06}")),
        sku_id: Some("0010".to_owned()),
        package_family_name: Some(format!("Bench.Online{number}_8wekyb3d8bbwe")),
        seats: Some(SeatCounts {
            total: None,
            assigned: 0,
            available: None,
        }),
        icon: None,
        created_at: now,
        updated_at: now,
    }
}

/// Seconds from the request to the answer with the counts; then it is cancelled to make room for the next.
async fn deploy(api: &Api, app: Uuid, group: Uuid, devices: u64) -> Result<f64> {
    let body = serde_json::json!({
        "app_id": app, "intent": "required", "context": "user", "targets": { "group_ids": [group] }
    });
    let begun = Instant::now();
    let deployment: Deployment = api.call(Method::POST, "/deployments", Some(body)).await?;
    let took = begun.elapsed();
    let live: i64 = ["planned", "awaiting_seat", "queued"]
        .iter()
        .filter_map(|state| deployment.counts.get(*state))
        .sum();
    ensure!(u64::try_from(live)? == devices, "{:?}", deployment.counts);
    let cancel = format!("/deployments/{}/cancel", deployment.id);
    api.call::<Deployment>(Method::POST, &cancel, None).await?;
    Ok(took.as_secs_f64())
}
