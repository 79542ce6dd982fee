//! The command-line client: every command is a few calls of a running server's admin API.
//!
//! One file for each noun holds its arguments, its calls and its tables. [`api`] speaks HTTP, [`tls`] decides whom to
//! trust, [`answer`] is what a command comes to before anything is printed, [`error`] what people read when it fails.
//! Data goes to stdout, everything else to stderr; `--output json` prints the API's own JSON.
//!
//! Nothing here knows the server's inside: only `/api/v1` and its types. Start at [`run`].

mod answer;
mod api;
mod apps;
mod audit;
mod commands;
mod connection;
mod deployments;
mod devices;
mod error;
mod groups;
mod licenses;
mod store;
mod text;
mod tls;
mod tokens;
mod upload;
mod wait;

#[cfg(test)]
mod tests;

pub use connection::{Connection, Output};
pub use error::ClientError;

use crate::output;
use answer::Answer;
use api::Api;
use clap::{Args, Subcommand};
use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// The commands that call the admin API.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Enrolled devices, their apps and their messages
    #[command(subcommand)]
    Devices(devices::Devices),
    /// The catalogue of apps
    #[command(subcommand)]
    Apps(apps::Apps),
    /// Groups of devices
    #[command(subcommand)]
    Groups(groups::Groups),
    /// Bring apps to devices, or take them away
    #[command(subcommand)]
    Deployments(deployments::Deployments),
    /// Seats of online-licensed apps
    #[command(subcommand)]
    Licenses(licenses::Licenses),
    /// The synchronization with the Store
    #[command(subcommand)]
    Store(store::Store),
    /// Single management commands for a device
    #[command(subcommand)]
    Commands(commands::Commands),
    /// Tokens with which users enroll their devices
    #[command(subcommand)]
    EnrollmentTokens(tokens::EnrollmentTokens),
    /// Who did what, when, from where
    #[command(subcommand)]
    Audit(audit::Audit),
}

/// Carries out one command and prints what came of it.
pub async fn run(
    command: ClientCommand,
    connection: Connection,
    provider: Arc<CryptoProvider>,
) -> Result<(), ClientError> {
    let api = Api::connect(&connection, provider)?;
    let shown = answer(command, &api).await?.shown(connection.output)?;
    if let Some(data) = &shown.data {
        output::line(data);
    }
    for note in &shown.notes {
        output::note(note);
    }
    shown.failure.map_or(Ok(()), Err)
}

async fn answer(command: ClientCommand, api: &Api) -> Result<Answer, ClientError> {
    match command {
        ClientCommand::Devices(command) => devices::run(command, api).await,
        ClientCommand::Apps(command) => apps::run(command, api).await,
        ClientCommand::Groups(command) => groups::run(command, api).await,
        ClientCommand::Deployments(command) => deployments::run(command, api).await,
        ClientCommand::Licenses(command) => licenses::run(command, api).await,
        ClientCommand::Store(command) => store::run(command, api).await,
        ClientCommand::Commands(command) => commands::run(command, api).await,
        ClientCommand::EnrollmentTokens(command) => tokens::run(command, api).await,
        ClientCommand::Audit(command) => audit::run(command, api).await,
    }
}

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, Args)]
pub struct Limit {
    /// Stop after this many items; the whole list where it is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}
