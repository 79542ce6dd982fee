//! The message tree that both encodings share (MS-MDM 2.2, OMA SyncML Representation Protocol 1.2).

use std::fmt;

/// One SyncML document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// `SyncHdr`.
    pub header: Header,
    /// The commands of `SyncBody` in the order received or to be sent.
    pub body: Vec<Command>,
    /// Whether `Final` closes the package.
    pub last: bool,
}

impl Message {
    /// Whether a status in it, or in a group in it, carries `msft:originalerror`.
    pub fn has_original_errors(&self) -> bool {
        self.body.iter().any(Command::has_original_error)
    }
}

/// `SyncHdr`. Identifiers are opaque text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// `VerDTD`, `1.2`.
    pub ver_dtd: String,
    /// `VerProto`, `DM/1.2`.
    pub ver_proto: String,
    /// `SessionID`, chosen by the device.
    pub session_id: String,
    /// `MsgID`.
    pub msg_id: u32,
    /// `Target/LocURI`.
    pub target: String,
    /// `Source/LocURI`.
    pub source: String,
    /// `Source/LocName`: the user name that belongs to `cred`.
    pub source_name: Option<String>,
    /// `Cred`.
    pub cred: Option<Cred>,
    /// `Meta`.
    pub meta: Meta,
}

/// `Cred`: proof of identity at application level.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Cred {
    /// Its `Format` and `Type`.
    pub meta: Meta,
    /// The digest or basic credential. Never logged.
    pub data: String,
}

/// `Meta`: the children we know; absent ones are `None`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// `Format`: `chr`, `int`, `bool`, `b64`, `bin`, `xml`, `node`, `null`, …
    pub format: Option<String>,
    /// `Type`: a media type, an alert's event name or an authentication scheme.
    pub media_type: Option<String>,
    /// `Mark`: an alert's importance.
    pub mark: Option<String>,
    /// `Size` in bytes of a whole large object.
    pub size: Option<u64>,
    /// `NextNonce`, base64.
    pub next_nonce: Option<String>,
    /// `MaxMsgSize` in bytes.
    pub max_msg_size: Option<u64>,
    /// `MaxObjSize` in bytes.
    pub max_obj_size: Option<u64>,
}

impl Meta {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    /// Only a format.
    pub fn format(format: &str) -> Self {
        Self {
            format: Some(format.to_owned()),
            ..Self::default()
        }
    }
}

/// A direct child of `SyncBody`, `Atomic` or `Sequence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Creates nodes.
    Add(Edit),
    /// Reports an event.
    Alert(Alert),
    /// All or nothing.
    Atomic(Group),
    /// Removes nodes.
    Delete(Edit),
    /// Runs a node.
    Exec(Edit),
    /// Reads nodes.
    Get(Edit),
    /// Overwrites nodes; from the device, `DevInfo`.
    Replace(Edit),
    /// The answer to a Get.
    Results(Results),
    /// In the given order.
    Sequence(Group),
    /// The outcome of a command.
    Status(Status),
    /// An element that is no command of OMA-DM.
    Unknown {
        /// The element's local name.
        name: String,
        /// Its `CmdID`, where it had one.
        cmd_id: String,
    },
}

impl Command {
    fn has_original_error(&self) -> bool {
        match self {
            Self::Status(status) => status.original_error.is_some(),
            Self::Atomic(group) | Self::Sequence(group) => {
                group.commands.iter().any(Self::has_original_error)
            }
            _ => false,
        }
    }
    /// The command's `CmdID`; empty where the sender left it out.
    pub fn cmd_id(&self) -> &str {
        match self {
            Self::Add(c) | Self::Delete(c) | Self::Exec(c) | Self::Get(c) | Self::Replace(c) => &c.cmd_id,
            Self::Alert(c) => &c.cmd_id,
            Self::Atomic(c) | Self::Sequence(c) => &c.cmd_id,
            Self::Results(c) => &c.cmd_id,
            Self::Status(c) => &c.cmd_id,
            Self::Unknown { cmd_id, .. } => cmd_id,
        }
    }
    /// The element's name, as `Cmd` repeats it.
    pub fn name(&self) -> &str {
        match self {
            Self::Add(_) => "Add",
            Self::Alert(_) => "Alert",
            Self::Atomic(_) => "Atomic",
            Self::Delete(_) => "Delete",
            Self::Exec(_) => "Exec",
            Self::Get(_) => "Get",
            Self::Replace(_) => "Replace",
            Self::Results(_) => "Results",
            Self::Sequence(_) => "Sequence",
            Self::Status(_) => "Status",
            Self::Unknown { name, .. } => name,
        }
    }
}

/// `Add`, `Replace`, `Delete`, `Get`, `Exec`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// `CmdID`.
    pub cmd_id: String,
    /// `Meta` for all items; an item's own wins child by child.
    pub meta: Meta,
    /// `Item`s.
    pub items: Vec<Item>,
}

/// `Atomic`, `Sequence`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// `CmdID`.
    pub cmd_id: String,
    /// The commands inside.
    pub commands: Vec<Command>,
}

/// `Item`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// `Target/LocURI`.
    pub target: Option<String>,
    /// `Source/LocURI`.
    pub source: Option<String>,
    /// `Meta`.
    pub meta: Meta,
    /// `Data` as text; markup inside is kept as the text of that markup.
    pub data: Option<String>,
    /// `MoreData`: a chunk, and not the last.
    pub more_data: bool,
}

impl Item {
    /// An item that names only a target node.
    pub fn target(uri: impl Into<String>) -> Self {
        Self {
            target: Some(uri.into()),
            ..Self::default()
        }
    }
}

/// `Alert`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alert {
    /// `CmdID`; some clients leave it out.
    pub cmd_id: String,
    /// `Data`: 1201, 1224, 1226, …
    pub code: u32,
    /// `Item`s.
    pub items: Vec<Item>,
}

/// `Results`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Results {
    /// `CmdID`.
    pub cmd_id: String,
    /// `MsgRef`; absent means 1.
    pub msg_ref: Option<u32>,
    /// `CmdRef`; absent means 1.
    pub cmd_ref: Option<String>,
    /// `Cmd`.
    pub cmd: Option<String>,
    /// `Meta` for all items.
    pub meta: Meta,
    /// `Item`s.
    pub items: Vec<Item>,
}

/// `Status`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// `CmdID`.
    pub cmd_id: String,
    /// `MsgRef`.
    pub msg_ref: u32,
    /// `CmdRef`; `0` for the header.
    pub cmd_ref: String,
    /// `Cmd`.
    pub cmd: String,
    /// `TargetRef`s.
    pub target_refs: Vec<String>,
    /// `SourceRef`s.
    pub source_refs: Vec<String>,
    /// `Chal`. In a box: it is rare, and every status would carry its size about.
    pub challenge: Option<Box<Meta>>,
    /// `Data`.
    pub code: StatusCode,
    /// `msft:originalerror`: the HRESULT of what failed, as text.
    pub original_error: Option<String>,
    /// `Item`s.
    pub items: Vec<Item>,
}

/// A status code (OMA-DM Representation 1.2, section 10). Unknown ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// Done.
    pub const OK: Self = Self(200);
    /// Asynchronous work started.
    pub const ACCEPTED: Self = Self(202);
    /// Header only: no more credentials needed in this session.
    pub const AUTH_ACCEPTED: Self = Self(212);
    /// A chunk was taken.
    pub const CHUNK_BUFFERED: Self = Self(213);
    /// Malformed.
    pub const BAD_REQUEST: Self = Self(400);
    /// The node does not exist.
    pub const NOT_FOUND: Self = Self(404);
    /// The verb is not allowed on the node.
    pub const NOT_ALLOWED: Self = Self(405);
    /// Not available here.
    pub const NOT_SUPPORTED: Self = Self(406);
    /// A large object came without its size.
    pub const SIZE_REQUIRED: Self = Self(411);
    /// Object larger than accepted.
    pub const TOO_LARGE: Self = Self(416);
    /// Add on a node that exists.
    pub const ALREADY_EXISTS: Self = Self(418);
    /// Reassembled length differs from `Size`.
    pub const SIZE_MISMATCH: Self = Self(424);
    /// Generic failure.
    pub const FAILED: Self = Self(500);

    /// Done or accepted. 214 to 216 (cancelled, not executed, rolled back) are no success.
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 214
    }
}
impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Alert codes (OMA-DM and MS-MDM).
pub mod alert {
    /// The server asked for the session.
    pub const SERVER_INITIATED: u32 = 1200;
    /// The device opened the session by itself.
    pub const CLIENT_INITIATED: u32 = 1201;
    /// Asks for the next message or chunk.
    pub const NEXT_MESSAGE: u32 = 1222;
    /// Ends the session now.
    pub const SESSION_ABORT: u32 = 1223;
    /// A client event; `Meta/Type` says which.
    pub const CLIENT_EVENT: u32 = 1224;
    /// A new object began before the chunked one was complete.
    pub const NO_END_OF_DATA: u32 = 1225;
    /// A generic alert: the outcome of asynchronous work, or an unenrollment.
    pub const GENERIC: u32 = 1226;
}
