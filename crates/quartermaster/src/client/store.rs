//! `quartermaster store`

use super::{ClientError, answer::Answer, api::Api, text};
use clap::Subcommand;
use qm_admin_api::types::{Accepted, StoreStatus};

/// What can be done with the Store.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Bring catalogue, seats and licenses in step with the Store now
    Sync,
    /// Show how the synchronization stands
    Status,
}

/// Carries out one of them.
pub async fn run(command: Store, api: &Api) -> Result<Answer, ClientError> {
    match command {
        Store::Sync => {
            let accepted = Answer::of(api.post_empty(&["store", "sync"]).await?, |a: Accepted| {
                a.id.to_string()
            });
            Ok(accepted.note("It is under way; `quartermaster store status` tells when it is done."))
        }
        Store::Status => Ok(Answer::of(api.get(&["store", "status"]).await?, status)),
    }
}

fn status(status: StoreStatus) -> String {
    let circuit = status.circuit;
    text::details([
        ("State", status.state),
        ("Last success", text::or_dash(status.last_success_at)),
        ("Last error", text::or_dash(status.last_error)),
        ("Products", status.products.to_string()),
        ("Seats assigned", status.seats_assigned.to_string()),
        ("Circuit", circuit.state),
        ("Since", text::or_dash(circuit.since)),
        ("Asked again", text::or_dash(circuit.retry_at)),
        ("Because", text::or_dash(circuit.reason)),
    ])
}
