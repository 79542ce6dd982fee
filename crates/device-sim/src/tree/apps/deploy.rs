//! What Windows decides when packages are there: which one, with what, and whether at all.

use super::{Apps, InstalledPackage, NO_ENTITLEMENT, Scope, World, payload::AppSource, slots::Job};
use crate::{
    Rule, StorePackage,
    appx::{Manifest, PackageFile, family_name, runs},
};
use qm_core::{Architecture, HResult, Sha256, Version};

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: HResult,
    /// `LastErrorDesc`.
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(code: HResult, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl Apps {
    /// Deploys the first file as the job's app, the others as its frameworks.
    pub(super) fn deploy(
        &mut self,
        job: &Job,
        files: Vec<PackageFile>,
        world: &mut World<'_>,
    ) -> Result<(), Failure> {
        let mut files = files.into_iter();
        let Some(app) = files.next() else {
            return Err(Failure::new(OPEN_FAILED, "There is no package."));
        };
        let family = app.identity.family_name();
        let same = family.eq_ignore_ascii_case(&job.family);
        if !world.watch.check(same, Rule::Payload, || {
            format!("the slot `{}` is given `{family}`", job.family)
        }) {
            return Err(Failure::new(
                INVALID_PACKAGE,
                "The package belongs to another family.",
            ));
        }
        let licensed = needs_license(&family, world);
        if licensed && self.lacks_license(job.scope, &family, world) {
            return Err(Failure::new(
                NO_ENTITLEMENT,
                "There is no license for this package.",
            ));
        }
        if self.sideloading_forbidden && !licensed {
            return Err(Failure::new(
                POLICY_FAILURE,
                "Sideloading is not allowed on this device.",
            ));
        }
        let main = choose(&app, world)?;
        self.check_version(job.scope, &app)?;
        let frameworks: Vec<PackageFile> = files.collect();
        self.resolve(&main, &frameworks, world)?;
        let source = if licensed {
            AppSource::AppStore
        } else {
            AppSource::NonStore
        };
        self.put_files(job.scope, source, &app, &main, &frameworks, world);
        Ok(())
    }

    /// Whether an app that needs a license has none in this scope.
    pub(super) fn lacks_license(&self, scope: Scope, family: &str, world: &World<'_>) -> bool {
        needs_license(family, world) && !self.is_licensed(scope, family)
    }

    /// What the Store installs needs no word from us: its frameworks come along.
    pub(super) fn put_store_package(&mut self, family: &str, package: &StorePackage, world: &World<'_>) {
        let (name, id) = family.split_once('_').unwrap_or((family, ""));
        let architecture = world.options.architecture;
        self.forget(Scope::User, family);
        let mut rows = vec![(architecture, "")];
        if package.bundle {
            rows.push((Architecture::Neutral, "~"));
        }
        for (architecture, resource_id) in rows {
            let full_name = format!("{name}_{}_{architecture}_{resource_id}_{id}", package.version);
            self.packages.push(InstalledPackage {
                family_name: family.to_owned(),
                full_name,
                name: name.to_owned(),
                publisher: package.publisher.clone(),
                version: package.version,
                architecture,
                resource_id: resource_id.to_owned(),
                framework: false,
                source: AppSource::AppStore,
                provisioned: false,
                user: true,
                installed_at: world.options.clock.now(),
                sha256: None,
            });
        }
    }

    /// A newer version stays; the same version has to be the same file.
    fn check_version(&self, scope: Scope, app: &PackageFile) -> Result<(), Failure> {
        let (family, bundle) = (app.identity.family_name(), app.members.is_some());
        let present = self.packages.iter().find(|package| {
            package.present(scope) && package.family_name == family && package.is_bundle() == bundle
        });
        let Some(present) = present else { return Ok(()) };
        if present.version > app.identity.version {
            return Err(Failure::new(
                DOWNGRADE,
                format!("Version {} is installed already.", present.version),
            ));
        }
        let other = present.sha256.is_some_and(|sha256| sha256 != app.sha256);
        if present.version == app.identity.version && other {
            return Err(Failure::new(
                ALREADY_EXISTS,
                "Another package of the same version is installed.",
            ));
        }
        Ok(())
    }

    /// Every framework, also those of frameworks, sent along or there already, for the app's architecture.
    fn resolve(&self, main: &Manifest, frameworks: &[PackageFile], world: &World<'_>) -> Result<(), Failure> {
        let device = runs(world.options.architecture, world.options.os_version);
        for framework in frameworks {
            let identity = &framework.identity;
            if !device.contains(&identity.architecture) {
                return Err(Failure::new(
                    WRONG_ARCHITECTURE,
                    format!("{} does not run here.", identity.full_name()),
                ));
            }
        }
        let architecture = match main.architecture {
            Architecture::Neutral => world.options.architecture,
            chosen => chosen,
        };
        let mut open: Vec<_> = main.dependencies.iter().collect();
        let mut seen = Vec::new();
        while let Some(need) = open.pop() {
            if seen.contains(&need) {
                continue;
            }
            let family = family_name(&need.name, &need.publisher);
            let serves = |version: Version, own: Architecture| {
                version >= need.min_version && (own == architecture || own == Architecture::Neutral)
            };
            let sent = frameworks.iter().map(|file| &file.identity).find(|identity| {
                identity.framework
                    && identity.family_name() == family
                    && serves(identity.version, identity.architecture)
            });
            let present = self
                .packages
                .iter()
                .any(|p| p.framework && p.family_name == family && serves(p.version, p.architecture));
            if sent.is_none() && !present {
                return Err(missing(&need.name, need.min_version, architecture));
            }
            seen.push(need);
            open.extend(sent.into_iter().flat_map(|identity| &identity.dependencies));
        }
        Ok(())
    }

    fn put_files(
        &mut self,
        scope: Scope,
        source: AppSource,
        app: &PackageFile,
        main: &Manifest,
        frameworks: &[PackageFile],
        world: &World<'_>,
    ) {
        self.forget(scope, &app.identity.family_name());
        self.put(scope, source, &app.identity, app.sha256, world);
        if app.members.is_some() {
            self.put(scope, source, main, app.sha256, world);
        }
        for framework in frameworks {
            self.put(
                scope,
                AppSource::AppStore,
                &framework.identity,
                framework.sha256,
                world,
            );
        }
    }

    fn put(
        &mut self,
        scope: Scope,
        source: AppSource,
        identity: &Manifest,
        sha256: Sha256,
        world: &World<'_>,
    ) {
        let full_name = identity.full_name();
        let (provisioned, user) = (scope == Scope::Device, scope == Scope::User);
        if let Some(present) = self
            .packages
            .iter_mut()
            .find(|package| package.full_name == full_name)
        {
            present.provisioned |= provisioned;
            present.user |= user;
            return;
        }
        self.packages.push(InstalledPackage {
            family_name: identity.family_name(),
            full_name,
            name: identity.name.clone(),
            publisher: identity.publisher.clone(),
            version: identity.version,
            architecture: identity.architecture,
            resource_id: identity.resource_id.clone(),
            framework: identity.framework,
            source,
            provisioned,
            user,
            installed_at: world.options.clock.now(),
            sha256: Some(sha256),
        });
    }

    /// Takes a family's packages out of a scope; what no scope holds is gone.
    pub(super) fn forget(&mut self, scope: Scope, family: &str) {
        for package in self
            .packages
            .iter_mut()
            .filter(|package| package.family_name.eq_ignore_ascii_case(family))
        {
            match scope {
                Scope::Device => package.provisioned = false,
                Scope::User => package.user = false,
            }
        }
        self.packages
            .retain(|package| package.provisioned || package.user);
    }
}

/// Only the policy knows which apps are licensed; without one no app is.
fn needs_license(family: &str, world: &World<'_>) -> bool {
    world
        .options
        .licenses
        .as_ref()
        .is_some_and(|policy| policy.needs_license(family))
}

/// The package that this device takes: of a bundle the best architecture.
fn choose(app: &PackageFile, world: &World<'_>) -> Result<Manifest, Failure> {
    let own = [app.identity.clone()];
    let offered = app.members.as_deref().unwrap_or(&own);
    let runs = runs(world.options.architecture, world.options.os_version);
    let rank = |manifest: &Manifest| runs.iter().position(|runs| *runs == manifest.architecture);
    let best = offered
        .iter()
        .filter_map(|manifest| Some((rank(manifest)?, manifest)))
        .min_by_key(|(rank, _)| *rank);
    let Some((_, best)) = best else {
        return Err(Failure::new(
            WRONG_ARCHITECTURE,
            "The package is for another processor architecture.",
        ));
    };
    let applies = best.families.is_empty()
        || best.families.iter().any(|(family, min_version)| {
            matches!(family.as_str(), "Windows.Universal" | "Windows.Desktop")
                && *min_version <= world.options.os_version
        });
    if applies {
        Ok(best.clone())
    } else {
        Err(Failure::new(
            PREREQUISITE,
            "The package needs a newer or another Windows.",
        ))
    }
}

fn missing(name: &str, min_version: Version, architecture: Architecture) -> Failure {
    let text = format!(
        "Provide the framework \"{name}\" with neutral or {architecture} processor architecture and minimum version \
         {min_version}, along with this package to install."
    );
    Failure::new(RESOLVE_DEPENDENCY, text)
}

const OPEN_FAILED: HResult = HResult(0x8007_3CF0);
const INVALID_PACKAGE: HResult = HResult(0x8007_3CF2);
const RESOLVE_DEPENDENCY: HResult = HResult(0x8007_3CF3);
const ALREADY_EXISTS: HResult = HResult(0x8007_3CFB);
const PREREQUISITE: HResult = HResult(0x8007_3CFD);
const POLICY_FAILURE: HResult = HResult(0x8007_3CFF);
const DOWNGRADE: HResult = HResult(0x8007_3D06);
const WRONG_ARCHITECTURE: HResult = HResult(0x8007_3D10);
