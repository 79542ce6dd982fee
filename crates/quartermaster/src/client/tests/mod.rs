//! Tests of whole commands: a command line goes in, requests and printed text come out.

mod command_line;
mod errors;
mod fake;
mod lists;
mod nouns;
mod trust;
mod uploads;
mod waiting;

use super::{Answer, Api, ClientCommand, ClientError, Connection, answer, answer::Shown};
use clap::Parser;
use rustls::crypto::{CryptoProvider, ring};
use std::sync::Arc;

/// The way the binary embeds the client.
#[derive(Debug, Parser)]
#[command(name = "quartermaster")]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: ClientCommand,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Words are separated by blanks; nothing is quoted.
fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(["quartermaster"].into_iter().chain(line.split_whitespace()))
}

async fn ask(url: &str, line: &str) -> Result<Shown, ClientError> {
    let cli = parse(&format!("--url {url} --token t0ken {line}")).expect("a command line that is understood");
    answered(cli).await?.shown(cli_output(line))
}

async fn answered(cli: Cli) -> Result<Answer, ClientError> {
    let api = Api::connect(&cli.connection, provider())?;
    answer(cli.command, &api).await
}

fn cli_output(line: &str) -> super::Output {
    parse(&format!("--url unused {line}"))
        .expect("parsed before")
        .connection
        .output
}
