//! What a deployment means for the devices it names: judged by kinds of devices, so that a hundred thousand devices take no
//! longer to judge than the few kinds that they are of.

use super::{Request, Verdict, verdict};
use crate::{Orchestrator, UseCaseError, materials::Catalogue};
use qm_core::{
    DeviceId, TargetId, Timestamp,
    app::App,
    deployment::{Deployment, Target, TargetError, TargetState},
};
use qm_db::{
    Conn, DbError,
    selection::{self, Kind, Missing, Selection},
};
use qm_engine::{applicability::DeviceProfile, deployment::moved};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// The devices of a deployment and what becomes of them.
pub struct Rollout {
    /// The devices.
    pub selection: Selection,
    /// The kinds of the devices, how many are of each, and the target that those get.
    pub kinds: Vec<(Kind, i64, Target)>,
    /// The target of a device of no known kind.
    pub pattern: Target,
    /// Targets that are refused at once: their devices are getting the same already.
    pub doubles: Vec<Target>,
    /// Live targets of other deployments that want something else of the same devices.
    pub overtaken: Vec<Target>,
}

impl Rollout {
    /// The kinds that the app does not fit, with the reasons.
    pub fn refused(&self) -> HashMap<Kind, &Target> {
        let refused = self.kinds.iter().filter(|(.., target)| is_refused(target));
        refused.map(|(kind, _, target)| (*kind, target)).collect()
    }

    /// The devices that are getting the same already.
    pub fn busy(&self) -> Vec<DeviceId> {
        self.doubles.iter().map(|target| target.device_id).collect()
    }

    /// How many devices get what they are meant to get.
    pub fn fitting(&self) -> u64 {
        let fitting = self.kinds.iter().filter(|(.., target)| !is_refused(target));
        let devices: i64 = fitting.map(|(_, devices, _)| devices).sum();
        u64::try_from(devices)
            .unwrap_or(0)
            .saturating_sub(self.doubles.len() as u64)
    }
}

fn is_refused(target: &Target) -> bool {
    target.state == TargetState::NotApplicable
}

impl Orchestrator {
    /// Judges every device that a request names.
    pub(super) async fn rollout(
        &self,
        conn: &mut Conn,
        app: &App,
        deployment: &Deployment,
        request: &Request,
    ) -> Result<Rollout, UseCaseError> {
        let selection = select(conn, request).await?;
        let now = deployment.created_at;
        let pattern = pattern(deployment, now);
        let mut catalogue = Catalogue::default();
        let mut kinds = Vec::new();
        for (kind, devices) in selection::kinds(conn, &selection).await? {
            let verdict = verdict(conn, &mut catalogue, app, &pattern, profile(kind)).await?;
            kinds.push((kind, devices, judged(&pattern, &verdict, now)));
        }
        if kinds.is_empty() {
            return Err(UseCaseError::invalid(
                "targets",
                "name at least one enrolled device, group with members, or user",
            ));
        }
        let mut rollout = Rollout {
            selection,
            kinds,
            pattern,
            doubles: Vec::new(),
            overtaken: Vec::new(),
        };
        self.meet(conn, app, &mut rollout, now).await?;
        Ok(rollout)
    }

    /// The same (app, device) pair is never deployed twice at once: whoever wants the same waits, whoever wants something
    /// else takes over. Devices that the app does not fit are left alone.
    async fn meet(
        &self,
        conn: &mut Conn,
        app: &App,
        rollout: &mut Rollout,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let live = selection::live_of_app(conn, &rollout.selection, app.id).await?;
        let refused: BTreeSet<_> = rollout.refused().into_keys().collect();
        let pattern = &rollout.pattern;
        for (older, _) in live.into_iter().filter(|(_, kind)| !refused.contains(kind)) {
            if older.intent == pattern.intent && older.context == pattern.context {
                let id = TargetId::new(now, &self.rng);
                rollout.doubles.push(double(id, pattern, &older));
            } else {
                rollout.overtaken.push(older);
            }
        }
        Ok(())
    }
}

/// What is known of a kind of devices for the choice of packages.
fn profile(kind: Kind) -> Option<DeviceProfile> {
    Some(DeviceProfile {
        architecture: kind.architecture?,
        os_version: kind.os_version,
    })
}

/// A target as it comes into being, of no device yet.
fn pattern(deployment: &Deployment, now: Timestamp) -> Target {
    let fresh = Target {
        id: Uuid::nil().into(),
        deployment_id: deployment.id,
        app_id: deployment.app_id,
        intent: deployment.intent,
        context: deployment.context,
        device_id: Uuid::nil().into(),
        upn: String::new(),
        // Only to be moved to `planned`, which sets its deadline.
        state: TargetState::Cancelled,
        attempts: 0,
        error: None,
        package_id: None,
        license_accepted: false,
        not_before: None,
        deadline: None,
        updated_at: now,
    };
    moved(&fresh, TargetState::Planned, now).unwrap_or(fresh)
}

fn judged(pattern: &Target, verdict: &Verdict, now: Timestamp) -> Target {
    let next = verdict.state().and_then(|state| moved(pattern, state, now));
    verdict.dress(next.unwrap_or_else(|| pattern.clone()))
}

/// The refused target of a device that is getting the same already.
fn double(id: TargetId, pattern: &Target, older: &Target) -> Target {
    let error = TargetError {
        code: "already_deploying".to_owned(),
        text: format!(
            "deployment {} is bringing this app to the device already",
            older.deployment_id
        ),
        advice: "Wait for it, or cancel it first.".to_owned(),
    };
    Target {
        id,
        device_id: older.device_id,
        upn: older.upn.clone(),
        state: TargetState::NotApplicable,
        error: Some(error),
        deadline: None,
        ..pattern.clone()
    }
}

/// What a request names. What cannot be found is told by name, all of it at once.
async fn select(conn: &mut Conn, request: &Request) -> Result<Selection, UseCaseError> {
    let users: BTreeSet<String> = request.upns.iter().map(|upn| upn.trim().to_lowercase()).collect();
    let selection = Selection {
        devices: request.device_ids.clone(),
        groups: request.group_ids.clone(),
        users: users.into_iter().collect(),
    };
    let unknown = unknown(&selection::missing(conn, &selection).await?);
    if unknown.is_empty() {
        return Ok(selection);
    }
    let shown = unknown[..unknown.len().min(SHOWN)].join(", ");
    let more = match unknown.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(UseCaseError::invalid(
        "targets",
        format!("not found: {shown}{more}"),
    ))
}

fn unknown(missing: &Missing) -> Vec<String> {
    let devices = missing.devices.iter().map(|id| format!("enrolled device {id}"));
    let groups = missing.groups.iter().map(|id| format!("group {id}"));
    let users = missing
        .users
        .iter()
        .map(|upn| format!("enrolled device of {upn}"));
    devices.chain(groups).chain(users).collect()
}

/// How many names an error lists.
const SHOWN: usize = 20;
