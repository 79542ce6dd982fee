//! A deployment to all devices, planned, stored and counted, against a bare `INSERT … SELECT` of as many rows into a copy
//! of the table with the same indexes.

use crate::{
    Effort,
    figure::{Figure, Goal, median},
    note, seed,
    server::Installation,
};
use anyhow::{Context as _, Result, ensure};
use qm_admin_api::types::{App, Deployment};
use qm_core::{Architecture, Version};
use qm_store_sim::appx::PackageSpec;
use qm_test_postgres::Cluster;
use quartermaster::demo::api::Api;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};
use std::{fs, time::Instant};

/// On each database.
pub async fn run(effort: Effort) -> Result<Vec<Figure>> {
    let mut figures = vec![on("SQLite", None, effort).await?];
    match Cluster::find_binaries() {
        Some(binaries) => {
            let cluster = Cluster::start(&binaries)?;
            figures.push(on("PostgreSQL", Some(&cluster.url()), effort).await?);
        }
        None => note("rollout: PostgreSQL is not installed, so only SQLite is measured"),
    }
    Ok(figures)
}

async fn on(engine: &str, database: Option<&str>, effort: Effort) -> Result<Figure> {
    note(&format!("rollout: {engine}, {} devices", effort.devices));
    let installation = Installation::make(database).await?;
    let server = installation.start().await?;
    installation.callers(1).await?;
    server.stop().await?;
    seed::devices(&installation.config()?, effort.devices, seed::Users::One).await?;
    let mut floor = Floor::open(&installation.config()?.database_url()).await?;
    let server = installation.start().await?;
    let api = installation.api().await?;
    let app = upload(&installation, &api).await?;
    let mut pairs = Vec::new();
    for round in 0..=effort.rounds.min(MOST_ROUNDS) {
        let pair = (deploy(&api, &app, effort.devices).await?, floor.insert().await?);
        if round > 0 {
            pairs.push(pair);
        }
    }
    server.stop().await?;
    let (ours, bare): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let detail = format!("{:.2} : {:.2} s", median(&ours), median(&bare));
    let what = format!(
        "deployment to {} devices, {engine} : bare INSERT … SELECT",
        effort.devices
    );
    Ok(Figure::ratio(what, &pairs, Goal::AtMost(3.0)).with(detail))
}

pub(crate) async fn upload(installation: &Installation, api: &Api) -> Result<App> {
    let spec = PackageSpec::app(
        "Bench.Rollout",
        PUBLISHER,
        Version([1, 0, 0, 0]),
        Architecture::X64,
    );
    let file = installation.path("rollout.msix");
    fs::write(&file, spec.build()?)?;
    api.upload(&file, &[]).await
}

/// Seconds from the request to the answer with the counts; then it is cancelled to make room for the next.
async fn deploy(api: &Api, app: &App, devices: u64) -> Result<f64> {
    let begun = Instant::now();
    let deployment = api.deploy(app, "required", &[seed::UPN.to_owned()]).await?;
    let took = begun.elapsed();
    let queued = deployment.counts.get("queued").copied().unwrap_or(0);
    ensure!(u64::try_from(queued)? == devices, "{:?}", deployment.counts);
    let cancel = format!("/deployments/{}/cancel", deployment.id);
    api.call::<Deployment>(http::Method::POST, &cancel, None).await?;
    Ok(took.as_secs_f64())
}

/// A connection past the server, and a copy of the table of targets.
enum Floor {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Floor {
    async fn open(url: &str) -> Result<Self> {
        if url.starts_with("postgres") {
            let mut connection = PgConnection::connect(url).await?;
            connection
                .execute("CREATE TABLE bare (LIKE targets INCLUDING ALL)")
                .await?;
            return Ok(Self::Postgres(connection));
        }
        let mut connection = SqliteConnection::connect(url).await?;
        for text in definitions(&mut connection).await? {
            let renamed = text
                .replace("targets_", "bare_")
                .replace("TABLE targets", "TABLE bare")
                .replace("ON targets", "ON bare");
            connection.execute(AssertSqlSafe(renamed)).await?;
        }
        Ok(Self::Sqlite(connection))
    }

    /// Seconds for one row for each device.
    async fn insert(&mut self) -> Result<f64> {
        let begun = Instant::now();
        match self {
            Self::Sqlite(connection) => {
                connection.execute(BARE_SQLITE).await?;
                let took = begun.elapsed();
                connection.execute("DELETE FROM bare").await?;
                Ok(took.as_secs_f64())
            }
            Self::Postgres(connection) => {
                connection.execute(BARE_POSTGRES).await?;
                let took = begun.elapsed();
                connection.execute("TRUNCATE bare").await?;
                Ok(took.as_secs_f64())
            }
        }
    }
}

/// The texts that made the table and its indexes, the table first.
async fn definitions(connection: &mut SqliteConnection) -> Result<Vec<String>> {
    let rows = connection
        .fetch_all(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'targets' AND sql IS NOT NULL ORDER BY type DESC",
        )
        .await?;
    let texts = rows.iter().map(|row| row.try_get::<String, _>(0));
    texts.collect::<Result<_, _>>().context("sqlite_master")
}

const BARE_SQLITE: &str = "INSERT INTO bare (id, deployment_id, app_id, intent, context, device_id, upn, state, open, \
      attempts, license_accepted, deadline, updated_at) \
    SELECT randomblob(16), (SELECT id FROM deployments LIMIT 1), (SELECT id FROM apps LIMIT 1), 'required', 'user', \
      id, upn, 'queued', 1, 0, 0, 1770000000000, 1770000000000 FROM devices";
const BARE_POSTGRES: &str = "INSERT INTO bare (id, deployment_id, app_id, intent, context, device_id, upn, state, \
      open, attempts, license_accepted, deadline, updated_at) \
    SELECT uuid_send(gen_random_uuid()), (SELECT id FROM deployments LIMIT 1), (SELECT id FROM apps LIMIT 1), \
      'required', 'user', id, upn, 'queued', TRUE, 0, FALSE, 1770000000000, 1770000000000 FROM devices";
/// More would only make the tables longer.
pub(crate) const MOST_ROUNDS: usize = 5;
const PUBLISHER: &str = "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI";
