//! Management sessions in flight.

use crate::{DeviceId, SessionRowId, Sha256, Timestamp};

/// A session row; it exists only while commands are in flight (and a while after, for repeats).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Primary key.
    pub id: SessionRowId,
    /// Whose.
    pub device_id: DeviceId,
    /// The device's `SessionID`, byte for byte. Not unique over time.
    pub session_id: String,
    /// The last answered `MsgID`.
    pub last_msg_id: i64,
    /// Digest of that request's body.
    pub request_digest: Sha256,
    /// Digest of the body that opened the session; `None` in a session that an older version opened.
    pub opened_digest: Option<Sha256>,
    /// The reply, byte for byte, for a repeat of that request.
    pub response: Vec<u8>,
    /// What the session knows, as JSON of `qm_engine::session::Session`.
    pub state: String,
    /// Last message.
    pub updated_at: Timestamp,
}
