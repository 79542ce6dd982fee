//! `device-sim load`: many devices against one server, and what that took.

use crate::Target;
use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use qm_core::Secret;
use qm_device_sim::{
    Device,
    load::{self, Admin, Caller, Connections, Latency, Meter, Outcome, Plan, Reading, Work},
};
use serde_json::json;
use std::{fmt::Write as _, io::Write as _, num::NonZeroUsize, process::ExitCode, sync::Arc, time::Duration};

#[derive(Args)]
pub struct Load {
    #[command(flatten)]
    target: Target,
    /// Sessions begun in a second; as many as there can be without it.
    #[arg(long)]
    rate: Option<f64>,
    /// For how long sessions are begun.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// What the sessions are.
    #[arg(long, value_enum, default_value_t = Mix::Idle)]
    mix: Mix,
    /// A connection for each session, or one kept by each device.
    #[arg(long, value_enum, default_value_t = Kind::New)]
    connections: Kind,
    /// Address of the admin API, https://HOST:PORT: makes the enrollment token, deploys the app.
    #[arg(long)]
    api: Option<String>,
    /// Token for the admin API.
    #[arg(long, env = "DEVICE_SIM_API_TOKEN", hide_env_values = true, requires = "api")]
    api_token: Option<String>,
    /// With `--mix install`: the app that is deployed to all devices at the beginning.
    #[arg(long, requires = "api")]
    app: Option<String>,
    /// Reads the server's CPU time and memory from this process of the same machine …
    #[arg(long)]
    server_pid: Option<u32>,
    /// … or from its metrics, https://HOST:PORT/metrics.
    #[arg(long, conflicts_with = "server_pid")]
    server_metrics: Option<String>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mix {
    /// Enrolled devices with nothing to tell.
    Idle,
    /// Enrolled devices that do whatever they are told: commands, installations with their downloads.
    Install,
    /// Enrollments, each of a new device.
    Enroll,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    New,
    Kept,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

impl Load {
    pub async fn run(&self) -> Result<ExitCode> {
        let roots = self.target.roots()?;
        let meter = self.meter(&roots)?;
        let admin = self.admin(&roots)?;
        let work = Arc::new(self.work(admin.as_ref()).await?);
        if let (Some(app), Some(admin)) = (&self.app, &admin) {
            deploy(admin, app, &work).await?;
        }
        let before = read(meter.as_ref()).await?;
        let outcome = load::run(Arc::clone(&work), self.plan()).await;
        let after = read(meter.as_ref()).await?;
        let used = after.zip(before).map(|(after, before)| after - before);
        let mut out = std::io::stdout().lock();
        match self.output {
            Output::Table => write!(out, "{}", table(&outcome, used))?,
            Output::Json => writeln!(out, "{}", document(&outcome, used))?,
        }
        Ok(ExitCode::from(u8::from(
            outcome.sessions == 0 || outcome.failed() > 0,
        )))
    }

    fn plan(&self) -> Plan {
        Plan {
            rate: self.rate,
            time: Duration::from_secs(self.seconds),
            concurrency: self.concurrency(),
        }
    }

    fn concurrency(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.target.concurrency).unwrap_or(NonZeroUsize::MIN)
    }

    fn meter(&self, roots: &str) -> Result<Option<Meter>> {
        match (self.server_pid, &self.server_metrics) {
            (Some(id), _) => Ok(Some(Meter::Process(id))),
            (None, Some(url)) => Meter::metrics(url, roots).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn admin(&self, roots: &str) -> Result<Option<Admin>> {
        let Some((base, token)) = self.api.as_ref().zip(self.api_token.clone()) else {
            return Ok(None);
        };
        Admin::new(base, Secret::new(token), roots).map(Some)
    }

    async fn work(&self, admin: Option<&Admin>) -> Result<Work> {
        let options = self.target.options(&self.token(admin).await?)?;
        if matches!(self.mix, Mix::Enroll) {
            return Ok(Work::Enrollments {
                options: Box::new(options),
                devices: self.target.devices as u64,
            });
        }
        let devices = (0..self.target.devices).map(|_| Device::new(options()));
        let connections = match self.connections {
            Kind::New => Connections::New,
            Kind::Kept => Connections::Kept,
        };
        let callers = load::prepare(devices, connections, self.concurrency()).await;
        let callers: Result<Vec<_>, _> = callers.into_iter().collect();
        let callers = callers.context("the devices could not be prepared")?;
        let restless = callers.iter().filter(|caller| !caller.is_idle()).count();
        ensure!(
            restless == 0 || matches!(self.mix, Mix::Install),
            "{restless} devices still get commands; is a deployment going on? `--mix install` measures that"
        );
        Ok(Work::calls(callers))
    }

    /// The token given, or one made for this run.
    async fn token(&self, admin: Option<&Admin>) -> Result<String> {
        match (&self.target.token, admin) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(admin)) => {
                let token = admin.enrollment_token(&self.target.upn, self.target.devices);
                Ok(token.await?.expose().clone())
            }
            (None, None) => anyhow::bail!("an enrollment token is wanted: --token, or --api to make one"),
        }
    }
}

async fn deploy(admin: &Admin, app: &str, work: &Work) -> Result<()> {
    let ids = work.each(|caller: &Caller| caller.device().enrollment_id().map(str::to_owned));
    let ids: Vec<String> = ids.await.into_iter().flatten().collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    admin.deploy(app, &ids).await?;
    Ok(())
}

async fn read(meter: Option<&Meter>) -> Result<Option<Reading>> {
    Ok(match meter {
        Some(meter) => Some(meter.read().await?),
        None => None,
    })
}

/// Microseconds of CPU for each session, failed ones included.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn cpu_of_session(outcome: &Outcome, used: Reading) -> f64 {
    let sessions = outcome.sessions + outcome.failed();
    used.cpu.as_secs_f64() * 1e6 / sessions.max(1) as f64
}

fn document(outcome: &Outcome, used: Option<Reading>) -> serde_json::Value {
    let mut document = outcome.to_json();
    document["server"] = json!(used.map(|used| json!({
        "cpu_seconds": used.cpu.as_secs_f64(),
        "cpu_us_per_session": cpu_of_session(outcome, used),
        "peak_memory_bytes": used.peak_memory,
    })));
    document
}

fn table(outcome: &Outcome, used: Option<Reading>) -> String {
    let mut rows = vec![
        (
            "sessions",
            format!("{} in {:.1} s", outcome.sessions, outcome.elapsed.as_secs_f64()),
        ),
        ("sessions per second", format!("{:.1}", outcome.per_second())),
        (
            "messages, commands",
            format!("{}, {}", outcome.messages, outcome.commands),
        ),
        ("latency, ms", percentiles(outcome.latency)),
        ("service time, ms", percentiles(outcome.service)),
    ];
    if let Some(used) = used {
        let cpu = format!("{:.0} µs of CPU", cpu_of_session(outcome, used));
        rows.push(("server, for a session", cpu));
        #[expect(clippy::cast_precision_loss, reason = "shown in tenths of a megabyte")]
        let peak = used.peak_memory as f64 / 1e6;
        rows.push(("server, peak memory", format!("{peak:.1} MB")));
    }
    for (kind, count) in &outcome.errors {
        rows.push(("failed", format!("{count} × {kind}")));
    }
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<22} {value}");
        text
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown in hundredths of a millisecond")]
fn percentiles(latency: Latency) -> String {
    let Latency {
        p50,
        p90,
        p99,
        p99_9,
        max,
    } = latency;
    let named = [
        ("p50", p50),
        ("p90", p90),
        ("p99", p99),
        ("p99.9", p99_9),
        ("max", max),
    ];
    let shown = named.map(|(name, micros)| format!("{name} {:.2}", micros as f64 / 1e3));
    shown.join("  ")
}
