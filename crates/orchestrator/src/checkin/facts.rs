//! What a message taught us, applied to the database within its transaction.

use super::{Incoming, record::learn, unanswered::close};
use crate::{Orchestrator, audit, materials::Catalogue};
use qm_core::{
    CommandId, HResult, Sha256, TargetId, Timestamp,
    command::{CommandResult, CommandState, Verb},
    deployment::{Context, DeploymentState, Intent, Target, TargetState},
    device::{Device, DeviceState, EndReason, InstalledApp},
    job::JobKind,
};
use qm_csp::app_management::AppAlert;
use qm_db::{
    DbError, Tx, certificates, commands, device_apps, devices,
    devices::CheckIn,
    targets::{self, LiveTarget, Moves},
};
use qm_engine::{
    deployment::{Answer, Change, moved, on_alert, on_answer, on_inventory},
    session::{Fact, Purpose, Session, Step, was_done_before},
};
use qm_syncml::StatusCode;

/// One message's visit to the database.
pub struct Visit<'a> {
    pub(super) server: &'a Orchestrator,
    pub(super) now: Timestamp,
    pub(super) device: Device,
    pub(super) session: Session,
    pub(super) live: Vec<LiveTarget>,
    pub(super) catalogue: Catalogue,
    before: Device,
    /// Contexts whose app inventory has come to be wanted.
    wanted: Vec<Context>,
    /// Jobs were enqueued: the worker should look.
    pub jobs: bool,
    /// What is to be counted for deployments.
    pub moves: Moves,
    /// Commands of administrators that have no end yet.
    pub(super) open_commands: i64,
    ended: bool,
}

impl<'a> Visit<'a> {
    /// Reads what the facts may concern.
    pub async fn begin(
        server: &'a Orchestrator,
        tx: &mut Tx,
        found: &CheckIn,
        session: Session,
        incoming: &Incoming,
    ) -> Result<Self, DbError> {
        let live = match found.live_targets {
            0 => Vec::new(),
            _ => targets::live_for_device(tx, found.device.id).await?,
        };
        let mut visit = Self {
            server,
            now: incoming.now,
            device: found.device.clone(),
            before: found.device.clone(),
            session,
            catalogue: Catalogue::default(),
            live,
            wanted: Vec::new(),
            jobs: false,
            moves: Moves::default(),
            open_commands: found.open_commands,
            ended: found.device.state == DeviceState::Ended,
        };
        if visit.device.state == DeviceState::Provisional {
            visit.pin(tx, incoming.message.header.source.trim()).await?;
            visit.promote(tx, &incoming.fingerprint).await?;
        }
        Ok(visit)
    }

    /// What the client calls itself in its first session stays its name.
    async fn pin(&mut self, tx: &mut Tx, source: &str) -> Result<(), DbError> {
        if source.eq_ignore_ascii_case(&self.device.dm_id) {
            return Ok(());
        }
        source.clone_into(&mut self.device.dm_id);
        devices::set_dm_id(tx, self.device.id, source).await
    }

    /// The first session proves that the enrollment works: only now an older one of the same hardware and user ends.
    async fn promote(&mut self, tx: &mut Tx, fingerprint: &Sha256) -> Result<(), DbError> {
        self.device.state = DeviceState::Active;
        devices::set_state(tx, self.device.id, DeviceState::Active).await?;
        certificates::supersede_others(tx, self.device.id, fingerprint).await?;
        if self.device.hardware_id.is_empty() {
            return Ok(());
        }
        let older =
            devices::predecessors(tx, &self.device.hardware_id, &self.device.upn, self.device.id).await?;
        for device in older.iter().filter(|d| d.enrolled_at <= self.device.enrolled_at) {
            self.server
                .end_device(tx, device, EndReason::Superseded, self.now)
                .await?;
            self.jobs = true;
        }
        Ok(())
    }

    /// Applies facts in the order they were learned.
    pub async fn apply(&mut self, tx: &mut Tx, facts: &[Fact]) -> Result<(), DbError> {
        for fact in facts {
            if self.ended {
                break;
            }
            self.apply_one(tx, fact).await?;
        }
        Ok(())
    }

    async fn apply_one(&mut self, tx: &mut Tx, fact: &Fact) -> Result<(), DbError> {
        match fact {
            Fact::SignedIn(_) => Ok(()),
            Fact::Inventory { uri, value } => {
                learn(&mut self.device, uri, value);
                Ok(())
            }
            Fact::InventoryRead => self.inventory_read(tx).await,
            Fact::SettingsApplied { refused } => {
                self.settings_applied(refused);
                Ok(())
            }
            Fact::AppsRead { context, apps } => self.apps_read(tx, *context, apps).await,
            Fact::AppsUnreadable { context } => {
                tracing::warn!(device.id = %self.device.id, %context, "the device did not give its app inventory");
                // Asked again tomorrow, or when a target has to be proved: not in every session.
                device_apps::note_read(tx, self.device.id, &[*context], self.now).await?;
                self.noted_apps(*context);
                Ok(())
            }
            Fact::Custom {
                id,
                done,
                status,
                results,
            } => self.custom_answered(tx, *id, *done, *status, results).await,
            Fact::Target { id, step, answer } => self.step_answered(tx, *id, *step, answer).await,
            Fact::App(alert) => self.app_alert(tx, alert).await,
            Fact::LeftByUser => self.leave(tx).await,
            Fact::UnenrollAnswered { status } => self.unenroll_answered(tx, *status).await,
            Fact::Aborted => self.aborted(tx).await,
            Fact::OtherAlert { code, kind } => {
                tracing::debug!(device.id = %self.device.id, alert.code = code, alert.kind = kind, "alert noted");
                Ok(())
            }
        }
    }

    /// Now the architecture is known: targets that waited for it can be prepared.
    async fn inventory_read(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        self.device.inventory_at = Some(self.now);
        if self.live.is_empty() {
            self.live = targets::live_for_device(tx, self.device.id).await?;
        }
        let planned: Vec<_> = self
            .live
            .iter()
            .filter(|l| l.target.state == TargetState::Planned)
            .map(|l| l.target.app_id)
            .collect();
        for app in planned {
            self.server.enqueue(tx, JobKind::Content, app, self.now).await?;
            self.jobs = true;
        }
        Ok(())
    }

    fn settings_applied(&mut self, refused: &[(String, u16)]) {
        self.device.settings_at = Some(self.now);
        for (uri, status) in refused {
            tracing::info!(device.id = %self.device.id, uri, status, "the device does not take a setting");
        }
    }

    async fn apps_read(
        &mut self,
        tx: &mut Tx,
        context: Context,
        apps: &[InstalledApp],
    ) -> Result<(), DbError> {
        device_apps::replace(tx, self.device.id, &[context], apps, self.now).await?;
        self.noted_apps(context);
        for target in self.targets(|t| t.context == context) {
            let Some(app) = self.catalogue.app(tx, target.app_id).await? else {
                continue;
            };
            let Some(family) = app.package_family_name.clone() else {
                continue;
            };
            let wanted = self.catalogue.package(tx, &target).await?;
            let seen = self.session.seen.get(&target.id).copied();
            let change = on_inventory(&target, apps, &family, wanted.as_ref(), seen, self.now);
            self.change(tx, &target, change).await?;
        }
        Ok(())
    }

    async fn custom_answered(
        &mut self,
        tx: &mut Tx,
        id: CommandId,
        done: bool,
        status: u16,
        results: &[CommandResult],
    ) -> Result<(), DbError> {
        let state = if done || done_by_another(tx, id, status).await? {
            CommandState::Done
        } else {
            CommandState::Failed
        };
        commands::finish(tx, id, state, Some(i64::from(status)), results, self.now)
            .await
            .map(|_| ())
    }

    async fn step_answered(
        &mut self,
        tx: &mut Tx,
        id: TargetId,
        step: Step,
        answer: &Answer,
    ) -> Result<(), DbError> {
        let Some(target) = self.targets(|t| t.id == id).pop() else {
            return Ok(());
        };
        let change = on_answer(&target, step, answer, self.now);
        self.change(tx, &target, change).await
    }

    /// An alert names no job: it is matched by context and family name.
    async fn app_alert(&mut self, tx: &mut Tx, alert: &AppAlert) -> Result<(), DbError> {
        let (context, family, result, removal) = alert_parts(alert);
        self.want_apps();
        for target in self.targets(|t| t.context == context && (t.intent == Intent::Uninstall) == removal) {
            let app = self.catalogue.app(tx, target.app_id).await?;
            let same = app
                .and_then(|a| a.package_family_name)
                .is_some_and(|f| f.eq_ignore_ascii_case(family));
            if same {
                let change = on_alert(&target, result, self.now);
                self.change(tx, &target, change).await?;
            }
        }
        Ok(())
    }

    async fn leave(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        let reason = if self.device.state == DeviceState::Leaving {
            EndReason::Server
        } else {
            EndReason::User
        };
        self.end(tx, reason).await
    }

    /// Most devices leave without a word and report it by an alert of their next session; some answer first.
    async fn unenroll_answered(&mut self, tx: &mut Tx, status: u16) -> Result<(), DbError> {
        if StatusCode(status).is_success() {
            return self.end(tx, EndReason::Server).await;
        }
        tracing::warn!(device.id = %self.device.id, status, "the device refuses to leave");
        Ok(())
    }

    async fn end(&mut self, tx: &mut Tx, reason: EndReason) -> Result<(), DbError> {
        self.server.end_device(tx, &self.device, reason, self.now).await?;
        let detail = serde_json::json!({ "reason": reason });
        let id = self.device.id;
        audit::record_device(tx, self.now, &self.server.rng, id, "device.leave", id, detail).await?;
        self.device.state = DeviceState::Ended;
        self.ended = true;
        self.jobs = true;
        self.live.clear();
        Ok(())
    }

    /// What was not answered before the abort is sent again, but for what must not run twice.
    async fn aborted(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        let unanswered = std::mem::take(&mut self.session.sent);
        close(tx, &unanswered, self.now).await
    }

    /// Stores what an event changed about a target.
    async fn change(&mut self, tx: &mut Tx, target: &Target, change: Change) -> Result<(), DbError> {
        if change.verify() {
            self.want_apps();
        }
        if let Some(sight) = change.seen {
            self.session.seen.insert(target.id, sight);
        }
        let Some(after) = change.target else { return Ok(()) };
        let stored = targets::store_many(tx, &[(&after, target.state)], &mut self.moves).await?;
        if stored.is_empty() {
            return Ok(());
        }
        tracing::info!(target.id = %after.id, target.state = %after.state, "target moved");
        if after.state.is_final() {
            self.finished(tx, &after).await?;
        }
        if let Some(live) = self.live.iter_mut().find(|live| live.target.id == after.id) {
            live.target = after;
        }
        self.live.retain(|live| !live.target.state.is_final());
        Ok(())
    }

    async fn finished(&mut self, tx: &mut Tx, target: &Target) -> Result<(), DbError> {
        self.jobs |= self.server.settle_seat(tx, target, self.now).await?;
        if target.state == TargetState::Failed {
            self.want_apps();
        }
        Ok(())
    }

    /// The seat was lost after the target was queued: nothing is installed without one.
    pub(super) async fn wait_for_seat(&mut self, tx: &mut Tx, target: &Target) -> Result<(), DbError> {
        let Some(waiting) = moved(target, TargetState::AwaitingSeat, self.now) else {
            return Ok(());
        };
        self.server
            .claim_seats(tx, std::slice::from_ref(&waiting), self.now)
            .await?;
        self.server
            .enqueue(tx, JobKind::Seats, target.app_id, self.now)
            .await?;
        self.jobs = true;
        self.change(
            tx,
            target,
            Change {
                target: Some(waiting),
                ..Change::default()
            },
        )
        .await
    }

    /// The live targets that a condition holds for.
    fn targets(&self, condition: impl Fn(&Target) -> bool) -> Vec<Target> {
        self.live
            .iter()
            .map(|live| &live.target)
            .filter(|t| condition(t))
            .cloned()
            .collect()
    }

    /// Marks the targets whose install or removal leaves with the reply; a removal that is sent again is counted.
    pub(super) async fn mark_targets_sent(&mut self, tx: &mut Tx, told: &[Purpose]) -> Result<(), DbError> {
        for purpose in told {
            let Purpose::Target {
                id,
                step: Step::Install | Step::Remove,
            } = purpose
            else {
                continue;
            };
            let Some(target) = self.targets(|t| t.id == *id).pop() else {
                continue;
            };
            let sent = moved(&target, TargetState::Sent, self.now).unwrap_or_else(|| target.clone());
            let sent = Target {
                attempts: target.attempts + 1,
                updated_at: self.now,
                ..sent
            };
            self.change(
                tx,
                &target,
                Change {
                    target: Some(sent),
                    ..Change::default()
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Stores what changed about the device itself.
    pub async fn finish(&mut self, tx: &mut Tx) -> Result<(), DbError> {
        if self.ended || self.device == self.before {
            return Ok(());
        }
        devices::update_inventory(tx, &self.device).await?;
        if !self.wanted.is_empty() {
            devices::want_apps(tx, &[self.device.id], &self.wanted).await?;
        }
        Ok(())
    }

    fn noted_apps(&mut self, context: Context) {
        match context {
            Context::Device => {
                self.device.apps_read_at = Some(self.now);
                self.device.apps_due = false;
            }
            Context::User => self.device.user_apps_read_at = Some(self.now),
        }
        self.wanted.retain(|wanted| *wanted != context);
    }

    /// Only the app inventory proves what an alert or a slot has told.
    pub(super) fn want_apps(&mut self) {
        self.device.apps_due = true;
        self.device.user_apps_read_at = None;
        self.wanted = vec![Context::Device, Context::User];
    }

    /// Whether new commands of a live target may leave.
    pub(super) fn held(live: &LiveTarget) -> bool {
        live.deployment == DeploymentState::Paused
    }
}

fn alert_parts(alert: &AppAlert) -> (Context, &str, HResult, bool) {
    match alert {
        AppAlert::Installed {
            context,
            family_name,
            result,
        } => (*context, family_name, *result, false),
        AppAlert::Uninstalled {
            context,
            family_name,
            result,
        } => (*context, family_name, *result, true),
    }
}

/// Whether another session sent the command as well and the device refuses it as done: sessions that overlap may be
/// carried out in another order than they were begun in.
async fn done_by_another(tx: &mut Tx, id: CommandId, status: u16) -> Result<bool, DbError> {
    if ![Verb::Add, Verb::Delete]
        .iter()
        .any(|verb| was_done_before(*verb, status))
    {
        return Ok(false);
    }
    let command = commands::find(tx, id).await?;
    Ok(command.is_some_and(|command| command.attempts > 1 && was_done_before(command.verb, status)))
}
