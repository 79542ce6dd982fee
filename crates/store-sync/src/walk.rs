//! The walk of the inventory, from the status row at its start to the removals at its end.

use crate::{Mode, StoreSync, SyncError, SyncReport, missing::unlisted, product::Outcome};
use futures_util::{StreamExt as _, stream};
use qm_core::{
    Timestamp,
    app::{App, AppState},
};
use qm_db::{apps, run, seats, store_status, store_status::SyncState};
use qm_engine::catalogue::{Key, difference};
use qm_store_client::{InventoryEntry, InventoryQuery, ProductKey, StoreError, Walk};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// What a walk is about.
struct Inventory {
    walk: Walk<InventoryEntry>,
    /// Everything was listed: what is not in it may be gone.
    complete: bool,
}

/// The Store's apps of the catalogue by folded key.
type Known = HashMap<ProductKey, App>;

impl StoreSync {
    /// Brings the catalogue in step with the Store. A product that cannot be read is reported and fails nothing else;
    /// only a whole walk of the inventory removes products, once that is confirmed, and an outage removes none.
    pub async fn synchronize(&self, mode: Mode) -> Result<SyncReport, SyncError> {
        let result = self
            .guarded(Box::pin(async {
                self.begin_status().await?;
                self.walk(mode).await
            }))
            .await;
        let ended = match &result {
            Ok((report, mark)) => self.end_status(report, *mark).await,
            Err(error) => self.fail_status(error).await,
        };
        if let (Err(_), Err(error)) = (&result, &ended) {
            tracing::warn!(%error, "how the synchronization ended could not be noted");
        }
        let (report, _) = result?;
        ended?;
        tracing::info!(
            store.mode = %mode,
            store.products = report.products,
            store.added = report.added.len(),
            store.changed = report.changed.len(),
            store.removed = report.removed.len(),
            store.failures = report.failures.len(),
            "synchronized with the Store"
        );
        Ok(report)
    }

    /// The walk itself, and the mark for the next incremental one.
    async fn walk(&self, mode: Mode) -> Result<(SyncReport, Timestamp), SyncError> {
        let begun = self.clock.now();
        let inventory = self.inventory(mode).await?;
        let mark = inventory.walk.began_at.unwrap_or(begun);
        let known = self.known().await?;
        let entries = &inventory.walk.items;
        let mut report = SyncReport {
            products: entries.len(),
            unreadable: inventory.walk.skipped,
            ..SyncReport::default()
        };
        // What changed since last time may have new artwork; a whole walk only fills gaps.
        let refresh = !inventory.complete;
        let mut seen = Vec::new();
        let mut outage = Outage::default();
        let jobs: Vec<_> = entries
            .iter()
            .map(|entry| self.product(entry, known.get(&entry.key.folded()), refresh))
            .collect();
        let mut outcomes = stream::iter(jobs).buffer_unordered(AT_ONCE);
        while let Some(outcome) = outcomes.next().await {
            let Outcome {
                app,
                licenses,
                failures,
                cause,
            } = outcome?;
            report.failures.extend(failures);
            report.licenses += licenses;
            outage.note(cause)?;
            seen.extend(app);
        }
        drop(outcomes);
        // An entry without a readable key might be any of the products that were not seen.
        let sure = inventory.complete && inventory.walk.skipped == 0;
        compare(&mut report, &known, &seen);
        if sure {
            let missing = unlisted(known.values(), &seen);
            self.settle_missing(&missing, known.len(), &mut outage, &mut report)
                .await?;
        }
        if mode == Mode::Reconcile {
            self.reconcile(&mut report, &seen, &mut outage).await?;
        }
        report.seat_work = seats::apps_with_work(&mut self.db.read().await?).await?;
        Ok((report, mark))
    }

    async fn inventory(&self, mode: Mode) -> Result<Inventory, SyncError> {
        let since = match mode {
            Mode::Incremental => {
                store_status::find(&mut self.db.read().await?)
                    .await?
                    .modified_since
            }
            Mode::Full | Mode::Reconcile => None,
        };
        if let Some(since) = since {
            let query = InventoryQuery {
                modified_since: Some(since - OVERLAP),
                ..InventoryQuery::default()
            };
            match self.client.inventory(&query).await {
                Ok(walk) => {
                    return Ok(Inventory {
                        walk,
                        complete: false,
                    });
                }
                // The date is not accepted: then everything.
                Err(StoreError::Refused { fault, .. }) if fault.status == 400 => {}
                Err(error) => return Err(error.into()),
            }
        }
        let walk = self.client.inventory(&InventoryQuery::default()).await?;
        Ok(Inventory { walk, complete: true })
    }

    async fn known(&self) -> Result<Known, SyncError> {
        let known = apps::available_from_store(&mut self.db.read().await?).await?;
        Ok(known
            .into_iter()
            .filter_map(|app| Some((key_of(&app)?.folded(), app)))
            .collect())
    }

    async fn begin_status(&self) -> Result<(), SyncError> {
        run!(self.db, "store.begin", |tx| {
            let mut status = store_status::find(tx).await?;
            status.state = SyncState::Running;
            store_status::update(tx, &status).await
        })
        .map_err(SyncError::Database)
    }

    async fn fail_status(&self, error: &SyncError) -> Result<(), SyncError> {
        let text = error.to_string();
        run!(self.db, "store.fail", |tx| {
            let mut status = store_status::find(tx).await?;
            status.state = SyncState::Failed;
            status.last_error = Some(text.clone());
            store_status::update(tx, &status).await
        })
        .map_err(SyncError::Database)
    }

    async fn end_status(&self, report: &SyncReport, mark: Timestamp) -> Result<(), SyncError> {
        let now = self.clock.now();
        let text = failures_for_people(report);
        // What failed for now has to be looked at again, so the mark stays where it was.
        let passed = report.unreadable == 0 && !report.failures.iter().any(|failure| failure.transient);
        run!(self.db, "store.end", |tx| {
            let apps = apps::available_from_store(tx).await?;
            let mut status = store_status::find(tx).await?;
            status.state = SyncState::Idle;
            status.last_success_at = Some(now);
            status.last_error.clone_from(&text);
            status.products = i64::try_from(apps.len()).unwrap_or(i64::MAX);
            status.seats_assigned = apps
                .iter()
                .filter_map(|app| app.seats)
                .map(|seats| seats.assigned)
                .sum();
            if passed {
                status.modified_since = Some(mark);
            }
            store_status::update(tx, &status).await
        })
        .map_err(SyncError::Database)
    }
}

/// Reports what is new, what changed and what the Store shows as removed.
fn compare(report: &mut SyncReport, known: &Known, seen: &[App]) {
    let (offered, withdrawn): (Vec<&App>, Vec<&App>) =
        seen.iter().partition(|app| app.state == AppState::Available);
    let before = known.values().map(fingerprint).collect();
    let after = offered.iter().map(|app| fingerprint(app)).collect();
    let found = difference(&before, &after);
    let ids: BTreeMap<_, _> = known
        .values()
        .chain(seen)
        .filter_map(|app| Some((catalogue_key(app)?, app.id)))
        .collect();
    let id = |key: &Key| ids.get(key).copied();
    report.added = found.added.iter().filter_map(id).collect();
    report.changed = found.changed.iter().filter_map(id).collect();
    report.removed = withdrawn.iter().map(|app| app.id).collect();
}

/// Failures one after another: a few products may be bad, many in a row are an outage.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    in_a_row: usize,
}

impl Outage {
    /// Notes how a product went; the error ends the walk.
    pub(crate) fn note(&mut self, cause: Option<StoreError>) -> Result<(), SyncError> {
        let Some(error) = cause else {
            self.in_a_row = 0;
            return Ok(());
        };
        self.in_a_row += 1;
        let refused = matches!(
            error,
            StoreError::Forbidden(_)
                | StoreError::Retired(_)
                | StoreError::Throttled { .. }
                | StoreError::Token(_)
                | StoreError::Unauthorized(_)
        );
        let broken = error.concerns_connection() || matches!(error, StoreError::Unavailable { .. });
        if refused || (broken && self.in_a_row >= OUTAGE) {
            Err(error.into())
        } else {
            Ok(())
        }
    }
}

pub(crate) fn key_of(app: &App) -> Option<ProductKey> {
    Some(ProductKey {
        product_id: app.product_id.clone()?,
        sku_id: app.sku_id.clone()?,
    })
}

fn catalogue_key(app: &App) -> Option<Key> {
    key_of(app)
        .map(|key| key.folded())
        .map(|key| (key.product_id, key.sku_id))
}

/// What of an app counts as a change.
fn fingerprint(app: &App) -> (Key, App) {
    let same = App {
        updated_at: Timestamp::default(),
        icon: None,
        ..app.clone()
    };
    (catalogue_key(app).unwrap_or_default(), same)
}

fn failures_for_people(report: &SyncReport) -> Option<String> {
    let first = report.failures.first()?;
    let (count, key) = (report.failures.len(), &first.key);
    Some(format!(
        "{count} of the Store's products had failures; {}/{}: {}",
        key.product_id, key.sku_id, first.error
    ))
}

/// The service's clock and granularity are unknown, so incremental walks overlap.
const OVERLAP: Duration = Duration::from_mins(15);
/// Products looked at side by side: as many as the client lets through.
const AT_ONCE: usize = 2;
/// Failures in a row that count as an outage.
const OUTAGE: usize = 3;
