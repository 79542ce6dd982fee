//! Products that a complete walk did not list: asked for one by one, remembered, and removed once that is confirmed.

use crate::{
    ProductFailure, StoreSync, SyncError, SyncReport,
    walk::{Outage, key_of},
};
use qm_core::{
    AppId, Timestamp,
    app::{App, AppState},
};
use qm_db::{DbError, apps, packages, run};
use qm_engine::catalogue::{Asked, Verdict, is_great_loss, judge, missing_for_long};
use qm_store_client::{Conflict, ProductKey, StoreError};
use std::collections::HashMap;

/// What was judged of the missing ones.
#[derive(Default)]
struct Judged {
    gone: Vec<AppId>,
    suspects: Vec<AppId>,
}

impl StoreSync {
    /// Removes those of the `missing` that are confirmed to be gone and remembers the others. A great loss that is not
    /// confirmed fails the walk.
    pub(crate) async fn settle_missing(
        &self,
        missing: &[&App],
        known: usize,
        outage: &mut Outage,
        report: &mut SyncReport,
    ) -> Result<(), SyncError> {
        let great = is_great_loss(missing.len(), known);
        let judged = self.judge_all(missing, great, outage, report).await?;
        let now = self.clock.now();
        let gone = run!(self.db, "store.removed", |tx| {
            apps::note_missing(tx, &judged.suspects, now).await?;
            apps::mark_removed(tx, &judged.gone, now).await
        })?;
        let left = missing.len() - gone.len();
        report.removed.extend(gone);
        if great && left > 0 {
            return Err(SyncError::GreatLoss { missing: left, known });
        }
        Ok(())
    }

    async fn judge_all(
        &self,
        missing: &[&App],
        great: bool,
        outage: &mut Outage,
        report: &mut SyncReport,
    ) -> Result<Judged, SyncError> {
        let noted: HashMap<AppId, Timestamp> = apps::missing(&mut self.db.read().await?)
            .await?
            .into_iter()
            .collect();
        let now = self.clock.now();
        let mut judged = Judged::default();
        for app in missing {
            let Some(key) = key_of(app) else { continue };
            let since = noted.get(&app.id).copied();
            // No single answer settles a great loss on the first walk.
            let asked = if great && !missing_for_long(since, now) {
                Asked::Unsaid
            } else {
                self.ask_for(app, &key, outage).await?
            };
            match judge(asked, since, great, now) {
                Verdict::Keep => report.failures.push(ProductFailure::unlisted(&key, LISTED_ALONE)),
                Verdict::Remove => judged.gone.push(app.id),
                Verdict::Suspect => {
                    report
                        .failures
                        .push(ProductFailure::unlisted(&key, NOT_CONFIRMED));
                    judged.suspects.push(app.id);
                }
            }
        }
        Ok(judged)
    }

    /// Asks for the packages, which only an owner is shown.
    async fn ask_for(&self, app: &App, key: &ProductKey, outage: &mut Outage) -> Result<Asked, SyncError> {
        let asked = match self.client.packages(key).await {
            Ok(Some(_)) => Ok(Asked::Offered),
            Ok(None) => self.without_packages(app, key).await?,
            Err(StoreError::Conflict {
                conflict: Conflict::NotOwned | Conflict::Unsaid,
                ..
            }) => Ok(Asked::Gone),
            Err(error) => Err(error),
        };
        outage.note(asked.as_ref().err().cloned())?;
        Ok(asked.unwrap_or(Asked::Unsaid))
    }

    /// The Store has no packages of it: that says something only where it had some, or where it knows no such product.
    async fn without_packages(
        &self,
        app: &App,
        key: &ProductKey,
    ) -> Result<Result<Asked, StoreError>, DbError> {
        let had = packages::list_for_app(&mut self.db.read().await?, app.id).await?;
        if had.iter().any(|package| package.store_package_id.is_some()) {
            return Ok(Ok(Asked::Gone));
        }
        let details = self.client.product_details(key).await;
        Ok(details.map(|details| details.map_or(Asked::Gone, |_| Asked::Unsaid)))
    }
}

/// The apps that the catalogue offers and the walk did not list in any state.
pub(crate) fn unlisted<'a>(known: impl Iterator<Item = &'a App>, seen: &[App]) -> Vec<&'a App> {
    let listed: std::collections::HashSet<_> = seen.iter().map(|app| app.id).collect();
    known
        .filter(|app| app.state == AppState::Available && !listed.contains(&app.id))
        .collect()
}

const LISTED_ALONE: &str = "the inventory did not list it, but the Store offers it when asked for it alone; it stays in \
     the catalogue";
const NOT_CONFIRMED: &str = "the inventory did not list it, and that it is gone is not confirmed; it stays in the catalogue \
     until the next complete walk misses it too";
