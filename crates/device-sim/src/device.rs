//! A simulated device: enrollment, sessions, and the time in between.

mod line;

use crate::{
    Ended, InstalledPackage, Quirk, SessionReport, SimError, Trigger, Violation,
    account::{Account, Identity},
    download,
    enroll::{self, Hardware},
    http::{self, Answer},
    options::DeviceOptions,
    session::{Context, Next, Opening, PendingAlert, Session},
    tree::{
        Login, Tree, World,
        apps::{Download, Fetched, HostedApplication, Job},
    },
    violation::Watch,
};
use line::Line;
use qm_core::HResult;
use reqwest::Client;

pub(crate) use line::{Head, MAX_MESSAGE};

/// A Windows device.
#[derive(Debug)]
pub struct Device {
    options: DeviceOptions,
    hardware: Hardware,
    enrolled: Option<Enrolled>,
    sessions: u32,
    /// Alerts that wait for a session; the flag holds them back once.
    waiting: Vec<(PendingAlert, bool)>,
    downloads: Vec<Download>,
    watch: Watch,
}

#[derive(Debug)]
struct Enrolled {
    account: Account,
    tree: Tree,
}

impl Device {
    /// A device fresh from its box.
    pub fn new(options: DeviceOptions) -> Self {
        let rng = &options.rng;
        let hardware = Hardware {
            device_id: hex::encode_upper(rng.bytes::<16>()),
            hardware_id: options
                .hardware_id
                .clone()
                .unwrap_or_else(|| hex::encode_upper(rng.bytes::<32>())),
        };
        Self {
            options,
            hardware,
            enrolled: None,
            sessions: 0,
            waiting: Vec::new(),
            downloads: Vec::new(),
            watch: Watch::default(),
        }
    }

    /// Enrolls. The violations that did not stop it are in [`Device::violations`].
    pub async fn enroll(&mut self) -> Result<(), SimError> {
        if self.enrolled.is_some() {
            return Err(SimError::AlreadyEnrolled);
        }
        let account = enroll::enroll(&self.options, &self.hardware, &mut self.watch).await?;
        let tree = Tree::new(&self.options, &self.hardware, &account);
        self.enrolled = Some(Enrolled { account, tree });
        self.sessions = 0;
        Ok(())
    }

    /// Calls in and does what the server says, until it says no more; then time passes ([`Device::tick`]).
    pub async fn session(&mut self, trigger: Trigger) -> Result<SessionReport, SimError> {
        let alerts = self.due_alerts();
        let report = self.converse(trigger, alerts).await?;
        if report.ended == Ended::Unenrolled {
            // The server's order ends every session; a fresh one tells that the device has left.
            self.converse(Trigger::Alert, vec![PendingAlert::unenroll()])
                .await
                .ok();
            self.leave();
        } else {
            self.tick().await?;
        }
        Ok(report)
    }

    /// Leaves by the user's wish: one session with the alert, and gone, whatever the server says.
    pub async fn unenroll(&mut self) -> Result<SessionReport, SimError> {
        let mut alerts = self.due_alerts();
        alerts.push(PendingAlert::unenroll());
        let report = self.converse(Trigger::User, alerts).await;
        self.leave();
        report.map(|report| SessionReport {
            ended: Ended::Unenrolled,
            ..report
        })
    }

    /// Lets time pass: jobs go on, packages are fetched and deployed.
    pub async fn tick(&mut self) -> Result<(), SimError> {
        let Some(Enrolled { tree, .. }) = &mut self.enrolled else {
            return Err(SimError::NotEnrolled);
        };
        let signed_in = tree.login() == Login::User;
        self.watch.during("between sessions");
        let jobs = tree.apps.tick(
            signed_in,
            &mut World {
                options: &self.options,
                watch: &mut self.watch,
            },
        );
        if !jobs.is_empty() {
            let client = http::client(&self.options, None)?;
            for job in jobs {
                self.install(&client, &job).await;
            }
        }
        self.collect_alerts();
        Ok(())
    }

    /// Somebody signs in or out.
    pub fn sign_in(&mut self, login: Login) {
        if let Some(Enrolled { tree, .. }) = &mut self.enrolled {
            tree.set_login(login);
        }
    }

    /// Makes the next installation or removal of a family fail.
    pub fn fail_next(&mut self, family_name: &str, code: HResult) {
        if let Some(Enrolled { tree, .. }) = &mut self.enrolled {
            tree.apps.script_failure(family_name, code);
        }
    }

    /// Changes how the device misbehaves.
    pub fn set_quirks(&mut self, quirks: impl Into<crate::Quirks>) {
        self.options.quirks = quirks.into();
    }

    /// Changes how often a message or download is sent again where its connection fails.
    pub fn set_patience(&mut self, patience: u32) {
        self.options.patience = patience;
    }

    /// Every `Exec` that reached the device, in order: node and data.
    pub fn execs(&self) -> &[(String, String)] {
        self.watch.execs()
    }

    /// What the server did wrong so far.
    pub fn violations(&self) -> &[Violation] {
        self.watch.found()
    }

    /// The device's name for itself in sessions.
    pub fn device_id(&self) -> &str {
        &self.hardware.device_id
    }
    /// `HWDevID`.
    pub fn hardware_id(&self) -> &str {
        &self.hardware.hardware_id
    }
    /// What it was made from.
    pub fn options(&self) -> &DeviceOptions {
        &self.options
    }
    /// Whether it is enrolled.
    pub fn is_enrolled(&self) -> bool {
        self.enrolled.is_some()
    }
    /// `EntDMID`: the server's id of the enrollment.
    pub fn enrollment_id(&self) -> Option<&str> {
        self.enrolled
            .as_ref()
            .map(|enrolled| enrolled.account.ent_dm_id.as_str())
    }
    /// The certificate (DER) and its key (PKCS#8 DER), for tests in which somebody else has got hold of them.
    pub fn identity(&self) -> Option<(&[u8], &qm_core::Secret<Vec<u8>>)> {
        let identity = &self.enrolled.as_ref()?.account.identity;
        Some((&identity.certificate, &identity.key))
    }
    /// SHA-1 of the device's certificate.
    pub fn thumbprint(&self) -> Option<&str> {
        self.enrolled
            .as_ref()
            .map(|enrolled| enrolled.account.identity.thumbprint.as_str())
    }
    /// What is installed, in both scopes.
    pub fn packages(&self) -> &[InstalledPackage] {
        self.enrolled
            .as_ref()
            .map_or(&[], |enrolled| enrolled.tree.apps.packages())
    }
    /// What was fetched for installations.
    pub fn downloads(&self) -> &[Download] {
        &self.downloads
    }
    /// Whether jobs run or alerts wait: a further session would bring news.
    pub fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
            || self
                .enrolled
                .as_ref()
                .is_some_and(|enrolled| enrolled.tree.apps.is_busy())
    }

    /// A session and those that cut into it, whose commands are in its report as well.
    async fn converse(
        &mut self,
        trigger: Trigger,
        alerts: Vec<PendingAlert>,
    ) -> Result<SessionReport, SimError> {
        let before = self.watch.found().len();
        let line = Line::new(&self.options, self.line(trigger)?)?;
        let session_id = self.next_session_id();
        let (mut session, mut bytes) = self.open(&session_id, &alerts)?;
        let mut meanwhile = Vec::new();
        session.report.ended = loop {
            let message = session.message();
            if self.options.quirks.has(&Quirk::Overlap(message)) {
                meanwhile.extend(self.interlude().await?.commands);
            }
            match self.step(&line, &mut session, &bytes).await? {
                Next::Send(next) => bytes = next,
                Next::End(ended) => break ended,
            }
            debug_assert!(session.message() > message, "message numbers rise");
        };
        let mut report = session.report;
        report.commands.extend(meanwhile);
        report.violations = self.watch.found().len() - before;
        tracing::info!(session.id = %report.session_id, session.messages = report.messages, ended = ?report.ended, "session ended");
        Ok(report)
    }

    /// A session without mishaps in the middle of another.
    async fn interlude(&mut self) -> Result<SessionReport, SimError> {
        let quirks = std::mem::take(&mut self.options.quirks);
        let report = Box::pin(self.converse(Trigger::Push, Vec::new())).await;
        self.options.quirks = quirks;
        report
    }

    fn next_session_id(&mut self) -> String {
        self.sessions += 1;
        let number = if self.options.quirks.has(&Quirk::ReuseSessionId) {
            1
        } else {
            self.sessions
        };
        let version = self.enrolled.as_ref().map(|one| one.tree.sync_version());
        session_id(number, version.unwrap_or_default())
    }

    /// Opens a session; the bytes are its first message. Whoever asks carries the messages.
    pub(crate) fn open(
        &self,
        session_id: &str,
        alerts: &[PendingAlert],
    ) -> Result<(Session, Vec<u8>), SimError> {
        let Some(Enrolled { account, tree }) = &self.enrolled else {
            return Err(SimError::NotEnrolled);
        };
        let opening = Opening {
            options: &self.options,
            account,
            tree,
            device_id: &self.hardware.device_id,
            session_id,
        };
        Ok(Session::open(opening, alerts))
    }

    /// Sends a message and takes the answer.
    async fn step(&mut self, line: &Line, session: &mut Session, bytes: &[u8]) -> Result<Next, SimError> {
        match line.send(session, bytes, &self.options, &mut self.watch).await? {
            Some(answer) => self.receive(session, &answer),
            None => Ok(Next::End(Ended::Stopped)),
        }
    }

    /// Takes the answer to the session's last message.
    pub(crate) fn receive(&mut self, session: &mut Session, answer: &Answer) -> Result<Next, SimError> {
        let Some(Enrolled { tree, .. }) = &mut self.enrolled else {
            return Err(SimError::NotEnrolled);
        };
        let mut context = Context {
            options: &self.options,
            tree,
            watch: &mut self.watch,
        };
        Ok(session.receive(answer, &mut context))
    }

    /// Where messages go, what stands above them, and the identity that goes with them.
    pub(crate) fn line(&self, trigger: Trigger) -> Result<(Head, &Identity), SimError> {
        let Some(Enrolled { account, tree }) = &self.enrolled else {
            return Err(SimError::NotEnrolled);
        };
        Ok((Head::new(account, tree, trigger)?, &account.identity))
    }

    /// Fetches what a job needs and hands it over.
    async fn install(&mut self, client: &Client, job: &Job) {
        let Some(application) = job.hosted() else { return };
        self.watch.during(format!("install {}", job.family));
        let fetched = self.fetch_all(client, job, application).await;
        let license = match &application.license {
            Some(url) => download::fetch(client, &job.family, url, self.options.patience, &mut self.watch)
                .await
                .ok(),
            None => None,
        };
        if let Ok(files) = &fetched {
            self.downloads
                .extend(files.iter().map(|file| file.download.clone()));
        }
        if let Some(Enrolled { tree, .. }) = &mut self.enrolled {
            let license = license.as_ref().map(|file| file.bytes.as_ref());
            tree.apps.finish(
                job,
                fetched,
                license,
                &mut World {
                    options: &self.options,
                    watch: &mut self.watch,
                },
            );
        }
    }

    async fn fetch_all(
        &mut self,
        client: &Client,
        job: &Job,
        application: &HostedApplication,
    ) -> Result<Vec<Fetched>, HResult> {
        let mut files = Vec::new();
        for url in std::iter::once(&application.package).chain(&application.dependencies) {
            files.push(
                download::fetch(client, &job.family, url, self.options.patience, &mut self.watch).await?,
            );
        }
        Ok(files)
    }

    fn collect_alerts(&mut self) {
        let Some(Enrolled { tree, .. }) = &mut self.enrolled else {
            return;
        };
        let quirks = &self.options.quirks;
        let late = quirks.has(&Quirk::LateAlerts);
        let alerts = tree.apps.take_alerts();
        if !quirks.has(&Quirk::LoseAlerts) {
            let options = &self.options;
            self.waiting.extend(
                alerts
                    .into_iter()
                    .map(|alert| (PendingAlert::job(alert, options), late)),
            );
        }
    }

    /// The alerts that the next session carries.
    pub(crate) fn due_alerts(&mut self) -> Vec<PendingAlert> {
        let (held, due): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, held)| *held);
        self.waiting = held.into_iter().map(|(alert, _)| (alert, false)).collect();
        let mut due: Vec<_> = due.into_iter().map(|(alert, _)| alert).collect();
        if self.options.quirks.has(&Quirk::ReorderAlerts) {
            due.reverse();
        }
        due
    }

    /// Everything that came from the server goes; the hardware stays.
    fn leave(&mut self) {
        self.enrolled = None;
        self.waiting.clear();
    }
}

/// Decimal at first, two bytes in hexadecimal from `SyncApplicationVersion` 2.0 on.
fn session_id(number: u32, sync_version: u32) -> String {
    if sync_version >= 2 {
        format!("{:X}", number % 0x1_0000)
    } else {
        (number % 10_000).to_string()
    }
}

#[cfg(test)]
mod tests;
