//! What is due for a device at this moment.

use super::{facts::Visit, record::MAX_SYNC_VERSION};
use qm_core::{
    Timestamp,
    app::LicenseKind,
    command::Command,
    deployment::{Context, Target},
    device::{Device, DeviceState},
};
use qm_csp::device_management::dmclient_settings;
use qm_db::{DbError, Tx, commands, targets::LiveTarget};
use qm_engine::{
    deployment::{Due, Materials, commands as step_commands, due},
    session::{SUSPECT_ATTEMPTS, Session, Sight, Step, TargetOrder, Work},
};
use std::time::Duration;

/// How old an inventory may become.
const DAY: Duration = Duration::from_hours(24);
/// The most custom commands looked at for one message.
const CUSTOM_LIMIT: u32 = 50;

/// Whether a device needs no housekeeping, and its user none while here.
pub fn nothing_due(device: &Device, session: &Session, now: Timestamp) -> bool {
    device.state == DeviceState::Active
        && device.settings_at.is_some()
        && !is_old(device.inventory_at, now)
        && apps_due(device, session, now).is_empty()
}

/// The contexts whose app inventory is wanted and can be read.
fn apps_due(device: &Device, session: &Session, now: Timestamp) -> Vec<Context> {
    let mut contexts = Vec::new();
    if device.apps_due || is_old(device.apps_read_at, now) {
        contexts.push(Context::Device);
    }
    if session.user_is_here() && is_old(device.user_apps_read_at, now) {
        contexts.push(Context::User);
    }
    contexts
}

fn is_old(at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_none_or(|at| now.is_due(at, DAY))
}

impl Visit<'_> {
    /// Gathers the work: housekeeping, custom commands by age, one step of each live target.
    pub async fn work(&mut self, tx: &mut Tx) -> Result<Work, DbError> {
        match self.device.state {
            DeviceState::Ended => return Ok(Work::default()),
            DeviceState::Leaving => {
                return Ok(Work {
                    unenroll: true,
                    ..Work::default()
                });
            }
            DeviceState::Active | DeviceState::Provisional => {}
        }
        let targets = self.orders(tx).await?;
        Ok(Work {
            unenroll: false,
            inventory: is_old(self.device.inventory_at, self.now),
            settings: self.settings(),
            apps: apps_due(&self.device, &self.session, self.now),
            custom: self.commands(tx).await?,
            targets,
        })
    }

    async fn commands(&self, tx: &mut Tx) -> Result<Vec<Command>, DbError> {
        if self.open_commands == 0 {
            return Ok(Vec::new());
        }
        commands::queued(tx, self.device.id, SUSPECT_ATTEMPTS, CUSTOM_LIMIT).await
    }

    /// The settings need to know what the client can do: they follow the inventory.
    fn settings(&self) -> Vec<qm_csp::CspCommand> {
        if self.device.settings_at.is_some() || self.device.inventory_at.is_none() {
            return Vec::new();
        }
        let max_version = self.device.details.get(MAX_SYNC_VERSION).map(String::as_str);
        dmclient_settings(self.device.id, max_version)
    }

    async fn orders(&mut self, tx: &mut Tx) -> Result<Vec<TargetOrder>, DbError> {
        let mut orders = Vec::new();
        for live in self.live.clone() {
            if let Some(step) = self.step(tx, &live).await? {
                orders.extend(self.order(tx, &live.target, step).await?);
            }
        }
        Ok(orders)
    }

    /// The step of a live target that is to be sent now.
    async fn step(&mut self, tx: &mut Tx, live: &LiveTarget) -> Result<Option<Step>, DbError> {
        let target = &live.target;
        let Some(app) = self.catalogue.app(tx, target.app_id).await? else {
            return Ok(None);
        };
        let licensed = app.license == LicenseKind::Offline;
        let fresh = !self.session.touched.contains(&target.id);
        let seen = self.session.seen.get(&target.id).copied();
        match due(target, licensed, fresh, seen, self.now) {
            Due::Nothing => {}
            Due::Inventory => self.want_apps(),
            Due::Step(step) if Self::held(live) && !is_question(step) => {}
            Due::Step(Step::Install) if !self.server.seat_confirmed(tx, &app, target).await? => {
                self.wait_for_seat(tx, target).await?;
            }
            Due::Step(step) => return Ok(Some(step)),
        }
        Ok(None)
    }

    /// The commands of a step, where there is what it needs.
    async fn order(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        step: Step,
    ) -> Result<Option<TargetOrder>, DbError> {
        let materials = self
            .server
            .materials(tx, &mut self.catalogue, &self.device, target)
            .await?;
        Ok(materials.map(|with| {
            let slot_left = self.session.seen.get(&target.id) == Some(&Sight::SlotLeft);
            let with = Materials { slot_left, ..with };
            TargetOrder {
                id: target.id,
                context: target.context,
                commands: step_commands(target.id, target.context, step, &with),
            }
        }))
    }
}

/// Asking is allowed while a deployment is paused.
fn is_question(step: Step) -> bool {
    step == Step::Poll
}
