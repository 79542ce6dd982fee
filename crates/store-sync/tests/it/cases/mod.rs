//! Every case that `docs/store-cases.md` lists, through the synchronization and into both databases.

mod gone;
mod licenses;
mod listed;
mod missing;
mod packages;
mod seats;
mod shapes;
mod tokens;
mod walks;

use crate::setup::Setup;
use qm_db::store_status::SyncState;
use qm_store_sync::{Mode, SyncError};

/// A synchronization that fails, with what the administrator reads of it.
async fn failure(setup: &Setup) -> (SyncError, String) {
    let error = setup.sync.synchronize(Mode::Full).await.unwrap_err();
    let status = setup.status().await;
    assert_eq!(status.state, SyncState::Failed, "{}", setup.engine);
    let told = status.last_error.unwrap();
    assert_eq!(told, error.to_string());
    (error, told)
}
