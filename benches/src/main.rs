//! `cargo xtask bench`: what the server costs, against floors and peers measured in the same run on the same machine.
//!
//! Every figure is a ratio, or an amount with a limit; CPU time is taken from the processes' own accounts. Variants take
//! turns in rounds, and the median of the rounds counts, so that other work on the machine disturbs all alike. Nothing
//! here is a test: a figure beyond its goal is shown as such and fails nothing. `docs/performance.md` keeps the figures.
//!
//! Start with the benchmark you care for; [`server`] runs the real program, [`drive`] lets devices call in.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program speaks through its output"
)]

mod check_in;
mod content;
mod drive;
mod fetch;
mod figure;
mod nginx;
mod online;
mod process;
mod rest;
mod rollout;
mod scale;
mod seed;
mod server;
mod syncml;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use figure::Figure;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Measures the server against floors and peers")]
struct Cli {
    /// Which benchmarks; all without a name.
    #[arg(value_enum)]
    names: Vec<Bench>,
    /// How often the variants take turns.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of load for each variant in a round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Everything small and short: shows that the benchmarks work, measures nothing.
    #[arg(long)]
    smoke: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// Decoding and encoding a device's message against the tokenizer alone.
    Syncml,
    /// An idle check-in against a bare handler behind the same TLS.
    CheckIn,
    /// A deployment to 100,000 devices against a bare INSERT … SELECT.
    Rollout,
    /// A deployment of an online-licensed app, with a seat for each user, against one of an uploaded app.
    Online,
    /// Check-ins with 1,000 and with 100,000 devices, and during a deployment to all of them.
    Scale,
    /// The server at rest with 100,000 devices: memory, and time until it is ready.
    Rest,
    /// Package links against nginx.
    Content,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How often the variants take turns.
    pub rounds: usize,
    /// Load for each variant in a round.
    pub time: Duration,
    /// Devices in the large database.
    pub devices: u64,
    /// Bytes of the package.
    pub package: u64,
}

impl Cli {
    fn effort(&self) -> Effort {
        if self.smoke {
            return Effort {
                rounds: 1,
                time: Duration::from_millis(100),
                devices: 200,
                package: 2_000_000,
            };
        }
        Effort {
            rounds: self.rounds.max(1),
            time: Duration::from_secs(self.seconds.max(1)),
            devices: 100_000,
            package: 200_000_000,
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let effort = cli.effort();
    let mut figures = Vec::new();
    for bench in Bench::value_variants() {
        if cli.names.is_empty() || cli.names.contains(bench) {
            figures.extend(run(*bench, effort).await?);
        }
    }
    println!("{}", figure::table(&figures));
    Ok(())
}

async fn run(bench: Bench, effort: Effort) -> Result<Vec<Figure>> {
    match bench {
        Bench::Syncml => Ok(syncml::run(effort)),
        Bench::CheckIn => check_in::run(effort).await,
        Bench::Rollout => rollout::run(effort).await,
        Bench::Online => online::run(effort).await,
        Bench::Scale => scale::run(effort).await,
        Bench::Rest => rest::run(effort).await,
        Bench::Content => content::run(effort).await,
    }
}

/// Says what is going on, on stderr.
fn note(text: &str) {
    eprintln!("{text}");
}
