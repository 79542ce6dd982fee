//! Deployments, their plans and their targets.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Asks for a deployment, or for its plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDeployment {
    /// Which app.
    pub app_id: Uuid,
    /// `required`, `available` or `uninstall`.
    pub intent: String,
    /// `device` or `user`.
    pub context: String,
    /// Where to.
    pub targets: Targets,
}

/// Where a deployment goes; what is named twice counts once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// Devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_ids: Option<Vec<Uuid>>,
    /// Groups of devices, as they are now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_ids: Option<Vec<Uuid>>,
    /// Users: all devices they have enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upns: Option<Vec<String>>,
}

/// What a deployment would do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Devices it reaches.
    pub targets: u64,
    /// Devices it does not fit.
    pub not_applicable: Vec<PlanRefusal>,
    /// Users who would need a new seat.
    pub seats_needed: u64,
    /// Seats that are free; `null` where there is no limit or no seats.
    pub seats_available: Option<i64>,
    /// Package, frameworks and license for one device.
    pub bytes_per_device: u64,
    /// The commands for one of the devices, without the signatures of the links, which only devices get.
    pub commands: Vec<PlannedCommand>,
}

/// A device that an app does not fit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlanRefusal {
    /// Which.
    pub device_id: Uuid,
    /// Why.
    pub reason: String,
}

/// A command of the plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlannedCommand {
    /// `add`, `exec`, …
    pub verb: String,
    /// The node.
    pub uri: String,
    /// The payload; license blobs are masked.
    pub data: Option<String>,
}

/// A deployment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Its id.
    pub id: Uuid,
    /// Which app.
    pub app_id: Uuid,
    /// `required`, `available` or `uninstall`.
    pub intent: String,
    /// `device` or `user`.
    pub context: String,
    /// `active`, `paused`, `completed` or `cancelled`.
    pub state: String,
    /// How many targets are in which state; states without any are left out.
    pub counts: BTreeMap<String, i64>,
    /// When it was asked for.
    pub created_at: String,
}

/// One device of a deployment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Target {
    /// Its id.
    pub id: Uuid,
    /// The device.
    pub device_id: Uuid,
    /// Its user.
    pub upn: String,
    /// Where it stands.
    pub state: String,
    /// What it waits for: `preparation`, `seat`, `user_sign_in`, `check_in` or `proof`; left out once it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// How often commands were sent.
    pub attempts: i64,
    /// What went wrong last, or why it does not apply.
    pub error: Option<TargetError>,
    /// Last change.
    pub updated_at: String,
}

/// What stands in a target's way.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TargetError {
    /// An HRESULT, a SyncML status or a word of ours.
    pub code: String,
    /// What happened.
    pub text: String,
    /// What to do about it.
    pub advice: String,
}

/// Which targets are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TargetQuery {
    /// Only those in this state.
    pub state: Option<String>,
    /// Page size.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}
