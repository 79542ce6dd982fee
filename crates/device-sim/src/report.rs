//! What came of a session.

use crate::tree::Scope;

/// Why a device calls in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trigger {
    /// The user asked for it.
    User,
    /// The poll schedule.
    #[default]
    Schedule,
    /// A push notification.
    Push,
    /// Somebody signed in.
    Login,
    /// Right after enrollment.
    PostEnrollment,
    /// A CSP has something to tell: an alert.
    Alert,
}

impl Trigger {
    /// The number in the `UserAgentOrigin` header (MS-MDM 2.2.2).
    pub(crate) const fn origin(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Schedule => 2,
            Self::Push => 3,
            Self::Login => 4,
            Self::PostEnrollment => 5,
            Self::Alert => 6,
        }
    }
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The server had nothing more to say.
    Done,
    /// The server sent Alert 1223.
    Aborted,
    /// The server's answer cannot be read.
    Unreadable,
    /// The server asked for credentials beyond TLS, which this device does not give.
    Challenged,
    /// The server refused with this HTTP status.
    Refused(u16),
    /// A [`crate::Quirk::StopAfter`].
    Stopped,
    /// More messages than any sensible session has: the server never comes to an end.
    Endless,
    /// The device has left: its own wish or the server's.
    Unenrolled,
}

/// A command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// `Add`, `Get`, …
    pub verb: String,
    /// The node, as the server wrote it.
    pub uri: String,
    /// User or device, where the address is one at all.
    pub scope: Option<Scope>,
    /// The status answered.
    pub status: u16,
}

/// A session, as the device saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// `SessionID`.
    pub session_id: String,
    /// Messages sent.
    pub messages: u32,
    /// Commands carried out, in order.
    pub commands: Vec<Executed>,
    /// Alerts told, by type.
    pub alerts: Vec<String>,
    /// How it ended.
    pub ended: Ended,
    /// Rules broken by the server in this session.
    pub violations: usize,
}

impl SessionReport {
    /// The status that the last command on this node got.
    pub fn status_of(&self, verb: &str, uri: &str) -> Option<u16> {
        let same = |command: &&Executed| command.verb == verb && command.uri == uri;
        self.commands
            .iter()
            .rev()
            .find(same)
            .map(|command| command.status)
    }
}
