//! `device-sim`: enrolls simulated devices and lets them call in, against any MDM server.

mod load;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use qm_core::{Architecture, Rng, Version, device::EnrollmentKind};
use qm_device_sim::{Device, DeviceOptions, Fleet, Trigger};
use serde_json::{Value, json};
use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

#[derive(Parser)]
#[command(version, about = "Simulated Windows devices for an MDM server")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enroll, and say what came of it.
    Enroll(Target),
    /// Call in at a rate, or as fast as can be, and measure what that takes.
    Load(Box<load::Load>),
    /// Enroll and call in a number of times.
    Run {
        #[command(flatten)]
        target: Target,
        /// Sessions of each device.
        #[arg(long, default_value_t = 3)]
        sessions: u32,
        /// Seconds between two sessions.
        #[arg(long, default_value_t = 0)]
        interval: u64,
    },
}

#[derive(Args)]
struct Target {
    /// Full discovery address: https://HOST:PORT/EnrollmentServer/Discovery.svc
    #[arg(long)]
    discovery: String,
    /// The user who enrolls.
    #[arg(long)]
    upn: String,
    /// The enrollment token; for as many uses as there are devices.
    #[arg(long, env = "DEVICE_SIM_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// PEM file with the only roots the devices trust.
    #[arg(long)]
    root: PathBuf,
    /// How many devices.
    #[arg(long, default_value_t = 1)]
    devices: usize,
    /// How many of them talk at the same time.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Enrolled for the user or for the device.
    #[arg(long, value_enum, default_value_t = Kind::Full)]
    kind: Kind,
    /// Version of Windows.
    #[arg(long, default_value = "10.0.26100.2314")]
    os_version: Version,
    /// Processor: x86, x64, arm, arm64.
    #[arg(long, default_value = "x64")]
    architecture: Architecture,
    /// The same number makes the same devices; at random without it.
    #[arg(long)]
    seed: Option<u64>,
    /// Where a host is, HOST=ADDRESS:PORT; may be repeated.
    #[arg(long, value_parser = host)]
    resolve: Vec<(String, SocketAddr)>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Full,
    Device,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let (target, sessions, interval) = match Cli::parse().command {
        Command::Enroll(target) => (target, 0, 0),
        Command::Load(load) => return load.run().await,
        Command::Run {
            target,
            sessions,
            interval,
        } => (target, sessions, interval),
    };
    let mut fleet = target.fleet()?;
    let mut well = report(&enrolled(&mut fleet).await)?;
    for number in 1..=sessions {
        if number > 1 {
            tokio::time::sleep(Duration::from_secs(interval)).await;
        }
        well &= report(&called_in(&mut fleet).await)?;
    }
    let violations: Vec<Value> = fleet
        .devices()
        .iter()
        .flat_map(|device| device.violations().iter().map(|one| violation(device, one)))
        .collect();
    well &= report(&violations)? && violations.is_empty();
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Target {
    fn fleet(&self) -> anyhow::Result<Fleet> {
        let token = self
            .token
            .as_deref()
            .context("an enrollment token is wanted: --token")?;
        let options = self.options(token)?;
        let devices = (0..self.devices).map(|_| Device::new(options())).collect();
        Ok(Fleet::new(devices, self.concurrency))
    }

    fn roots(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(&self.root)
            .with_context(|| format!("the root certificates {} cannot be read", self.root.display()))
    }

    /// Makes devices to be, each another one.
    fn options(&self, token: &str) -> anyhow::Result<impl Fn() -> DeviceOptions + Send + Sync + use<>> {
        let roots = self.roots()?;
        let rng = self.seed.map_or_else(Rng::system, Rng::seeded);
        let kind = match self.kind {
            Kind::Full => EnrollmentKind::Full,
            Kind::Device => EnrollmentKind::Device,
        };
        let (discovery, upn, token) = (self.discovery.clone(), self.upn.clone(), token.to_owned());
        let (os_version, architecture) = (self.os_version, self.architecture);
        let resolve = self.resolve.clone();
        Ok(move || DeviceOptions {
            kind,
            os_version,
            architecture,
            resolve: resolve.clone(),
            ..DeviceOptions::new(&discovery, &upn, &token, &roots, rng.clone())
        })
    }
}

async fn enrolled(fleet: &mut Fleet) -> Vec<Value> {
    let results = fleet.enroll().await;
    let lines = fleet.devices().iter().zip(results).map(|(device, result)| {
        json!({
            "event": "enroll",
            "device": device.options().name,
            "device_id": device.device_id(),
            "enrollment_id": device.enrollment_id(),
            "thumbprint": device.thumbprint(),
            "error": result.err().map(|error| error.to_string()),
        })
    });
    lines.collect()
}

async fn called_in(fleet: &mut Fleet) -> Vec<Value> {
    let results = fleet.session(Trigger::Schedule).await;
    let lines = fleet
        .devices()
        .iter()
        .zip(results)
        .map(|(device, result)| match result {
            Ok(report) => json!({
                "event": "session",
                "device": device.options().name,
                "session_id": report.session_id,
                "messages": report.messages,
                "commands": report.commands.len(),
                "alerts": report.alerts.len(),
                "ended": format!("{:?}", report.ended),
                "violations": report.violations,
                "error": null,
            }),
            Err(error) => {
                json!({ "event": "session", "device": device.options().name, "error": error.to_string() })
            }
        });
    lines.collect()
}

fn violation(device: &Device, violation: &qm_device_sim::Violation) -> Value {
    json!({
        "event": "violation",
        "device": device.options().name,
        "during": violation.during,
        "rule": format!("{:?}", violation.rule),
        "detail": violation.detail,
        "error": null,
    })
}

/// One JSON object a line on stdout; whether none of them is an error.
fn report(lines: &[Value]) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(lines.iter().all(|line| line["error"].is_null()))
}

fn host(text: &str) -> Result<(String, SocketAddr), String> {
    let (host, address) = text.split_once('=').ok_or("HOST=ADDRESS:PORT is wanted")?;
    Ok((
        host.to_owned(),
        address.parse().map_err(|error| format!("{address}: {error}"))?,
    ))
}
