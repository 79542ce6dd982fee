//! `EnterpriseModernAppManagement`: job slots, installed packages, licenses; both scopes.
//!
//! A command only starts work; the work is done by [`Apps::tick`] and [`Apps::finish`], as time passes. Downloads
//! are the caller's affair.

mod deploy;
mod inventory;
mod licenses;
mod payload;
mod removal;
mod slots;

pub(crate) use payload::{AppSource, HostedApplication};
pub(crate) use slots::{Fetched, Job};

use super::{Call, Outcome, Scope, Value, World, address};
use inventory::Query;
use licenses::License;
use qm_core::{Architecture, HResult, Sha256, Timestamp, Version, command::Verb};
use slots::Slot;
use std::collections::BTreeMap;

/// A package on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// `Name_PublisherId`.
    pub family_name: String,
    /// `Name_Version_Architecture_ResourceId_PublisherId`.
    pub full_name: String,
    /// Identity name.
    pub name: String,
    /// Publisher, verbatim.
    pub publisher: String,
    /// Package version; a bundle has its own.
    pub version: Version,
    /// Processor architecture.
    pub architecture: Architecture,
    /// `~` for a bundle.
    pub resource_id: String,
    /// A framework.
    pub framework: bool,
    /// Under which of `AppStore`, `nonStore`, `System` it is.
    pub(crate) source: AppSource,
    /// Staged for all users.
    pub provisioned: bool,
    /// Registered for the enrolled user.
    pub user: bool,
    /// When it came.
    pub installed_at: Timestamp,
    /// The file it came from, where it was hosted.
    pub sha256: Option<Sha256>,
}

impl InstalledPackage {
    /// `~` marks a bundle.
    pub fn is_bundle(&self) -> bool {
        self.resource_id == "~"
    }

    /// The machine's view holds everything, the user's what is registered for that user.
    fn visible(&self, scope: Scope) -> bool {
        scope == Scope::Device || self.user
    }

    /// Whether it is what this scope installs or removes.
    fn present(&self, scope: Scope) -> bool {
        match scope {
            Scope::Device => self.provisioned,
            Scope::User => self.user,
        }
    }
}

/// A file that was fetched for an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// For which package family.
    pub family_name: String,
    /// From where, without the query (it holds the signature).
    pub url: String,
    /// Of the whole file.
    pub sha256: Sha256,
    /// Bytes.
    pub size: u64,
}

/// Outcome of asynchronous work, to be told with the next session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobAlert {
    pub(crate) source: String,
    pub(crate) kind: &'static str,
    pub(crate) code: HResult,
}

/// The state of the CSP.
#[derive(Debug, Clone)]
pub(crate) struct Apps {
    slots: BTreeMap<(Scope, String), Slot>,
    jobs: Vec<Job>,
    packages: Vec<InstalledPackage>,
    licenses: Vec<License>,
    queries: BTreeMap<Scope, Query>,
    /// `DoNotUpdate` and its like, by scope, family (lower case) and node (lower case).
    settings: BTreeMap<(Scope, String, String), String>,
    failures: Vec<(String, HResult)>,
    alerts: Vec<JobAlert>,
    sideloading_forbidden: bool,
}

impl Apps {
    /// A fresh installation of Windows: one system app.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            slots: BTreeMap::new(),
            jobs: Vec::new(),
            packages: vec![system_app(now)],
            licenses: Vec::new(),
            queries: BTreeMap::new(),
            settings: BTreeMap::new(),
            failures: Vec::new(),
            alerts: Vec::new(),
            sideloading_forbidden: false,
        }
    }

    pub(crate) fn packages(&self) -> &[InstalledPackage] {
        &self.packages
    }

    /// The next job for this family fails with this code.
    pub(crate) fn script_failure(&mut self, family: &str, code: HResult) {
        self.failures.push((family.to_ascii_lowercase(), code));
    }

    /// What has to be told; it is told once.
    pub(crate) fn take_alerts(&mut self) -> Vec<JobAlert> {
        std::mem::take(&mut self.alerts)
    }

    /// Whether work is under way or has something to tell.
    pub(crate) fn is_busy(&self) -> bool {
        !self.jobs.is_empty() || !self.alerts.is_empty()
    }

    /// `AllowAllTrustedApps` = 0.
    pub(crate) fn forbid_sideloading(&mut self, forbidden: bool) {
        self.sideloading_forbidden = forbidden;
    }

    /// Provisioned apps reach the user at sign-in.
    pub(crate) fn register_provisioned(&mut self) {
        for package in self.packages.iter_mut().filter(|package| package.provisioned) {
            package.user = true;
        }
    }

    /// Carries out a call below the CSP's root.
    pub(crate) fn perform(&mut self, call: Call<'_>, names: &[String], world: &mut World<'_>) -> Outcome {
        let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        match lower.as_slice() {
            [] => readable(call, ["AppInstallation", "AppManagement", "AppLicenses"]),
            ["appinstallation", rest @ ..] => self.perform_slot(call, &names[1..], rest, world),
            ["appmanagement", rest @ ..] => self.perform_management(call, &names[1..], rest, world),
            ["applicenses"] => readable(call, ["StoreLicenses"]),
            ["applicenses", "storelicenses", rest @ ..] => {
                self.perform_license(call, &names[2..], rest, world)
            }
            _ => Outcome::NOT_FOUND,
        }
    }

    fn perform_management(
        &mut self,
        call: Call<'_>,
        names: &[String],
        lower: &[&str],
        world: &mut World<'_>,
    ) -> Outcome {
        let scope = call.address.scope;
        match (lower, call.verb) {
            ([], Verb::Get) => self.management_root(call),
            (["appinventoryquery"], Verb::Replace) => self.set_query(call, world),
            (["appinventoryquery"], Verb::Get) => self.query_text(call),
            (["appinventoryresults"], Verb::Get) => {
                Outcome::value(&call.address.text, "xml", self.inventory(scope))
            }
            (["updatescan"], Verb::Exec) => Outcome::OK,
            (["lastscanerror"], Verb::Get) => Outcome::value(&call.address.text, "int", "0"),
            // The description file has it under ./User alone.
            (["removepackage"], Verb::Exec) if scope == Scope::User => self.remove_package(call, world),
            (
                [
                    "appinventoryquery"
                    | "appinventoryresults"
                    | "updatescan"
                    | "lastscanerror"
                    | "removepackage",
                ]
                | [],
                _,
            ) => Outcome::NOT_ALLOWED,
            ([source, rest @ ..], _) => match AppSource::parse(source) {
                Some(source) => self.perform_source(call, source, &names[1..], rest, world),
                None => Outcome::NOT_FOUND,
            },
        }
    }

    fn perform_source(
        &mut self,
        call: Call<'_>,
        source: AppSource,
        names: &[String],
        lower: &[&str],
        world: &World<'_>,
    ) -> Outcome {
        match (lower, call.verb) {
            ([_, setting], _) if APP_SETTINGS.contains(setting) => {
                self.perform_setting(call, source, names, lower)
            }
            (_, Verb::Get) => self.walk(call, source, names),
            ([_] | [_, _], Verb::Delete) => self.delete_app(call, source, names, world),
            _ => Outcome::NOT_ALLOWED,
        }
    }

    /// `DoNotUpdate`, `NonRemovable` and the like.
    fn perform_setting(
        &mut self,
        call: Call<'_>,
        source: AppSource,
        names: &[String],
        lower: &[&str],
    ) -> Outcome {
        let scope = call.address.scope;
        let (family, setting) = (lower[0].to_owned(), lower[1].to_owned());
        if setting == "nonremovable" && (scope == Scope::User || call.verb == Verb::Delete) {
            return Outcome::NOT_ALLOWED;
        }
        if !self
            .packages
            .iter()
            .any(|p| p.source == source && p.family_name.eq_ignore_ascii_case(&names[0]))
        {
            return Outcome::NOT_FOUND;
        }
        let key = (scope, family, setting);
        match (call.verb, self.settings.get(&key)) {
            (Verb::Get, Some(value)) => Outcome::value(&call.address.text, "int", value),
            (Verb::Add, Some(_)) => Outcome::EXISTS,
            (Verb::Delete, Some(_)) => {
                self.settings.remove(&key);
                Outcome::OK
            }
            (Verb::Get | Verb::Delete, None) => Outcome::NOT_FOUND,
            (Verb::Exec, _) => Outcome::NOT_ALLOWED,
            (Verb::Add | Verb::Replace, _) if !matches!(call.data.trim(), "0" | "1") => Outcome::WRONG_FORMAT,
            (Verb::Add | Verb::Replace, _) => {
                self.settings.insert(key, call.data.trim().to_owned());
                Outcome::OK
            }
        }
    }

    fn scripted(&mut self, family: &str) -> Option<HResult> {
        let family = family.to_ascii_lowercase();
        let at = self
            .failures
            .iter()
            .position(|(scripted, _)| *scripted == family)?;
        Some(self.failures.remove(at).1)
    }
}

/// An interior node that can only be read.
fn readable<const N: usize>(call: Call<'_>, children: [&str; N]) -> Outcome {
    match call.verb {
        Verb::Get => Outcome::children(&call.address.text, children),
        _ => Outcome::NOT_ALLOWED,
    }
}

/// The address of a node in this CSP, as the device writes it in alerts.
fn node_uri(scope: Scope, path: &str) -> String {
    let root = match scope {
        Scope::Device => "./Device",
        Scope::User => "./User",
    };
    format!("{root}/Vendor/MSFT/EnterpriseModernAppManagement/{path}")
}

fn leaf(base: &str, name: &str, format: &'static str, data: impl Into<String>) -> Value {
    Value::new(format!("{base}/{}", address::encode(name)), format, data)
}

fn system_app(now: Timestamp) -> InstalledPackage {
    let publisher = "CN=Microsoft Windows, O=Microsoft Corporation, L=Redmond, S=Washington, C=US";
    let name = "Microsoft.Windows.ShellExperienceHost";
    let version = Version([10, 0, 26100, 1]);
    let id = crate::publisher_id(publisher);
    InstalledPackage {
        family_name: format!("{name}_{id}"),
        full_name: format!("{name}_{version}_neutral__{id}"),
        name: name.to_owned(),
        publisher: publisher.to_owned(),
        version,
        architecture: Architecture::Neutral,
        resource_id: String::new(),
        framework: false,
        source: AppSource::System,
        provisioned: true,
        user: true,
        installed_at: now,
        sha256: None,
    }
}

const APP_SETTINGS: &[&str] = &[
    "donotupdate",
    "maintainprocessorarchitectureonupdate",
    "nonremovable",
];
/// The user holds no right to the app: no seat, no license.
const NO_ENTITLEMENT: HResult = HResult(0x803F_8001);
