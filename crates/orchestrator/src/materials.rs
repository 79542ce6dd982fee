//! What install commands are made of: the chosen package, its frameworks by signed links, the license.

use crate::Orchestrator;
use qm_core::{
    AppId, Architecture, Secret, Sha256, Timestamp,
    app::{App, AppSource, LicenseKind, OfflineLicense, Package},
    deployment::{Context, Intent, Target},
    device::{Device, InstalledApp},
};
use qm_csp::app_management::{HostedInstall, Source};
use qm_db::{Conn, DbError, apps, device_apps, licenses, packages};
use qm_engine::{
    applicability::{Choice, DeviceProfile, choose},
    deployment::{Delivery, Materials},
};
use std::collections::{HashMap, hash_map::Entry};

/// Apps and packages read once for a piece of work.
#[derive(Default)]
pub struct Catalogue {
    apps: HashMap<AppId, Option<App>>,
    packages: HashMap<AppId, Vec<Package>>,
    licenses: HashMap<AppId, Vec<OfflineLicense>>,
}

impl Catalogue {
    /// An app.
    pub async fn app(&mut self, conn: &mut Conn, id: AppId) -> Result<Option<App>, DbError> {
        if let Some(known) = self.apps.get(&id) {
            return Ok(known.clone());
        }
        let app = apps::find(conn, id).await?;
        self.apps.insert(id, app.clone());
        Ok(app)
    }

    /// The packages of an app, frameworks included.
    pub async fn packages(&mut self, conn: &mut Conn, id: AppId) -> Result<&[Package], DbError> {
        Ok(match self.packages.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(packages::list_for_app(conn, id).await?),
        })
    }

    /// The offline licenses of an app.
    pub async fn licenses(&mut self, conn: &mut Conn, id: AppId) -> Result<&[OfflineLicense], DbError> {
        Ok(match self.licenses.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(licenses::list_for_app(conn, id).await?),
        })
    }

    /// For a plan: what a deployment would fetch first is taken as if it were here. Its links lead nowhere, its licenses are
    /// blank.
    pub async fn assume_content(&mut self, conn: &mut Conn, app: &App) -> Result<(), DbError> {
        let mut packages = self.packages(conn, app.id).await?.to_vec();
        let mut licenses = self.licenses(conn, app.id).await?.to_vec();
        for package in &mut packages {
            package.sha256.get_or_insert(Sha256([0; 32]));
            let Some(content_id) = package.content_id.clone() else {
                continue;
            };
            if license_for(package, &licenses).is_none() {
                licenses.push(OfflineLicense {
                    app_id: app.id,
                    content_id,
                    instance_id: None,
                    blob: Secret::new(String::new()),
                    fetched_at: app.updated_at,
                });
            }
        }
        self.packages.insert(app.id, packages);
        self.licenses.insert(app.id, licenses);
        Ok(())
    }

    /// The package that was chosen for a target; none for installs by the Store, which chooses itself.
    pub async fn package(&mut self, conn: &mut Conn, target: &Target) -> Result<Option<Package>, DbError> {
        let Some(id) = target.package_id else {
            return Ok(None);
        };
        Ok(self
            .packages(conn, target.app_id)
            .await?
            .iter()
            .find(|package| package.id == id)
            .cloned())
    }
}

/// What is known of a device for the choice of packages; `None` until its architecture was read.
pub fn profile(device: &Device) -> Option<DeviceProfile> {
    Some(DeviceProfile {
        architecture: device.architecture?,
        os_version: device.os_version,
    })
}

/// The license that a package needs: for its content id, else the app's only one.
pub fn license_for<'a>(package: &Package, licenses: &'a [OfflineLicense]) -> Option<&'a OfflineLicense> {
    let matching = |l: &&OfflineLicense| {
        package
            .content_id
            .as_ref()
            .is_some_and(|id| l.content_id.eq_ignore_ascii_case(id))
    };
    let only = match (licenses, &package.content_id) {
        ([only], None) => Some(only),
        _ => None,
    };
    licenses.iter().find(matching).or(only)
}

impl Orchestrator {
    /// The materials of a target's next step, or `None` where something is missing that was there before.
    pub(crate) async fn materials(
        &self,
        conn: &mut Conn,
        catalogue: &mut Catalogue,
        device: &Device,
        target: &Target,
    ) -> Result<Option<Materials>, DbError> {
        let Some(app) = catalogue.app(conn, target.app_id).await? else {
            return Ok(None);
        };
        let Some(family_name) = app.package_family_name.clone() else {
            return Ok(None);
        };
        let source = if target.intent == Intent::Uninstall {
            origin(&app, &family_name, &device_apps::all(conn, device.id).await?)
        } else {
            default_origin(&app)
        };
        let delivery = match app.license {
            LicenseKind::Online => store_delivery(&app),
            LicenseKind::Offline | LicenseKind::None => {
                self.hosted(conn, catalogue, &app, device, target).await?
            }
        };
        Ok(delivery.map(|delivery| Materials {
            slot_left: false,
            family_name,
            source,
            delivery,
        }))
    }

    async fn hosted(
        &self,
        conn: &mut Conn,
        catalogue: &mut Catalogue,
        app: &App,
        device: &Device,
        target: &Target,
    ) -> Result<Option<Delivery>, DbError> {
        if target.intent == Intent::Uninstall {
            return Ok(Some(Delivery::Hosted {
                install: HostedInstall::default(),
                license: None,
            }));
        }
        let licenses = catalogue.licenses(conn, app.id).await?.to_vec();
        let packages = catalogue.packages(conn, app.id).await?;
        let Some(choice) = choice_for(packages, device, target) else {
            return Ok(None);
        };
        let Some(install) = self.hosted_install(&choice, target.context, device, self.clock.now()) else {
            return Ok(None);
        };
        let license = license_for(choice.package, &licenses).map(|l| (l.content_id.clone(), l.blob.clone()));
        if app.license == LicenseKind::Offline && license.is_none() {
            return Ok(None);
        }
        Ok(Some(Delivery::Hosted { install, license }))
    }

    /// Links to the package and its frameworks, or `None` while one of them is not in the content store.
    fn hosted_install(
        &self,
        choice: &Choice<'_>,
        context: Context,
        device: &Device,
        now: Timestamp,
    ) -> Option<HostedInstall> {
        let dependencies: Option<Vec<_>> = choice
            .frameworks
            .iter()
            .map(|p| self.package_link(p, now))
            .collect();
        Some(HostedInstall {
            package_uri: self.package_link(choice.package, now)?,
            dependencies: dependencies?,
            validate_dependencies: context == Context::Device
                && device.os_version.is_some_and(|v| v.build() >= 19041),
            ..HostedInstall::default()
        })
    }

    fn package_link(&self, package: &Package, now: Timestamp) -> Option<String> {
        let link = self.links.link(
            &package.sha256?,
            &package.file_name,
            now + self.settings.link_life,
        );
        Some(format!("{}{link}", self.settings.enrollment_url))
    }
}

/// The package chosen when the target was prepared, with the frameworks for this device.
fn choice_for<'a>(packages: &'a [Package], device: &Device, target: &Target) -> Option<Choice<'a>> {
    let profile = profile(device)?;
    let wanted = target.package_id;
    let only: Vec<Package> = packages
        .iter()
        .filter(|p| wanted.is_none_or(|id| p.id == id) || p.role == qm_core::app::PackageRole::Framework)
        .cloned()
        .collect();
    let chosen = choose(&only, profile).ok()?;
    let by_id = |id| packages.iter().find(|p| p.id == id);
    Some(Choice {
        package: by_id(chosen.package.id)?,
        architecture: chosen.architecture,
        frameworks: chosen.frameworks.iter().filter_map(|f| by_id(f.id)).collect(),
    })
}

fn store_delivery(app: &App) -> Option<Delivery> {
    let (product_id, sku_id) = app.product_id.clone().zip(app.sku_id.clone())?;
    Some(Delivery::Store { product_id, sku_id })
}

/// Where the inventory shows the app, else where it belongs by its signature.
fn origin(app: &App, family_name: &str, installed: &[InstalledApp]) -> Source {
    let seen = installed
        .iter()
        .find(|a| a.package_family_name.eq_ignore_ascii_case(family_name));
    seen.and_then(|a| a.source.as_deref())
        .and_then(Source::parse)
        .unwrap_or_else(|| default_origin(app))
}

/// Store-signed apps are `AppStore` however they were delivered; an uploaded one with a license is one of those.
fn default_origin(app: &App) -> Source {
    if app.source == AppSource::Store || app.license == LicenseKind::Offline {
        Source::AppStore
    } else {
        Source::NonStore
    }
}

/// The architecture that a plan assumes for devices whose inventory was not read yet.
pub const ASSUMED: Architecture = Architecture::X64;
