//! Keeps catalogue, seats, licenses and packages in step with the Store for Business. The only user of the Store's
//! client.
//!
//! Three operations, each called by a leased job and safe to call again after a crash:
//! [`StoreSync::synchronize`] walks the inventory, [`StoreSync::seat_round`] makes the Store agree with the seat ledger
//! of one app, [`StoreSync::fetch_content`] brings packages and licenses of one app into the house.
//!
//! What it is not: it plans nothing. It enqueues no jobs and moves no targets of deployments; what it did stands in the
//! database, and is reported to whoever called.
//!
//! All three go through the circuit (`circuit.rs`): while the Store is left alone they end with
//! [`SyncError::LeftAlone`] and ask nothing.
//!
//! No transaction is open while the network is asked. An outage takes nothing away: only a complete walk of the
//! inventory can miss a product, which then has to be confirmed (`missing.rs`), and packages, licenses and ledger stay
//! whatever the Store says.

mod circuit;
mod content;
mod error;
mod icon;
mod license;
mod missing;
mod product;
mod reconcile;
mod report;
mod rows;
mod seats;
mod transfer;
mod walk;

pub use error::SyncError;
pub use report::{Fetched, Mode, ProductFailure, SeatChange, SeatRound, SyncReport};

use qm_content::ContentStore;
use qm_core::{AppId, Clock, Rng, app::App};
use qm_db::{Db, apps};
use qm_store_client::{ProductKey, StoreClient};
use std::sync::Arc;

/// The synchronization; clones share everything.
#[derive(Debug, Clone)]
pub struct StoreSync {
    client: StoreClient,
    db: Db,
    content: ContentStore,
    clock: Clock,
    rng: Rng,
    languages: Arc<[String]>,
}

impl StoreSync {
    /// Between this connection to the Store and this database and content store; texts are asked for in `en-us`.
    pub fn new(client: StoreClient, db: Db, content: ContentStore, clock: Clock, rng: Rng) -> Self {
        Self {
            client,
            db,
            content,
            clock,
            rng,
            languages: Arc::from(["en-us".to_owned()]),
        }
    }

    /// Asks for names and descriptions in these languages (`de-de`), the first that exists.
    #[must_use]
    pub fn with_languages(mut self, languages: impl IntoIterator<Item = String>) -> Self {
        self.languages = languages
            .into_iter()
            .map(|tag| tag.to_ascii_lowercase())
            .collect();
        self
    }

    /// An app with its key at the Store.
    async fn store_app(&self, id: AppId) -> Result<(App, ProductKey), SyncError> {
        let app = apps::find(&mut self.db.read().await?, id)
            .await?
            .ok_or(SyncError::UnknownApp(id))?;
        let key = app.product_id.clone().zip(app.sku_id.clone());
        let (product_id, sku_id) = key.ok_or(SyncError::NotFromStore)?;
        Ok((app, ProductKey { product_id, sku_id }))
    }
}
