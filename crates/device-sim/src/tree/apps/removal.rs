//! Uninstalling for a user, unprovisioning for all to come. Both take time and tell how they went.

use super::{
    Apps, Outcome, Scope, World,
    deploy::Failure,
    payload::{self, AppSource},
    slots::{Job, Work},
};
use crate::{Rule, tree::Call};
use qm_core::HResult;

impl Apps {
    /// `Delete AppManagement/{source}/{PFN}[/{PFullN}]`.
    pub(super) fn delete_app(
        &mut self,
        call: Call<'_>,
        source: AppSource,
        names: &[String],
        world: &World<'_>,
    ) -> Outcome {
        let (scope, family) = (call.address.scope, &names[0]);
        let full_name = names.get(1);
        let installed = self.packages.iter().any(|package| {
            package.visible(scope)
                && package.source == source
                && package.family_name.eq_ignore_ascii_case(family)
                && full_name.is_none_or(|name| package.full_name.eq_ignore_ascii_case(name))
        });
        if !installed || call.address.whole {
            return Outcome::NOT_FOUND;
        }
        let work = Work::Remove {
            source,
            full_name: full_name.cloned(),
        };
        self.start_removal(scope, family, work, world);
        Outcome::ACCEPTED
    }

    /// `Exec AppManagement/RemovePackage`.
    pub(super) fn remove_package(&mut self, call: Call<'_>, world: &mut World<'_>) -> Outcome {
        let full_name = match payload::removed_package(call.data) {
            Ok(full_name) => full_name,
            Err(problem) => {
                world
                    .watch
                    .note(Rule::Payload, format!("RemovePackage: {problem}"));
                return Outcome::FAILED;
            }
        };
        let found = self
            .packages
            .iter()
            .find(|package| package.full_name.eq_ignore_ascii_case(&full_name));
        let Some(package) = found else {
            return Outcome::NOT_FOUND;
        };
        let (family, source) = (package.family_name.clone(), package.source);
        self.start_removal(
            call.address.scope,
            &family,
            Work::Remove {
                source,
                full_name: Some(full_name),
            },
            world,
        );
        Outcome::ACCEPTED
    }

    pub(super) fn remove(
        &mut self,
        job: &Job,
        source: AppSource,
        full_name: Option<&str>,
    ) -> Result<(), Failure> {
        if let Some(code) = self.scripted(&job.family) {
            return Err(Failure::new(code, "The removal was made to fail."));
        }
        let family = job.family.to_ascii_lowercase();
        let fixed = self
            .settings
            .get(&(Scope::Device, family, "nonremovable".to_owned()));
        if source == AppSource::System || fixed.is_some_and(|value| value == "1") {
            return Err(Failure::new(REMOVE_FAILED, "The package cannot be removed."));
        }
        let present = self.packages.iter().any(|package| {
            package.present(job.scope) && package.family_name.eq_ignore_ascii_case(&job.family)
        });
        if !present {
            return Err(Failure::new(NOT_INSTALLED, "The package is not installed."));
        }
        match full_name {
            Some(name) if !self.is_app_package(name) => self.forget_package(job.scope, name),
            _ => self.forget(job.scope, &job.family),
        }
        Ok(())
    }

    /// The same removal again changes nothing.
    fn start_removal(&mut self, scope: Scope, family: &str, work: Work, world: &World<'_>) {
        let same =
            |job: &Job| job.scope == scope && job.family.eq_ignore_ascii_case(family) && job.work == work;
        if !self.jobs.iter().any(same) {
            self.jobs.push(Job {
                scope,
                family: family.to_owned(),
                ticks: world.options.install_ticks.max(1),
                work,
            });
        }
    }

    /// A bundle or the package it was the only one of: with it the whole family goes.
    fn is_app_package(&self, full_name: &str) -> bool {
        let named = self
            .packages
            .iter()
            .find(|package| package.full_name.eq_ignore_ascii_case(full_name));
        named.is_some_and(|named| {
            let siblings = self
                .packages
                .iter()
                .filter(|package| package.family_name == named.family_name)
                .count();
            named.is_bundle() || siblings == 1
        })
    }

    fn forget_package(&mut self, scope: Scope, full_name: &str) {
        for package in self
            .packages
            .iter_mut()
            .filter(|package| package.full_name.eq_ignore_ascii_case(full_name))
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

const NOT_INSTALLED: HResult = HResult(0x8007_3CF1);
const REMOVE_FAILED: HResult = HResult(0x8007_3CFA);
