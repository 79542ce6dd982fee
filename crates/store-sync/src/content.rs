//! Packages, frameworks and licenses of an app into the house.

use crate::{Fetched, StoreSync, SyncError};
use qm_core::{
    AppId, PackageId,
    app::{App, LicenseKind, Package, PackageRole},
};
use qm_db::{licenses, packages};
use qm_store_client::ProductKey;
use std::collections::BTreeSet;

/// A file to be had, with the main package that its address is listed under.
struct Wanted<'a> {
    file: &'a Package,
    main: &'a Package,
}

impl StoreSync {
    /// Downloads the packages with their frameworks, and fetches the licenses of an offline app, as far as they are not
    /// here. `Ok` means that all of it is here. A file that cannot be had does not keep the others from being fetched;
    /// the first failure is the one reported.
    pub async fn fetch_content(
        &self,
        app_id: AppId,
        package_ids: &[PackageId],
    ) -> Result<Fetched, SyncError> {
        let (app, key) = self.store_app(app_id).await?;
        let listed = packages::list_for_app(&mut self.db.read().await?, app_id).await?;
        let wanted = wanted(&listed, package_ids)?;
        if self.is_here(&app, &wanted).await? {
            let present = wanted.iter().map(|one| one.file.id).collect();
            return Ok(Fetched {
                present,
                ..Fetched::default()
            });
        }
        self.guarded(Box::pin(self.fetch_wanted(&app, &key, wanted)))
            .await
    }

    /// Whether nothing of it has to be asked for.
    async fn is_here(&self, app: &App, wanted: &[Wanted<'_>]) -> Result<bool, SyncError> {
        for one in wanted {
            if !self.has_file(one.file).await? {
                return Ok(false);
            }
        }
        if app.license != LicenseKind::Offline {
            return Ok(true);
        }
        let held = licenses::list_for_app(&mut self.db.read().await?, app.id).await?;
        Ok(content_ids(wanted)
            .iter()
            .all(|id| held.iter().any(|license| license.content_id == *id)))
    }

    async fn fetch_wanted(
        &self,
        app: &App,
        key: &ProductKey,
        wanted: Vec<Wanted<'_>>,
    ) -> Result<Fetched, SyncError> {
        let mut fetched = Fetched::default();
        let mut failure = None;
        if app.license == LicenseKind::Offline {
            self.fetch_licenses(app, key, &wanted, &mut fetched, &mut failure)
                .await?;
        }
        for one in wanted {
            match self.fetch_file(key, &one).await {
                Ok(true) => fetched.packages.push(one.file.id),
                Ok(false) => fetched.present.push(one.file.id),
                Err(error) => keep_first(&mut failure, error)?,
            }
        }
        failure.map_or(Ok(fetched), Err)
    }

    async fn fetch_licenses(
        &self,
        app: &App,
        key: &ProductKey,
        wanted: &[Wanted<'_>],
        fetched: &mut Fetched,
        failure: &mut Option<SyncError>,
    ) -> Result<(), SyncError> {
        for id in content_ids(wanted) {
            match self.ensure_license(app, key, id).await {
                Ok(true) => fetched.licenses.push(id.to_owned()),
                Ok(false) => {}
                Err(error) => keep_first(failure, error)?,
            }
        }
        Ok(())
    }

    /// Whether the file came in now; `false` if it was here.
    async fn fetch_file(&self, key: &ProductKey, wanted: &Wanted<'_>) -> Result<bool, SyncError> {
        let missing = !self.has_file(wanted.file).await?;
        if missing {
            self.transfer(key, wanted.main, wanted.file).await?;
        }
        Ok(missing)
    }

    async fn has_file(&self, file: &Package) -> Result<bool, SyncError> {
        match &file.sha256 {
            Some(sha256) => Ok(self.content.contains(sha256).await?),
            None => Ok(false),
        }
    }
}

/// What licenses are for: the contents of the main packages, each once.
fn content_ids<'a>(wanted: &[Wanted<'a>]) -> BTreeSet<&'a str> {
    wanted
        .iter()
        .filter_map(|one| one.main.content_id.as_deref())
        .collect()
}

/// The packages with their frameworks, each once.
fn wanted<'a>(listed: &'a [Package], ids: &[PackageId]) -> Result<Vec<Wanted<'a>>, SyncError> {
    let find = |id: PackageId| listed.iter().find(|package| package.id == id);
    let mut wanted: Vec<Wanted<'a>> = Vec::new();
    for id in ids {
        let package = find(*id).ok_or(SyncError::UnknownPackage(*id))?;
        let main = match package.role {
            PackageRole::Main => package,
            PackageRole::Framework => {
                let main = listed.iter().find(|main| main.frameworks.contains(id));
                main.ok_or_else(|| SyncError::PackageGone(package.full_name.clone()))?
            }
        };
        let frameworks = package.frameworks.iter().filter_map(|id| find(*id));
        for file in std::iter::once(package).chain(frameworks) {
            if !wanted.iter().any(|known| known.file.id == file.id) {
                wanted.push(Wanted { file, main });
            }
        }
    }
    Ok(wanted)
}

/// Goes on after a failure of one file, but not where everything else would fail, too.
fn keep_first(failure: &mut Option<SyncError>, error: SyncError) -> Result<(), SyncError> {
    if error.concerns_connection() || matches!(error, SyncError::Database(_)) {
        return Err(error);
    }
    tracing::warn!(%error, "could not fetch a package or license");
    failure.get_or_insert(error);
    Ok(())
}
