//! `AppInstallation`: slots and the jobs in them.

use super::{
    Apps, Download, JobAlert, NO_ENTITLEMENT, Outcome, Scope, Value, World,
    deploy::Failure,
    leaf, node_uri,
    payload::{AppSource, HostedApplication, StoreApplication},
};
use crate::{Rule, Seat, appx::PackageFile, tree::Call};
use qm_core::{HResult, Version, command::Verb};

/// `AppInstallation/{PFN}`.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    /// As the server spelled it.
    family: String,
    status: Status,
    error: Option<HResult>,
    description: Option<String>,
    progress: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Status {
    #[default]
    NotInstalled = 0,
    Installing = 1,
    Failed = 2,
}

/// Work under way.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) scope: Scope,
    pub(crate) family: String,
    pub(super) ticks: u32,
    pub(super) work: Work,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    Store {
        application: StoreApplication,
        entitled: bool,
    },
    Hosted(HostedApplication),
    Remove {
        source: AppSource,
        full_name: Option<String>,
    },
}

/// What a hosted installation fetched.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    pub(crate) download: Download,
    pub(crate) bytes: bytes::Bytes,
}

impl Job {
    /// What has to be fetched, the app's package first.
    pub(crate) fn hosted(&self) -> Option<&HostedApplication> {
        match &self.work {
            Work::Hosted(application) => Some(application),
            _ => None,
        }
    }
}

impl Apps {
    pub(super) fn perform_slot(
        &mut self,
        call: Call<'_>,
        names: &[String],
        lower: &[&str],
        world: &mut World<'_>,
    ) -> Outcome {
        let scope = call.address.scope;
        match lower {
            [] if call.verb != Verb::Get => Outcome::NOT_ALLOWED,
            [] => self.read_slots(call),
            [family] => self.perform_family(call, &names[0], &(scope, (*family).to_owned()), world),
            [family, child] => {
                let key = (scope, (*family).to_owned());
                match (*child, call.verb) {
                    _ if !self.slots.contains_key(&key) => Outcome::NOT_FOUND,
                    ("storeinstall", Verb::Exec) => self.store_install(call, &key, world),
                    ("hostedinstall", Verb::Exec) => self.hosted_install(call, &key, world),
                    ("storeinstall" | "hostedinstall", Verb::Add | Verb::Delete) => Outcome::OK,
                    ("storeinstall" | "hostedinstall", Verb::Get) => {
                        Outcome::value(&call.address.text, "xml", "")
                    }
                    (_, Verb::Get) => self.read_leaf(call, &key, child),
                    _ => Outcome::NOT_ALLOWED,
                }
            }
            _ => Outcome::NOT_FOUND,
        }
    }

    /// Time passes: jobs that are due end. Returned are the hosted ones, which need their packages fetched first.
    pub(crate) fn tick(&mut self, signed_in: bool, world: &mut World<'_>) -> Vec<Job> {
        let mut due = Vec::new();
        // A user's job waits for the user.
        let (moving, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|job| job.scope == Scope::Device || signed_in);
        self.jobs = waiting;
        for mut job in moving {
            job.ticks = job.ticks.saturating_sub(1);
            self.advance(&job);
            if job.ticks > 0 {
                self.jobs.push(job);
            } else {
                due.push(job);
            }
        }
        let mut hosted = Vec::new();
        for job in due {
            let result = match &job.work {
                Work::Hosted(_) => {
                    hosted.push(job);
                    continue;
                }
                Work::Store {
                    application,
                    entitled,
                } => self.install_from_store(&job, application, *entitled, world),
                Work::Remove { source, full_name } => self.remove(&job, *source, full_name.as_deref()),
            };
            self.conclude(&job, result);
        }
        hosted
    }

    /// A hosted job with what was fetched for it, or the code with which fetching failed.
    pub(crate) fn finish(
        &mut self,
        job: &Job,
        fetched: Result<Vec<Fetched>, HResult>,
        license: Option<&[u8]>,
        world: &mut World<'_>,
    ) {
        let result = match self.scripted(&job.family) {
            Some(code) => Err(Failure::new(code, "The installation was made to fail.")),
            None => self.deploy_fetched(job, fetched, license, world),
        };
        self.conclude(job, result);
    }

    fn deploy_fetched(
        &mut self,
        job: &Job,
        fetched: Result<Vec<Fetched>, HResult>,
        license: Option<&[u8]>,
        world: &mut World<'_>,
    ) -> Result<(), Failure> {
        let fetched = fetched.map_err(|code| Failure::new(code, "The package could not be fetched."))?;
        let mut files = Vec::new();
        for file in &fetched {
            files.push(
                PackageFile::read(&file.bytes)
                    .map_err(|code| Failure::new(code, "The package cannot be read."))?,
            );
        }
        if let Some(license) = license {
            self.add_license_file(job.scope, license, world);
        }
        self.deploy(job, files, world)
    }

    fn perform_family(
        &mut self,
        call: Call<'_>,
        family: &str,
        key: &(Scope, String),
        world: &mut World<'_>,
    ) -> Outcome {
        match (call.verb, self.slots.contains_key(key)) {
            (Verb::Add, true) => Outcome::EXISTS,
            (Verb::Add, false) => {
                let named = is_family_name(family);
                if !world.watch.check(named, Rule::Payload, || {
                    format!("`{family}` is no package family name")
                }) {
                    return Outcome::FAILED;
                }
                self.slots.insert(
                    key.clone(),
                    Slot {
                        family: family.to_owned(),
                        ..Slot::default()
                    },
                );
                Outcome::OK
            }
            (_, false) => Outcome::NOT_FOUND,
            (Verb::Get, true) => self.read_slot(call, key),
            (Verb::Delete, true) => {
                self.slots.remove(key);
                self.jobs.retain(|job| !job.is_in(key));
                Outcome::OK
            }
            (Verb::Replace, true) => Outcome::OK,
            (Verb::Exec, true) => Outcome::NOT_ALLOWED,
        }
    }

    fn store_install(&mut self, call: Call<'_>, key: &(Scope, String), world: &mut World<'_>) -> Outcome {
        if key.0 == Scope::Device {
            world.watch.note(Rule::Scope, "StoreInstall in device context");
            return Outcome::NOT_ALLOWED;
        }
        let application = match StoreApplication::read(call.data, &key.1) {
            Ok(application) => application,
            Err(problem) => return refuse(world, problem),
        };
        let seat = Seat {
            upn: &world.options.upn,
            product_id: &application.product_id,
            sku_id: &application.sku_id,
        };
        let entitled = world.options.seats.as_ref().is_none_or(|seats| {
            if application.claims_seat {
                seats.claim_seat(seat)
            } else {
                seats.holds_seat(seat)
            }
        });
        world.watch.check(entitled, Rule::Seat, || {
            format!(
                "{} holds no seat of {} {}",
                seat.upn, seat.product_id, seat.sku_id
            )
        });
        self.start(
            key,
            Work::Store {
                application,
                entitled,
            },
            world,
        )
    }

    fn hosted_install(&mut self, call: Call<'_>, key: &(Scope, String), world: &mut World<'_>) -> Outcome {
        let read = HostedApplication::read(call.data, key.0, world.options.os_version, world.watch);
        let application = match read {
            Ok(application) => application,
            Err(problem) => return refuse(world, problem),
        };
        let family = self.slots[key].family.clone();
        let licensed = application.license.is_some() || !self.lacks_license(key.0, &family, world);
        world.watch.check(licensed, Rule::License, || {
            format!(
                "`{family}` is told to be installed before its license is in {:?} scope",
                key.0
            )
        });
        self.start(key, Work::Hosted(application), world)
    }

    /// One job at a time in a slot: the same command again changes nothing, another one takes over.
    fn start(&mut self, key: &(Scope, String), work: Work, world: &World<'_>) -> Outcome {
        let Some(slot) = self.slots.get_mut(key) else {
            return Outcome::NOT_FOUND;
        };
        if self.jobs.iter().any(|job| job.is_in(key) && job.work == work) {
            return Outcome::ACCEPTED;
        }
        self.jobs.retain(|job| !job.is_in(key));
        *slot = Slot {
            family: std::mem::take(&mut slot.family),
            status: Status::Installing,
            ..Slot::default()
        };
        let family = slot.family.clone();
        self.jobs.push(Job {
            scope: key.0,
            family,
            ticks: world.options.install_ticks.max(1),
            work,
        });
        Outcome::ACCEPTED
    }

    fn advance(&mut self, job: &Job) {
        if let Some(slot) = self.slots.get_mut(&job.key()) {
            // In device context progress is not told.
            slot.progress = if job.scope == Scope::Device {
                0
            } else {
                (slot.progress + 30).min(90)
            };
        }
    }

    fn install_from_store(
        &mut self,
        job: &Job,
        application: &StoreApplication,
        entitled: bool,
        world: &World<'_>,
    ) -> Result<(), Failure> {
        if let Some(code) = self.scripted(&job.family) {
            return Err(Failure::new(code, "The installation was made to fail."));
        }
        if !entitled {
            return Err(Failure::new(NO_ENTITLEMENT, "There is no license for this user."));
        }
        let known = world.options.seats.as_ref();
        let package = known.and_then(|store| store.package(&application.product_id, &application.sku_id));
        let package = package.unwrap_or_else(|| crate::StorePackage {
            version: Version([1, 0, 0, 0]),
            publisher: String::new(),
            bundle: true,
        });
        self.put_store_package(&job.family, &package, world);
        Ok(())
    }

    /// The slot vanishes on success and stays with the error on failure. Only hosted jobs and removals tell.
    fn conclude(&mut self, job: &Job, result: Result<(), Failure>) {
        let code = result.as_ref().err().map_or(HResult::OK, |failure| failure.code);
        match (&job.work, result) {
            (Work::Remove { .. }, _) => {}
            (_, Ok(())) => {
                self.slots.remove(&job.key());
            }
            (_, Err(failure)) => {
                if let Some(slot) = self.slots.get_mut(&job.key()) {
                    slot.status = Status::Failed;
                    slot.error = Some(failure.code);
                    slot.description = Some(failure.text);
                }
            }
        }
        let (path, kind) = match &job.work {
            Work::Store { .. } => return,
            Work::Hosted(_) => (
                format!("AppInstallation/{}/HostedInstall", job.family),
                INSTALL_RESULT,
            ),
            // Without the origin, unlike the command.
            Work::Remove { .. } => (format!("AppManagement/{}", job.family), UNINSTALL_RESULT),
        };
        self.alerts.push(JobAlert {
            source: node_uri(job.scope, &path),
            kind,
            code,
        });
    }

    fn read_slots(&self, call: Call<'_>) -> Outcome {
        let own: Vec<_> = self
            .slots
            .iter()
            .filter(|(key, _)| key.0 == call.address.scope)
            .collect();
        if !call.address.whole {
            return Outcome::children(&call.address.text, own.iter().map(|(_, slot)| &slot.family));
        }
        let values = own
            .iter()
            .flat_map(|(_, slot)| slot.values(&format!("{}/{}", call.address.text, slot.family)));
        Outcome::values(values.collect())
    }

    fn read_slot(&self, call: Call<'_>, key: &(Scope, String)) -> Outcome {
        let values = self.slots[key].values(&call.address.text);
        if call.address.whole {
            return Outcome::values(values);
        }
        let names = values.iter().filter_map(|value| value.uri.rsplit('/').next());
        Outcome::children(&call.address.text, names)
    }

    fn read_leaf(&self, call: Call<'_>, key: &(Scope, String), name: &str) -> Outcome {
        let base = call.address.text.rsplit_once('/').map_or("", |(base, _)| base);
        let values = self.slots[key].values(base).into_iter();
        let wanted = |value: &Value| {
            value
                .uri
                .rsplit('/')
                .next()
                .is_some_and(|leaf| leaf.eq_ignore_ascii_case(name))
        };
        values
            .filter(wanted)
            .map(|value| Outcome::values(vec![value]))
            .next()
            .unwrap_or(Outcome::NOT_FOUND)
    }
}

impl Job {
    fn key(&self) -> (Scope, String) {
        (self.scope, self.family.to_ascii_lowercase())
    }
    /// Whether it is an installation in that slot.
    fn is_in(&self, key: &(Scope, String)) -> bool {
        !matches!(self.work, Work::Remove { .. }) && self.key() == *key
    }
}

impl Slot {
    fn values(&self, base: &str) -> Vec<Value> {
        let signed = self.error.map_or(0, |error| error.0.cast_signed());
        let status = match self.status {
            Status::NotInstalled => "0",
            Status::Installing => "1",
            Status::Failed => "2",
        };
        let mut values = vec![
            leaf(base, "Status", "int", status),
            leaf(base, "LastError", "int", signed.to_string()),
            leaf(base, "ProgressStatus", "int", self.progress.to_string()),
        ];
        values.extend(
            self.description
                .as_ref()
                .map(|text| leaf(base, "LastErrorDesc", "chr", text)),
        );
        values
    }
}

fn refuse(world: &mut World<'_>, problem: String) -> Outcome {
    world.watch.note(Rule::Payload, problem);
    Outcome::FAILED
}

/// `Name_PublisherId`, 64 characters at most.
fn is_family_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    match text.split_once('_') {
        Some((name, id)) => {
            text.len() <= 64 && name.len() >= 3 && name.bytes().all(allowed) && id.len() == 13
        }
        None => false,
    }
}

const INSTALL_RESULT: &str = "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseHostedAppInstall.result";
const UNINSTALL_RESULT: &str = "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseAppUninstall.result";
