//! Who a message is from, and where in its session it stands.

use super::{CheckInError, Incoming};
use crate::Orchestrator;
use qm_core::{
    DeviceId, Timestamp,
    device::{CertificateState, Device, DeviceState},
    session::SessionRow,
};
use qm_db::{Db, DbError, devices, devices::CheckIn};
use qm_engine::session::Session;
use std::time::Duration;

impl Orchestrator {
    /// A device's identity is its certificate, nothing else. What it claims to be in `Source` must agree.
    pub(super) async fn admit(
        &self,
        found: Option<Box<CheckIn>>,
        incoming: &Incoming,
    ) -> Result<Box<CheckIn>, CheckInError> {
        let Some(found) = found else {
            self.note_refused("unknown", None, incoming.now);
            return Err(CheckInError::UnknownDevice);
        };
        if let Some(reason) = why_shut(&found, incoming) {
            self.note_refused(reason, Some(found.device.id), incoming.now);
            return Err(CheckInError::UnknownDevice);
        }
        let source = incoming.message.header.source.trim();
        // In a box: it is hardly ever asked, and every message would carry its size about.
        if !is_its_own(&found.device, source) && !Box::pin(may_claim(&self.db, &found.device, source)).await?
        {
            self.note_refused("foreign_source", Some(found.device.id), incoming.now);
            return Err(CheckInError::ForeignSource);
        }
        Ok(found)
    }

    /// Every refusal counts; a device that goes on and on does not fill the log.
    pub(super) fn note_refused(&self, reason: &'static str, device: Option<DeviceId>, now: Timestamp) {
        metrics::counter!("device_messages_refused_total", "reason" => reason).increment(1);
        if self.refusals.wait(&(reason, device), now).is_none() {
            self.refusals.failed(&(reason, device), now);
            let device = device.map(tracing::field::display);
            tracing::warn!(device.id = device, reason, "management message refused");
        }
    }
}

/// Whether the certificate opens sessions.
pub fn opens_session(found: &CheckIn, incoming: &Incoming) -> bool {
    why_shut(found, incoming).is_none()
}

/// Why a certificate opens nothing. The handshake checks the dates too, but a connection outlives it, and a resumed TLS
/// session is not checked again. A device that has just left may repeat its last message: it has not seen the answer.
fn why_shut(found: &CheckIn, incoming: &Incoming) -> Option<&'static str> {
    let CheckIn {
        device,
        certificate,
        session,
        ..
    } = found;
    let reason = match (certificate.state, device.state) {
        _ if incoming.now > certificate.not_after => return Some("expired"),
        _ if incoming.now < certificate.not_before => return Some("not_yet_valid"),
        (CertificateState::Superseded, _) => return Some("superseded"),
        (_, DeviceState::Ended) => "ended",
        (CertificateState::Revoked, _) => "revoked",
        (CertificateState::Active, _) => return None,
    };
    let repeat = session.as_ref().is_some_and(|row| is_repeat(row, incoming));
    (!repeat).then_some(reason)
}

/// `Source` is the `DeviceID` of the enrollment.
fn is_its_own(device: &Device, source: &str) -> bool {
    source.eq_ignore_ascii_case(&device.dm_id)
}

/// A client that calls itself otherwise in its first session is believed, unless the name is another device's.
async fn may_claim(db: &Db, device: &Device, source: &str) -> Result<bool, DbError> {
    if device.state != DeviceState::Provisional || source.is_empty() {
        return Ok(false);
    }
    let other = devices::other_live_device_with_dm_id(&mut db.read().await?, source, device.id).await?;
    Ok(other.is_none())
}

/// How long a copy of a message may be on its way. A device that starts over with the very same message in that time
/// is served in the session after.
const STRAGGLER: Duration = Duration::from_mins(1);

/// What to do with a message, by its `MsgID` and the last one answered.
pub enum Progress {
    /// Answer it; the session as it was after the last reply.
    Next(Session),
    /// It was answered before: the same reply again.
    Repeat(Vec<u8>),
    /// Older than the last one: statuses only.
    Stale,
    /// Same `MsgID`, other content: end the session.
    Broken,
}

/// Places a message in its session.
pub fn progress(row: Option<&SessionRow>, incoming: &Incoming) -> Progress {
    let msg_id = i64::from(incoming.message.header.msg_id);
    match row {
        Some(row) if is_repeat(row, incoming) => Progress::Repeat(row.response.clone()),
        Some(row) if opened_long_ago(row, incoming) => Progress::Stale,
        // The device started over: session ids are used again.
        _ if msg_id == 1 => Progress::Next(Session::default()),
        Some(row) if msg_id == row.last_msg_id => Progress::Broken,
        Some(row) if msg_id < row.last_msg_id => Progress::Stale,
        Some(row) if msg_id == row.last_msg_id + 1 => Progress::Next(stored_state(row)),
        // State lost, or messages skipped: nothing can be matched with certainty.
        _ => Progress::Stale,
    }
}

/// What a session knew after its last reply.
pub fn stored_state(row: &SessionRow) -> Session {
    serde_json::from_str(&row.state).unwrap_or_default()
}

/// The message that opened a session, on its way twice, arrives again while the session goes on: taken for a new
/// session, it would cost the answers that are under way.
fn opened_long_ago(row: &SessionRow, incoming: &Incoming) -> bool {
    let goes_on = || !stored_state(row).sent.is_empty();
    incoming.message.header.msg_id == 1
        && row.opened_digest == Some(incoming.digest())
        && incoming.now.since(row.updated_at) < STRAGGLER
        && goes_on()
}

fn is_repeat(row: &SessionRow, incoming: &Incoming) -> bool {
    row.last_msg_id == i64::from(incoming.message.header.msg_id) && row.request_digest == incoming.digest()
}
