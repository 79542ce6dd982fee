//! One product of the inventory: what the Store tells about it, and the rows made from that.

use crate::{ProductFailure, StoreSync, SyncError};
use qm_core::{
    AppId,
    app::{App, AppSource, AppState, LicenseKind, SeatCounts},
};
use qm_db::{apps, run};
use qm_store_client::{
    DistributionPolicy, InventoryEntry, LicenseType, LocalizedDetails, PackageSet, ProductDetails,
    ProductKey, StoreError,
};

/// How a product went.
pub(crate) struct Outcome {
    /// As it is stored now; `None` if it is not stored.
    pub(crate) app: Option<App>,
    /// Licenses fetched.
    pub(crate) licenses: usize,
    pub(crate) failures: Vec<ProductFailure>,
    /// The first thing that went wrong at the Store.
    pub(crate) cause: Option<StoreError>,
}

/// What could be had of a product.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) details: Option<ProductDetails>,
    pub(crate) localized: Option<LocalizedDetails>,
    pub(crate) packages: Option<PackageSet>,
    errors: Vec<StoreError>,
}

impl StoreSync {
    /// Asks for everything about a product and stores what came. Fails only if the database does.
    pub(crate) async fn product(
        &self,
        entry: &InventoryEntry,
        known: Option<&App>,
        refresh: bool,
    ) -> Result<Outcome, SyncError> {
        if entry.is_removed() {
            return self.withdraw(known).await;
        }
        let Some(license) = license_kind(entry, known) else {
            let failure = ProductFailure::told(
                &entry.key,
                "the Store names a license type that is not known here",
            );
            // Listed all the same, so it is not gone.
            return Ok(Outcome {
                app: known.cloned(),
                licenses: 0,
                failures: vec![failure],
                cause: None,
            });
        };
        let gathered = self.gather(&entry.key).await;
        let app = self.app_of(entry, known, license, &gathered);
        let (app, news) = run!(self.db, "store.product", |tx| {
            let app = apps::upsert_store(tx, &app).await?;
            let news = match &gathered.packages {
                Some(set) => self.store_packages(tx, &app, set).await?,
                None => false,
            };
            Ok::<_, qm_db::DbError>((app, news))
        })?;
        let mut outcome = Outcome {
            app: None,
            licenses: 0,
            failures: gathered
                .errors
                .iter()
                .map(|error| ProductFailure::of_store(&entry.key, error))
                .collect(),
            cause: gathered.errors.into_iter().next(),
        };
        if gathered.details.is_none() && outcome.cause.is_none() {
            outcome
                .failures
                .push(ProductFailure::told(&entry.key, "the Store has no details of it"));
        }
        if license == LicenseKind::Offline {
            self.keep_licenses(&app, &entry.key, news, &mut outcome).await?;
        }
        let icon = match &gathered.localized {
            Some(localized) if refresh || app.icon.is_none() => self.keep_icon(&app, localized).await?,
            _ => None,
        };
        outcome.app = Some(App {
            icon: icon.or(app.icon),
            ..app
        });
        Ok(outcome)
    }

    /// The inventory says that the product was taken out of it.
    async fn withdraw(&self, known: Option<&App>) -> Result<Outcome, SyncError> {
        let mut outcome = Outcome {
            app: None,
            licenses: 0,
            failures: Vec::new(),
            cause: None,
        };
        if let Some(known) = known {
            let gone = App {
                state: AppState::Removed,
                updated_at: self.clock.now(),
                ..known.clone()
            };
            outcome.app = Some(run!(self.db, "store.withdraw", |tx| apps::upsert_store(
                tx, &gone
            )
            .await)?);
        }
        Ok(outcome)
    }

    async fn gather(&self, key: &ProductKey) -> Gathered {
        let mut gathered = Gathered::default();
        match self.client.product_details(key).await {
            Ok(details) => gathered.details = details,
            Err(error) => gathered.errors.push(error),
        }
        // After a failure of the connection the other questions would only take their time to fail, too.
        if gathered.errors.iter().any(StoreError::concerns_connection) {
            return gathered;
        }
        match self.localized(key, gathered.details.as_ref()).await {
            Ok(localized) => gathered.localized = localized,
            Err(error) => gathered.errors.push(error),
        }
        match self.client.packages(key).await {
            Ok(packages) => gathered.packages = packages,
            Err(error) => gathered.errors.push(error),
        }
        gathered
    }

    /// The first of the configured languages that exists, else one that the product has.
    async fn localized(
        &self,
        key: &ProductKey,
        details: Option<&ProductDetails>,
    ) -> Result<Option<LocalizedDetails>, StoreError> {
        let other = details.and_then(|details| details.languages.first());
        let other = other.filter(|tag| !self.languages.iter().any(|known| known.eq_ignore_ascii_case(tag)));
        for tag in self.languages.iter().chain(other) {
            if let Some(localized) = self.client.localized_details(key, tag).await? {
                return Ok(Some(localized));
            }
        }
        Ok(None)
    }

    fn app_of(
        &self,
        entry: &InventoryEntry,
        known: Option<&App>,
        license: LicenseKind,
        gathered: &Gathered,
    ) -> App {
        let now = self.clock.now();
        let localized = gathered.localized.as_ref();
        let family = gathered
            .details
            .as_ref()
            .and_then(|details| details.package_family_name.clone());
        let name = localized
            .and_then(|localized| localized.display_name.clone())
            .or_else(|| known.map(|app| app.name.clone()))
            .or_else(|| {
                family
                    .as_deref()
                    .and_then(|family| family.split('_').next())
                    .map(str::to_owned)
            });
        let key = known
            .and_then(crate::walk::key_of)
            .unwrap_or_else(|| entry.key.clone());
        App {
            id: known.map_or_else(|| AppId::new(now, &self.rng), |app| app.id),
            name: name.unwrap_or_else(|| key.product_id.clone()),
            publisher: localized.and_then(|localized| localized.publisher.clone()),
            description: localized.and_then(|localized| localized.description.clone()),
            source: AppSource::Store,
            license,
            state: AppState::Available,
            product_id: Some(key.product_id),
            sku_id: Some(key.sku_id),
            package_family_name: family,
            seats: (license == LicenseKind::Online)
                .then(|| seat_counts(entry, known.and_then(|app| app.seats))),
            icon: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The entry's seats. Without a limit only we know how many are given out.
pub(crate) fn seat_counts(entry: &InventoryEntry, before: Option<SeatCounts>) -> SeatCounts {
    let before = before.unwrap_or_default();
    let unlimited = entry.policy == Some(DistributionPolicy::Open) || entry.seat_capacity == Some(i64::MAX);
    match (unlimited, entry.seat_capacity, entry.available_seats) {
        (false, Some(total), Some(left)) => {
            let (total, left) = (total.max(0), left.max(0));
            SeatCounts {
                total: Some(total),
                assigned: (total - left).max(0),
                available: Some(left),
            }
        }
        (false, total, available) => SeatCounts {
            total,
            assigned: before.assigned,
            available,
        },
        (true, ..) => SeatCounts {
            total: None,
            assigned: before.assigned,
            available: None,
        },
    }
}

fn license_kind(entry: &InventoryEntry, known: Option<&App>) -> Option<LicenseKind> {
    match &entry.license {
        Some(LicenseType::Online) => Some(LicenseKind::Online),
        Some(LicenseType::Offline) => Some(LicenseKind::Offline),
        Some(LicenseType::Other(_)) => None,
        None => known.map(|app| app.license),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(policy: Option<DistributionPolicy>, total: Option<i64>, left: Option<i64>) -> InventoryEntry {
        InventoryEntry {
            key: ProductKey {
                product_id: "9A".into(),
                sku_id: "0010".into(),
            },
            seat_capacity: total,
            available_seats: left,
            last_modified: None,
            license: Some(LicenseType::Online),
            policy,
            status: None,
        }
    }

    #[test]
    fn counts_seats_by_policy() {
        let counts = |total, assigned, available| SeatCounts {
            total,
            assigned,
            available,
        };
        let before = Some(counts(None, 4, None));
        let restricted = || Some(DistributionPolicy::Restricted);
        let table = [
            (
                entry(restricted(), Some(10), Some(7)),
                counts(Some(10), 3, Some(7)),
            ),
            (entry(None, Some(10), Some(7)), counts(Some(10), 3, Some(7))),
            (entry(restricted(), Some(2), Some(5)), counts(Some(2), 0, Some(5))),
            (
                entry(restricted(), Some(10), Some(-1)),
                counts(Some(10), 10, Some(0)),
            ),
            (entry(restricted(), Some(10), None), counts(Some(10), 4, None)),
            (
                entry(restricted(), Some(i64::MAX), Some(0)),
                counts(None, 4, None),
            ),
            (
                entry(Some(DistributionPolicy::Open), Some(0), Some(0)),
                counts(None, 4, None),
            ),
        ];
        for (entry, expected) in table {
            assert_eq!(seat_counts(&entry, before), expected, "{entry:?}");
        }
    }
}
