//! Devices, their apps, their commands, their messages; groups.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// Its id: the subject of its certificate.
    pub id: Uuid,
    /// Computer name.
    pub name: String,
    /// The enrolled user.
    pub upn: String,
    /// `enrolled` or `unenrolled`.
    pub state: String,
    /// How and when it enrolled.
    pub enrollment: DeviceEnrollment,
    /// Windows version.
    pub os_version: Option<String>,
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// The client's hardware id.
    pub hardware_id: String,
    /// Last message, at most a second late.
    pub last_seen_at: Option<String>,
    /// Its certificate.
    pub certificate: Option<DeviceCertificate>,
    /// Processor architecture, once the inventory was read.
    pub architecture: Option<String>,
}

/// How and when a device enrolled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceEnrollment {
    /// `full` (for the user) or `device`.
    pub kind: String,
    /// When.
    pub at: String,
}

/// A device's certificate.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceCertificate {
    /// SHA-1 in hexadecimal, as Windows shows it.
    pub thumbprint: String,
    /// End of validity.
    pub not_after: String,
}

/// Which devices are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// Only this user's.
    pub upn: Option<String>,
    /// `enrolled` or `unenrolled`.
    pub state: Option<String>,
    /// Part of the name, user, model or hardware id.
    pub q: Option<String>,
    /// Page size.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// Whether a device is asked to leave or shut out at once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteDevice {
    /// `true` revokes its certificate at once, without asking the device.
    pub force: Option<bool>,
}

/// An app that a device reports.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceApp {
    /// `Name_PublisherId`.
    pub package_family_name: String,
    /// `Name_Version_Architecture_ResourceId_PublisherId`.
    pub package_full_name: String,
    /// Version.
    pub version: String,
    /// Folder on the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_location: Option<String>,
    /// `AppStore`, `nonStore` or `System`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who has it, as the device words it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<String>,
    /// `device` or `user`: in which scope it was seen.
    pub context: String,
}

/// A command for a device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCommand {
    /// `get`, `add`, `replace`, `delete` or `exec`.
    pub verb: String,
    /// The node, for example `./DevDetail/SwV`.
    pub uri: String,
    /// `Meta/Format`, for example `chr`, `int`, `bool`, `b64`, `xml`, `node`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `Meta/Type`, for example `text/plain`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The payload as it should reach the node; it is escaped once on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// A command that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommandAccepted {
    /// Its id.
    pub id: Uuid,
    /// `queued`.
    pub state: String,
}

/// A command and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Command {
    /// Its id.
    pub id: Uuid,
    /// `get`, `add`, `replace`, `delete` or `exec`.
    pub verb: String,
    /// The node.
    pub uri: String,
    /// `queued`, `sent`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// What it waits for, while queued: `user_sign_in` for `./User` nodes, else `check_in`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// The device's SyncML status.
    pub status: Option<i64>,
    /// What a `get` brought.
    pub results: Vec<CommandResult>,
    /// When it was queued.
    pub created_at: String,
    /// When it left.
    pub sent_at: Option<String>,
    /// When it was answered or given up.
    pub finished_at: Option<String>,
}

/// One node of an answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommandResult {
    /// The node.
    pub uri: String,
    /// `Meta/Format`.
    pub format: String,
    /// The value.
    pub data: String,
}

/// One management message and its answer, secrets masked.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Exchange {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: String,
    /// The device's `SessionID`.
    pub session_id: String,
    /// `MsgID`.
    pub msg_id: i64,
    /// What the device sent, as XML.
    pub request: String,
    /// What the server answered, as XML.
    pub response: String,
}

/// Asks for a group.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// Unique name.
    pub name: String,
}

/// A group of devices.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its devices.
    pub members: Vec<Uuid>,
}

/// The members a group shall have.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// All of them; who is not named is no member any more.
    pub device_ids: Vec<Uuid>,
}
