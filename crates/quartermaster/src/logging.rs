//! Structured logs on stderr.

use clap::ValueEnum;
use std::io;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Starts logging. `filter` is in the syntax of `RUST_LOG`; `info` where it is not given.
pub fn start(format: LogFormat, filter: Option<&str>) {
    let filter = EnvFilter::new(filter.unwrap_or("info,hyper=warn,rustls=warn,sqlx=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => builder
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
