//! `quartermaster audit`

use super::{ClientError, Limit, answer::Answer, api::Api, text};
use clap::Subcommand;
use qm_admin_api::types::AuditEntry;
use serde_json::Value;

/// What can be done with the audit trail.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List who did what, when, from where
    List {
        #[command(flatten)]
        limit: Limit,
    },
}

/// Carries out one of them.
pub async fn run(command: Audit, api: &Api) -> Result<Answer, ClientError> {
    let Audit::List { limit } = command;
    Ok(Answer::list(
        api.list(&["audit"], &(), limit).await?,
        HEADING,
        row,
    ))
}

const HEADING: &[&str] = &["at", "actor", "action", "object", "source", "detail"];

fn row(entry: AuditEntry) -> Vec<String> {
    let detail = Some(entry.detail)
        .filter(|detail| !is_empty(detail))
        .map(|detail| detail.to_string());
    vec![
        entry.at,
        entry.actor,
        entry.action,
        entry.object,
        text::or_dash(entry.source),
        text::or_dash(detail),
    ]
}

fn is_empty(detail: &Value) -> bool {
    detail.is_null() || detail.as_object().is_some_and(serde_json::Map::is_empty)
}
