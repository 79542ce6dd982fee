//! One management session, message by message (MS-MDM 3.1, OMA-DM Protocol 1.2).
//!
//! [`receive`] takes what the device said: it answers with the statuses that are owed and the [`Fact`]s learned.
//! The caller stores the facts, looks what is due now, and [`reply`] builds the next message from it. The
//! [`Session`] carries what has to be remembered between two messages; it is stored only while commands are in flight.

mod receive;
mod reply;

pub use receive::{Received, receive, was_done_before};
pub use reply::{Budget, Reply, TargetOrder, Work, reply};

use crate::deployment::Answer;
use qm_core::{
    CommandId, TargetId,
    command::{CommandResult, Verb},
    deployment::Context,
    device::InstalledApp,
};
use qm_csp::{
    app_management::{AppAlert, Source},
    device_management::Login,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Why a command was sent; what its answer is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Reads a node of the device inventory.
    Inventory,
    /// Sets a DMClient node.
    Setting,
    /// Stores the app inventory's filter.
    AppQuery,
    /// Reads the app inventory of one context and origin.
    Apps {
        /// `./User` or `./Device`.
        context: Context,
        /// `AppStore` or `nonStore`.
        source: String,
    },
    /// An administrator's command.
    Custom {
        /// Which.
        id: CommandId,
    },
    /// A step of a deployment.
    Target {
        /// Of which target.
        id: TargetId,
        /// Which step.
        step: Step,
    },
    /// Makes the device leave.
    Unenroll,
}

/// The steps of a deployment on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// `AddLicense`.
    License,
    /// `Add` of the job slot; before a removal, `Delete` of one that is left over.
    Slot,
    /// `Exec` of `StoreInstall` or `HostedInstall`.
    Install,
    /// `Get` of the job slot.
    Poll,
    /// `Delete` of the app.
    Remove,
}

/// What is remembered from one message of a session to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what was asked once in a session: independent of each other"
)]
pub struct Session {
    /// Who is signed in.
    pub signed_in: SignedIn,
    /// Commands that wait for their answer.
    pub sent: Vec<Sent>,
    /// A chunked result that is not complete.
    pub partial: Option<Partial>,
    /// The device was asked to leave in this session.
    pub unenroll_asked: bool,
    /// The device inventory was asked for in this session.
    pub inventory_asked: bool,
    /// The settings were sent in this session.
    pub settings_sent: bool,
    /// The app inventory was asked for in this session.
    pub apps_asked: bool,
    /// App inventory answers so far, by context.
    pub apps: BTreeMap<Context, AppsProgress>,
    /// Targets that something was sent for in this session.
    pub touched: BTreeSet<TargetId>,
    /// What was seen of targets.
    pub seen: BTreeMap<TargetId, Sight>,
    /// Messages with commands that were sent.
    pub rounds: u32,
}

/// What a session has seen of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sight {
    /// Its end; the inventory must show it now.
    End,
    /// An alert of the end of a job; its slot tells whether it was the last one.
    Alerted,
    /// A job that is still at work.
    AtWork,
    /// No installation of the app is at work: it can be removed.
    SlotFree,
    /// The same, but one that failed or never began has left its slot.
    SlotLeft,
}

/// `LoginStatus` of the session (MS-MDM, alert `com.microsoft/MDM/LoginStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SignedIn {
    /// The enrolled user.
    User,
    /// Somebody without an enrollment.
    Others,
    /// Nobody, or the device did not say.
    #[default]
    None,
}

impl From<Login> for SignedIn {
    fn from(login: Login) -> Self {
        match login {
            Login::User => Self::User,
            Login::Others => Self::Others,
            Login::None => Self::None,
        }
    }
}

impl Session {
    /// Whether `./User` commands may be sent.
    pub fn user_is_here(&self) -> bool {
        self.signed_in == SignedIn::User
    }
    /// Whether nothing has to be remembered: such a session is never stored.
    pub fn is_idle(&self) -> bool {
        self.sent.is_empty() && self.partial.is_none() && self.rounds == 0
    }
}

/// A command on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The `MsgID` it left with.
    pub msg: u32,
    /// Its `CmdID`.
    pub cmd: String,
    /// Its verb.
    pub verb: Verb,
    /// Its node.
    pub uri: String,
    /// Why it was sent.
    pub purpose: Purpose,
    /// The device's status, once it came.
    pub status: Option<u16>,
    /// The HRESULT behind the status, as text.
    pub original_error: Option<String>,
    /// What a Get brought so far.
    pub results: Vec<CommandResult>,
    /// It left before and was not answered: the device may have carried it out then.
    #[serde(default)]
    pub again: bool,
}

/// A large object in the making.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// `MsgRef` of the Results.
    pub msg: u32,
    /// `CmdRef` of the Results.
    pub cmd: String,
    /// The node.
    pub uri: String,
    /// `Meta/Format` of the first chunk.
    pub format: Option<String>,
    /// The announced size in bytes.
    pub size: u64,
    /// What came so far.
    pub data: String,
}

/// Answers to the app inventory of one context.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AppsProgress {
    /// Origins not answered yet.
    pub waiting: u32,
    /// One of the reads failed: what came is no picture of the whole.
    pub broken: bool,
    /// Apps so far.
    pub apps: Vec<InstalledApp>,
}

/// Something learned from the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The device said who is signed in.
    SignedIn(SignedIn),
    /// A value of the device inventory or of package 1.
    Inventory {
        /// The node.
        uri: String,
        /// Its value.
        value: String,
    },
    /// Every inventory read was answered.
    InventoryRead,
    /// Every setting was answered; the nodes that refused are listed.
    SettingsApplied {
        /// Nodes and their statuses.
        refused: Vec<(String, u16)>,
    },
    /// The app inventory of a context.
    AppsRead {
        /// `./User` or `./Device`.
        context: Context,
        /// Everything the device lists there.
        apps: Vec<InstalledApp>,
    },
    /// The app inventory of a context could not be read: that says nothing about its apps.
    AppsUnreadable {
        /// `./User` or `./Device`.
        context: Context,
    },
    /// A custom command was answered.
    Custom {
        /// Which.
        id: CommandId,
        /// Whether it has done what it should.
        done: bool,
        /// The status.
        status: u16,
        /// What a Get brought.
        results: Vec<CommandResult>,
    },
    /// A step of a deployment was answered.
    Target {
        /// Of which target.
        id: TargetId,
        /// Which step.
        step: Step,
        /// How.
        answer: Answer,
    },
    /// An installation or removal ended.
    App(AppAlert),
    /// The user disconnected the account.
    LeftByUser,
    /// The device answered the unenroll command.
    UnenrollAnswered {
        /// The status.
        status: u16,
    },
    /// The device broke the session off.
    Aborted,
    /// An alert that we do not know; kept for the log.
    OtherAlert {
        /// Its code.
        code: u32,
        /// Its `Meta/Type`.
        kind: String,
    },
}

/// How often a command leaves without an answer before it is given up.
pub const MAX_COMMAND_ATTEMPTS: i64 = 5;
/// A command that was left unanswered so often may be what breaks sessions off: it goes last and alone.
pub const SUSPECT_ATTEMPTS: i64 = 2;

/// The origins whose app inventory is read.
pub(crate) const SOURCES: [Source; 2] = [Source::AppStore, Source::NonStore];

#[cfg(test)]
mod tests;
