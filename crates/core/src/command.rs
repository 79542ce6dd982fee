//! Commands that administrators queue for one device.

use crate::{CommandId, DeviceId, Timestamp, text_enum};
use serde::{Deserialize, Serialize};

text_enum! {
    /// The five verbs a Windows client takes.
    pub enum Verb {
        /// Read.
        Get = "get",
        /// Create.
        Add = "add",
        /// Overwrite.
        Replace = "replace",
        /// Remove.
        Delete = "delete",
        /// Run.
        Exec = "exec",
    }
}
text_enum! {
    /// Where a command stands.
    pub enum CommandState {
        /// Waits for the device (or its user).
        Queued = "queued",
        /// Has left; no answer yet.
        Sent = "sent",
        /// Answered with success.
        Done = "done",
        /// Answered with an error, or expired.
        Failed = "failed",
        /// Taken back.
        Cancelled = "cancelled",
    }
}

/// A custom command and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Primary key.
    pub id: CommandId,
    /// For which device.
    pub device_id: DeviceId,
    /// What to do.
    pub verb: Verb,
    /// The node: a LocURI.
    pub uri: String,
    /// `Meta/Format`.
    pub format: Option<String>,
    /// `Meta/Type`.
    pub media_type: Option<String>,
    /// The payload, unescaped.
    pub data: Option<String>,
    /// Where it stands.
    pub state: CommandState,
    /// The SyncML status of the answer.
    pub status: Option<i64>,
    /// What a Get brought.
    pub results: Vec<CommandResult>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// How often it left.
    pub attempts: i64,
    /// When it left last.
    pub sent_at: Option<Timestamp>,
    /// When it was answered or given up.
    pub finished_at: Option<Timestamp>,
    /// When it is given up.
    pub expires_at: Timestamp,
}

/// One item of a Get's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The node.
    pub uri: String,
    /// `Meta/Format`, `chr` where the device named none.
    pub format: String,
    /// The value.
    pub data: String,
}
