//! `quartermaster token create`.

use crate::{config::Config, output};
use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use qm_core::{Clock, Rng, access::Role};
use std::path::PathBuf;

/// Manage API tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it; only its hash is stored
    Create(Create),
}

/// What a new token is.
#[derive(Debug, Args)]
pub struct Create {
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
    /// A name for people and the audit trail
    #[arg(long)]
    name: String,
    /// What it may do: viewer, operator or admin
    #[arg(long)]
    role: Role,
}

/// Prints the token, nothing else.
pub async fn run(token: &Token) -> Result<()> {
    let Token::Create(create) = token;
    let name = create.name.trim();
    ensure!(
        !name.is_empty() && name.len() <= 100,
        "the name must have 1 to 100 characters"
    );
    let config = Config::load(&create.config)?;
    let db = qm_db::Db::connect(&config.database_url())
        .await
        .context("cannot open the database")?;
    let token =
        qm_orchestrator::access::create_api_token(&db, &Clock::system(), &Rng::system(), name, create.role)
            .await?;
    output::line(token.expose());
    Ok(())
}
