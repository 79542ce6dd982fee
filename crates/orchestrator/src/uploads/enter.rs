//! Enters an accepted upload into the catalogue.

use super::accept::{Accepted, Inspected, download_name};
use crate::{Orchestrator, UseCaseError, access::Caller, audit};
use qm_core::{
    AppId, PackageId, Timestamp,
    app::{App, AppSource, AppState, LicenseKind, OfflineLicense, Package, PackageRole},
};
use qm_db::{Conn, DbError, Tx, apps, licenses, packages, settings};
use qm_package::{Dependency, FullName, PackageKind, license::LicenseFile};
use serde_json::json;

impl Orchestrator {
    /// Stores app, packages, their frameworks and license; the app is the uploaded one of the same family.
    pub(super) async fn enter(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        upload: &Accepted,
    ) -> Result<AppId, UseCaseError> {
        let now = self.clock.now();
        // Uploads go one after the other, so that two first ones of a family do not make two apps.
        settings::set(tx, "lock.app.upload", "").await?;
        let (known, existing) = known(tx, upload).await?;
        refuse_rebuilds(upload, &existing)?;
        let app = self.enter_app(tx, upload, known, &existing, now).await?;
        let content_id = enter_license(tx, &app, upload.license.as_ref(), &existing, now).await?;
        self.enter_packages(tx, &app, upload, &existing, content_id, now)
            .await?;
        audit::record(tx, now, &self.rng, caller, "app.upload", app.id, detail(upload)).await?;
        note(upload, &app);
        Ok(app.id)
    }

    /// Whether it could be entered, asked before its files are stored.
    pub(super) async fn foresee(&self, upload: &Accepted) -> Result<(), UseCaseError> {
        let (_, existing) = known(&mut self.db.read().await?, upload).await?;
        refuse_rebuilds(upload, &existing)
    }

    async fn enter_app(
        &self,
        tx: &mut Tx,
        upload: &Accepted,
        known: Option<App>,
        existing: &[Package],
        now: Timestamp,
    ) -> Result<App, DbError> {
        let Some(known) = known else {
            let app = new_app(AppId::new(now, &self.rng), upload, now);
            apps::insert(tx, &app).await?;
            return Ok(app);
        };
        let version = upload.main.package.identity.version;
        let app = if mains(existing).all(|package| package.version <= version) {
            named(known, upload)
        } else {
            known
        };
        let license = if upload.license.is_some() {
            LicenseKind::Offline
        } else {
            app.license
        };
        let app = App {
            license,
            state: AppState::Available,
            updated_at: now,
            ..app
        };
        apps::update(tx, &app).await?;
        Ok(app)
    }

    async fn enter_packages(
        &self,
        tx: &mut Tx,
        app: &App,
        upload: &Accepted,
        existing: &[Package],
        content_id: Option<String>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let new = |file: &Inspected, role, content_id| {
            package(PackageId::new(now, &self.rng), app.id, file, role, content_id)
        };
        let mut frameworks: Vec<Framework> = existing.iter().filter_map(Framework::stored).collect();
        let mut uploaded = Vec::with_capacity(upload.dependencies.len());
        for file in &upload.dependencies {
            let id = packages::upsert(tx, &new(file, PackageRole::Framework, None)).await?;
            frameworks.retain(|known| known.id != id);
            frameworks.push(Framework::uploaded(id, file));
            uploaded.push((id, file));
        }
        for (id, file) in &uploaded {
            let needs = links(&file.package.dependencies, &frameworks);
            packages::set_frameworks(tx, *id, &closure(needs, &frameworks, Some(*id))).await?;
        }
        let id = packages::upsert(tx, &new(&upload.main, PackageRole::Main, content_id)).await?;
        let mut wanted: Vec<_> = uploaded.iter().map(|(id, _)| *id).collect();
        wanted.extend(
            existing
                .iter()
                .filter(|package| package.id == id)
                .flat_map(|package| &package.frameworks),
        );
        wanted.extend(links(&upload.main.package.dependencies, &frameworks));
        packages::set_frameworks(tx, id, &closure(wanted, &frameworks, None)).await
    }
}

/// The app that the upload belongs to, if it is there, with its packages.
async fn known(conn: &mut Conn, upload: &Accepted) -> Result<(Option<App>, Vec<Package>), DbError> {
    let family = &upload.main.package.family_name;
    let known = apps::find_by_family_name(conn, family, AppSource::Upload).await?;
    let existing = match &known {
        Some(app) => packages::list_for_app(conn, app.id).await?,
        None => Vec::new(),
    };
    Ok((known, existing))
}

/// Devices take the same full name for the same package: another build under it would never reach them.
fn refuse_rebuilds(upload: &Accepted, existing: &[Package]) -> Result<(), UseCaseError> {
    for file in std::iter::once(&upload.main).chain(&upload.dependencies) {
        let full_name = &file.package.full_name;
        let other = |package: &&Package| {
            package.full_name.eq_ignore_ascii_case(full_name)
                && package.sha256.is_some_and(|sha256| sha256 != file.stored.sha256)
        };
        if existing.iter().any(|package| other(&package)) {
            return Err(UseCaseError::Conflict(format!(
                "{}: another file was uploaded as `{full_name}` before; devices could not tell them apart: raise the \
                 package's version",
                file.file_name
            )));
        }
    }
    Ok(())
}

fn new_app(id: AppId, upload: &Accepted, now: Timestamp) -> App {
    let app = App {
        id,
        name: String::new(),
        publisher: None,
        description: None,
        source: AppSource::Upload,
        license: if upload.license.is_some() {
            LicenseKind::Offline
        } else {
            LicenseKind::None
        },
        state: AppState::Available,
        product_id: None,
        sku_id: None,
        package_family_name: Some(upload.main.package.family_name.clone()),
        seats: None,
        icon: None,
        created_at: now,
        updated_at: now,
    };
    named(app, upload)
}

/// The app under the names that the package gives itself.
fn named(app: App, upload: &Accepted) -> App {
    let package = &upload.main.package;
    let name = package.display_name.as_deref().and_then(readable);
    let publisher = package.publisher_display_name.as_deref().and_then(readable);
    App {
        name: name.unwrap_or_else(|| package.identity.name.clone()),
        publisher: publisher.or_else(|| readable(&package.identity.publisher)),
        ..app
    }
}

fn readable(text: &str) -> Option<String> {
    let text: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_NAME)
        .collect();
    Some(text).filter(|text| !text.is_empty())
}

/// Stores the license and gives its content id to the app's packages that have none yet, as one license serves all
/// versions. Without a license in this upload the app's newest one counts.
async fn enter_license(
    tx: &mut Tx,
    app: &App,
    license: Option<&LicenseFile>,
    existing: &[Package],
    now: Timestamp,
) -> Result<Option<String>, DbError> {
    let Some(license) = license else {
        let known = licenses::list_for_app(tx, app.id).await?;
        return Ok(known.into_iter().next().map(|license| license.content_id));
    };
    let row = OfflineLicense {
        app_id: app.id,
        content_id: license.content_id.clone(),
        instance_id: license.instance_id.clone(),
        blob: license.blob.clone(),
        fetched_at: now,
    };
    licenses::upsert(tx, &row).await?;
    for package in mains(existing).filter(|package| package.content_id.is_none()) {
        packages::upsert(
            tx,
            &Package {
                content_id: Some(row.content_id.clone()),
                ..package.clone()
            },
        )
        .await?;
    }
    Ok(Some(row.content_id))
}

fn mains(packages: &[Package]) -> impl Iterator<Item = &Package> {
    packages
        .iter()
        .filter(|package| package.role == PackageRole::Main)
}

fn package(
    id: PackageId,
    app_id: AppId,
    file: &Inspected,
    role: PackageRole,
    content_id: Option<String>,
) -> Package {
    let package = &file.package;
    Package {
        id,
        app_id,
        role,
        store_package_id: None,
        content_id,
        full_name: package.full_name.clone(),
        file_name: download_name(&file.file_name, package),
        version: package.identity.version,
        architectures: package.architectures.clone(),
        bundle: package.kind == PackageKind::Bundle,
        families: package.families.clone(),
        rank: 0,
        size: i64::try_from(file.stored.size).unwrap_or(i64::MAX),
        sha256: Some(file.stored.sha256),
        frameworks: Vec::new(),
    }
}

/// A framework that is at hand for an app.
struct Framework {
    id: PackageId,
    name: FullName,
    /// What it needs itself, as far as that was linked before.
    frameworks: Vec<PackageId>,
    needs: Vec<Dependency>,
}

impl Framework {
    fn stored(package: &Package) -> Option<Self> {
        let name = package.full_name.parse().ok()?;
        let id = package.id;
        let of_app = package.role == PackageRole::Framework;
        of_app.then(|| Self {
            id,
            name,
            frameworks: package.frameworks.clone(),
            needs: Vec::new(),
        })
    }

    fn uploaded(id: PackageId, file: &Inspected) -> Self {
        let name = file.package.identity.full_name();
        Self {
            id,
            name,
            frameworks: Vec::new(),
            needs: file.package.dependencies.clone(),
        }
    }

    fn meets(&self, needed: &Dependency) -> bool {
        let same = match needed.family_name() {
            Some(family) => family.eq_ignore_ascii_case(&self.name.family_name()),
            None => needed.name.eq_ignore_ascii_case(&self.name.name),
        };
        same && needed.min_version <= self.name.version
    }
}

/// The frameworks that meet at least one of the needs, in every architecture there is.
fn links(needs: &[Dependency], frameworks: &[Framework]) -> Vec<PackageId> {
    frameworks
        .iter()
        .filter(|f| needs.iter().any(|needed| f.meets(needed)))
        .map(|f| f.id)
        .collect()
}

/// The wanted frameworks with what they need themselves, each once, without `except`.
fn closure(
    mut wanted: Vec<PackageId>,
    frameworks: &[Framework],
    except: Option<PackageId>,
) -> Vec<PackageId> {
    let mut found: Vec<PackageId> = Vec::new();
    while let Some(id) = wanted.pop() {
        if found.contains(&id) || Some(id) == except {
            continue;
        }
        found.push(id);
        if let Some(framework) = frameworks.iter().find(|f| f.id == id) {
            wanted.extend(&framework.frameworks);
            wanted.extend(links(&framework.needs, frameworks));
        }
    }
    found.sort_unstable();
    found
}

fn detail(upload: &Accepted) -> serde_json::Value {
    let dependencies: Vec<_> = upload
        .dependencies
        .iter()
        .map(|file| &file.package.full_name)
        .collect();
    json!({
        "package": upload.main.package.full_name,
        "sha256": upload.main.stored.sha256,
        "dependencies": dependencies,
        "license": upload.license.is_some(),
    })
}

fn note(upload: &Accepted, app: &App) {
    let package = &upload.main.package;
    tracing::info!(app.id = %app.id, package.full_name, "package uploaded");
    let missing = upload.missing();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        tracing::warn!(app.id = %app.id, package.full_name, missing, "the package depends on packages that were not uploaded with it");
    }
}

/// In characters.
const MAX_NAME: usize = 200;
