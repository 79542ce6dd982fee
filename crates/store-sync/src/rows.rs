//! Package rows from what the Store lists.

use crate::StoreSync;
use qm_core::{
    Architecture, PackageId,
    app::{App, DeviceFamily, Package, PackageRole},
};
use qm_db::{DbError, Tx, licenses, packages};
use qm_package::FullName;
use qm_store_client::{PackageArchitecture, PackageSet, StorePackage};
use std::collections::{BTreeSet, HashMap};

impl StoreSync {
    /// Stores the packages of an app as listed, and drops those of the Store that are no longer listed. Whether the
    /// combination of packages changed.
    pub(crate) async fn store_packages(
        &self,
        tx: &mut Tx,
        app: &App,
        set: &PackageSet,
    ) -> Result<bool, DbError> {
        let before = packages::list_for_app(tx, app.id).await?;
        let licensed: Vec<_> = licenses::list_for_app(tx, app.id)
            .await?
            .into_iter()
            .map(|license| license.content_id)
            .collect();
        // What an administrator uploaded for the app is none of the Store's business.
        let mut keep: Vec<_> = before
            .iter()
            .filter(|package| package.store_package_id.is_none())
            .map(|package| package.id)
            .collect();
        let mut frameworks: HashMap<&str, PackageId> = HashMap::new();
        for listed in &set.packages {
            let Some(mut main) = self.row(app, PackageRole::Main, listed) else {
                continue;
            };
            main.content_id = content_id(&main, &before, &licensed);
            let mut linked = Vec::new();
            for framework in &listed.frameworks {
                let known = frameworks.get(framework.package_id.as_str()).copied();
                let id = match (known, self.row(app, PackageRole::Framework, framework)) {
                    (Some(id), _) => id,
                    (None, Some(row)) => packages::upsert(tx, &row).await?,
                    (None, None) => continue,
                };
                frameworks.insert(&framework.package_id, id);
                linked.push(id);
            }
            let id = packages::upsert(tx, &main).await?;
            packages::set_frameworks(tx, id, &linked).await?;
            keep.push(id);
        }
        keep.extend(frameworks.values());
        packages::delete_others(tx, app.id, &keep).await?;
        let after = packages::list_for_app(tx, app.id).await?;
        Ok(names(&before) != names(&after))
    }

    /// `None` for what today's Windows cannot install.
    fn row(&self, app: &App, role: PackageRole, listed: &StorePackage) -> Option<Package> {
        let architectures = architectures(listed)?;
        if !listed.format.is_deployable() {
            return None;
        }
        let full_name = listed
            .full_name
            .as_ref()
            .or(listed.identity_name.as_ref())
            .unwrap_or(&listed.package_id);
        Some(Package {
            id: PackageId::new(self.clock.now(), &self.rng),
            app_id: app.id,
            role,
            store_package_id: Some(listed.package_id.clone()),
            content_id: listed.content_id.clone().filter(|_| role == PackageRole::Main),
            full_name: full_name.clone(),
            file_name: listed.file_name(),
            version: listed.any_version().unwrap_or_default(),
            architectures,
            bundle: listed.format.is_bundle(),
            families: families(listed),
            rank: listed.rank.unwrap_or(0),
            size: listed
                .size
                .map_or(0, |size| i64::try_from(size).unwrap_or(i64::MAX)),
            sha256: None,
            frameworks: Vec::new(),
        })
    }
}

/// The listed content id, unless the license that was given out for this package goes by another one.
fn content_id(row: &Package, before: &[Package], licensed: &[String]) -> Option<String> {
    let old = before
        .iter()
        .find(|old| old.store_package_id == row.store_package_id && old.full_name == row.full_name);
    let old = old.and_then(|old| old.content_id.as_ref());
    let listed = row.content_id.as_ref();
    let has_license = |id: &String| licensed.contains(id);
    match (old, listed) {
        (Some(old), Some(listed)) if has_license(old) && !has_license(listed) => Some(old.clone()),
        _ => listed.cloned(),
    }
}

/// The architectures as far as they are known; none listed means what the full name says. `None` if all are strange.
fn architectures(listed: &StorePackage) -> Option<Vec<Architecture>> {
    if listed.architectures.is_empty() {
        let name = listed
            .full_name
            .as_deref()
            .and_then(|name| name.parse::<FullName>().ok());
        return Some(vec![
            name.and_then(|name| name.architecture())
                .unwrap_or(Architecture::Neutral),
        ]);
    }
    let known: BTreeSet<_> = listed
        .architectures
        .iter()
        .filter_map(|architecture| match architecture {
            PackageArchitecture::Known(known) => Some(*known),
            PackageArchitecture::Other(_) => None,
        })
        .collect();
    (!known.is_empty()).then(|| known.into_iter().collect())
}

fn families(listed: &StorePackage) -> Vec<DeviceFamily> {
    let families = listed.platforms.iter();
    families
        .map(|platform| DeviceFamily {
            name: platform.name.clone(),
            min_version: platform.min_version,
        })
        .collect()
}

fn names(packages: &[Package]) -> BTreeSet<(Option<&str>, &str)> {
    packages
        .iter()
        .map(|package| (package.store_package_id.as_deref(), package.full_name.as_str()))
        .collect()
}
