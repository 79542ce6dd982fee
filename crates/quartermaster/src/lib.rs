//! `quartermaster`: the server and its command-line client in one binary.
//!
//! What it is not: rules, SQL and routes are in other crates; here they are configured, started and stopped. The library
//! exists so that tests and the demonstration can start the very server that `serve` starts.
//!
//! Start with [`main`], then [`serve`]. Data goes to stdout, everything else to stderr. Exit status: 0 done, 1 the request
//! was wrong, 2 the server or this program failed.

pub mod backup;
pub mod client;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
mod descriptors;
pub mod init;
mod listener;
mod logging;
mod output;
mod parts;
mod process;
pub mod serve;
pub mod tls;
mod token;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The Windows MDM server that organizations run themselves.
#[derive(Debug, Parser)]
#[command(name = "quartermaster", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    connection: client::Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new installation
    Init(init::Init),
    /// Run the server
    Serve(serve::Serve),
    /// Write database, keys and configuration into one archive, while the server may run
    Backup(backup::Backup),
    /// Make an installation from such an archive
    Restore(backup::Restore),
    /// Manage API tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Show the main job on this machine: server, Store service and simulated devices
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Print the OpenAPI document
    Openapi,
    #[command(flatten)]
    Client(client::ClientCommand),
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Init(init) => init::run(&init).await?,
        Command::Serve(serve) => serve::run(&serve).await?,
        Command::Backup(backup) => backup::backup(&backup).await?,
        Command::Restore(restore) => backup::run_restore(&restore).await?,
        Command::Token(token) => token::run(&token).await?,
        #[cfg(feature = "demo")]
        Command::Demo(demo) => return demo::run(&demo).await,
        Command::Openapi => output::text(&qm_admin_api::document()),
        Command::Client(command) => {
            let outcome = client::run(command, cli.connection, tls::provider()).await;
            return Ok(outcome.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    output::note(&format!("error: {error:#}"));
    ExitCode::from(2)
}
