//! Offline licenses: one for each app and content id, kept as they came.

use crate::{ProductFailure, StoreSync, SyncError, product::Outcome};
use qm_core::{
    AppId,
    app::{App, OfflineLicense, PackageRole},
};
use qm_db::{licenses, packages, run};
use qm_store_client::ProductKey;
use std::{collections::BTreeSet, time::Duration};

impl StoreSync {
    /// Fetches the license of an app for the content of a main package and keeps it, replacing an older one.
    pub async fn fetch_license(&self, app_id: AppId, content_id: &str) -> Result<(), SyncError> {
        let (app, key) = self.store_app(app_id).await?;
        self.license(&app, &key, content_id).await
    }

    /// Fetches the license if there is none; whether it came now.
    pub(crate) async fn ensure_license(
        &self,
        app: &App,
        key: &ProductKey,
        content_id: &str,
    ) -> Result<bool, SyncError> {
        let known = licenses::find(&mut self.db.read().await?, app.id, content_id).await?;
        if known.is_none() {
            self.license(app, key, content_id).await?;
        }
        Ok(known.is_none())
    }

    /// Has the licenses of all main packages: missing ones, old ones, and all of them where the packages changed.
    pub(crate) async fn keep_licenses(
        &self,
        app: &App,
        key: &ProductKey,
        news: bool,
        outcome: &mut Outcome,
    ) -> Result<(), SyncError> {
        for content_id in self.stale_licenses(app, news).await? {
            match self.license(app, key, &content_id).await {
                Ok(()) => outcome.licenses += 1,
                Err(error @ SyncError::Database(_)) => return Err(error),
                Err(error) => {
                    outcome.failures.push(ProductFailure::of_sync(key, &error));
                    if let SyncError::Store(error) = error {
                        outcome.cause.get_or_insert(error);
                    }
                }
            }
        }
        Ok(())
    }

    async fn stale_licenses(&self, app: &App, news: bool) -> Result<BTreeSet<String>, SyncError> {
        let mut conn = self.db.read().await?;
        let fresh = self.clock.now() - RENEW_AFTER;
        let known = licenses::list_for_app(&mut conn, app.id).await?;
        let good = |id: &String| {
            !news
                && known
                    .iter()
                    .any(|license| license.content_id == *id && license.fetched_at > fresh)
        };
        let listed = packages::list_for_app(&mut conn, app.id).await?;
        let mains = listed
            .into_iter()
            .filter(|p| p.role == PackageRole::Main && p.store_package_id.is_some());
        Ok(mains
            .filter_map(|package| package.content_id)
            .filter(|id| !good(id))
            .collect())
    }

    async fn license(&self, app: &App, key: &ProductKey, asked: &str) -> Result<(), SyncError> {
        let found = self.client.offline_license(key, asked).await?;
        let found = found.ok_or_else(|| SyncError::NoLicense(asked.to_owned()))?;
        let own = found.content_id.filter(|id| !id.eq_ignore_ascii_case(asked));
        let license = OfflineLicense {
            app_id: app.id,
            content_id: own.clone().unwrap_or_else(|| asked.to_owned()),
            instance_id: found.instance_id,
            blob: found.blob,
            fetched_at: self.clock.now(),
        };
        run!(self.db, "license.store", |tx| {
            licenses::upsert(tx, &license).await?;
            // The device knows the license by its own id, so the packages have to ask for that one.
            if let Some(own) = &own {
                for mut package in packages::list_for_app(tx, app.id).await? {
                    if package.role == PackageRole::Main && package.content_id.as_deref() == Some(asked) {
                        package.content_id = Some(own.clone());
                        packages::upsert(tx, &package).await?;
                    }
                }
            }
            Ok::<_, SyncError>(())
        })
    }
}

/// Nothing is documented about the life of a license; this is often enough.
const RENEW_AFTER: Duration = Duration::from_hours(30 * 24);
