//! An idle check-in against a bare axum handler behind the same mutual TLS, which reads and answers as many bytes.

use crate::{
    Effort,
    drive::drive,
    figure::{Figure, Goal, median},
    note,
    process::{Process, free_port, neighbour},
    server::Installation,
};
use anyhow::{Context as _, Result};
use qm_device_sim::load::{Caller, Connections};
use qm_test_postgres::Cluster;
use std::net::SocketAddr;
use tokio::process::Command;

/// On each database, with new and with kept connections.
pub async fn run(effort: Effort) -> Result<Vec<Figure>> {
    let mut figures = on("SQLite", None, effort).await?;
    match Cluster::find_binaries() {
        Some(binaries) => {
            let cluster = Cluster::start(&binaries)?;
            figures.extend(on("PostgreSQL", Some(&cluster.url()), effort).await?);
        }
        None => note("check-in: PostgreSQL is not installed, so only SQLite is measured"),
    }
    Ok(figures)
}

async fn on(engine: &str, database: Option<&str>, effort: Effort) -> Result<Vec<Figure>> {
    note(&format!("check-in: {engine}"));
    let installation = Installation::make(database).await?;
    let server = installation.start().await?;
    let mut ours = installation.callers(DEVICES).await?;
    let (_, answer) = ours[0].specimen().context("it knows the idle answer")?;
    let null_address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let null = null_server(&installation, null_address, answer.len()).await?;
    let mut theirs = ours.split_off(DEVICES / 2);
    for caller in &mut theirs {
        caller.redirect(null_address);
    }
    let mut figures = Vec::new();
    for (name, connections, goal) in [
        ("a new connection", Connections::New, 1.5),
        ("a kept connection", Connections::Kept, 6.0),
    ] {
        for caller in ours.iter_mut().chain(&mut theirs) {
            caller.connect(connections);
        }
        let pairs = rounds(&mut ours, &server, &mut theirs, &null, effort).await?;
        let (cpu, floor): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let detail = format!("{:.0} : {:.0} µs of CPU", median(&cpu), median(&floor));
        let what = format!("idle check-in, {name}, {engine} : bare handler");
        figures.push(Figure::ratio(what, &pairs, Goal::AtMost(goal)).with(detail));
    }
    null.stop().await?;
    server.stop().await?;
    Ok(figures)
}

/// A round to warm up, then those that count; ours and the floor take turns in going first.
async fn rounds(
    ours: &mut Vec<Caller>,
    server: &Process,
    theirs: &mut Vec<Caller>,
    null: &Process,
    effort: Effort,
) -> Result<Vec<(f64, f64)>> {
    let mut pairs = Vec::new();
    for round in 0..=effort.rounds {
        let pair = if round % 2 == 0 {
            let cost = drive(ours, server, effort.time).await?.cpu;
            (cost, drive(theirs, null, effort.time).await?.cpu)
        } else {
            let floor = drive(theirs, null, effort.time).await?.cpu;
            (drive(ours, server, effort.time).await?.cpu, floor)
        };
        if round > 0 {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

async fn null_server(installation: &Installation, address: SocketAddr, answer: usize) -> Result<Process> {
    let mut command = Command::new(neighbour("null-server")?);
    command
        .arg(installation.file())
        .arg(address.to_string())
        .arg(answer.to_string());
    Process::start(&mut command).await
}

/// Half of them call the server, half the bare handler.
const DEVICES: usize = 64;
