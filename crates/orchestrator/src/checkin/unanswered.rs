//! What becomes of commands that a session can bring no answer to any more.

use qm_core::Timestamp;
use qm_db::{DbError, Tx, commands};
use qm_engine::session::{MAX_COMMAND_ATTEMPTS, Purpose, Sent};

/// They are sent again, but for what must not run twice. Steps of deployments are not repeated blindly: their targets
/// are asked after.
pub async fn close(tx: &mut Tx, sent: &[Sent], now: Timestamp) -> Result<(), DbError> {
    let custom: Vec<_> = sent
        .iter()
        .filter_map(|sent| match sent.purpose {
            Purpose::Custom { id } => Some(id),
            _ => None,
        })
        .collect();
    if custom.is_empty() {
        return Ok(());
    }
    commands::requeue(tx, &custom, MAX_COMMAND_ATTEMPTS, now)
        .await
        .map(|_| ())
}
