//! `quartermaster licenses`

use super::{ClientError, Limit, answer::Answer, api::Api};
use clap::Subcommand;
use qm_admin_api::types::{Seat, SeatQuery};
use uuid::Uuid;

/// What can be done with licenses.
#[derive(Debug, Subcommand)]
pub enum Licenses {
    /// List the seat ledger: who holds a seat of which app, and why
    Seats {
        /// Only this app's
        #[arg(long, value_name = "ID")]
        app: Option<Uuid>,
        /// Only this user's
        #[arg(long)]
        upn: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
}

/// Carries out one of them.
pub async fn run(command: Licenses, api: &Api) -> Result<Answer, ClientError> {
    let Licenses::Seats { app, upn, limit } = command;
    let query = SeatQuery {
        app_id: app,
        upn,
        ..SeatQuery::default()
    };
    Ok(Answer::list(
        api.list(&["licenses", "seats"], &query, limit).await?,
        HEADING,
        row,
    ))
}

const HEADING: &[&str] = &["app", "user", "state", "since", "reason"];

fn row(seat: Seat) -> Vec<String> {
    vec![
        seat.app_id.to_string(),
        seat.upn,
        seat.state,
        seat.since,
        seat.reason,
    ]
}
