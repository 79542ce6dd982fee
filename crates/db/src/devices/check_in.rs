//! The one read of an idle check-in: everything about the caller in a single statement.

use super::{COLUMNS, read as read_device};
use crate::{conn::Conn, error::DbError, param::params, row::Row, sql::sql};
use qm_core::{
    Sha256,
    device::{Device, DeviceCertificate},
    session::SessionRow,
};

/// What a certificate and a SessionID lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckIn {
    /// The device, in whatever state.
    pub device: Device,
    /// The certificate, in whatever state.
    pub certificate: DeviceCertificate,
    /// The session row, if commands are in flight in this session.
    pub session: Option<SessionRow>,
    /// How many commands wait for it or for its answer.
    pub open_commands: i64,
    /// Targets that the device has to hear of or answer for: queued, sent, installing or removing.
    pub live_targets: i64,
}

/// Finds the device behind a certificate. Certificates and devices of any state are found; the caller decides.
pub async fn check_in(
    conn: &mut Conn,
    fingerprint: &Sha256,
    session_id: &str,
) -> Result<Option<CheckIn>, DbError> {
    conn.optional(&CHECK_IN, params![fingerprint, session_id], read)
        .await
}

fn read(row: Row<'_>) -> Result<CheckIn, DbError> {
    let device = read_device(row)?;
    let certificate = DeviceCertificate {
        fingerprint: row.get("c_fingerprint")?,
        device_id: device.id,
        thumbprint: row.get("c_thumbprint")?,
        public_key: row.get("c_public_key")?,
        not_before: row.get("c_not_before")?,
        not_after: row.get("c_not_after")?,
        state: row.get("c_state")?,
    };
    let session = match row.optional("s_id")? {
        None => None,
        Some(id) => Some(SessionRow {
            id,
            device_id: device.id,
            session_id: row.get("s_session_id")?,
            last_msg_id: row.get("s_last_msg_id")?,
            request_digest: row.get("s_request_digest")?,
            opened_digest: row.optional("s_opened_digest")?,
            response: row.get("s_response")?,
            state: row.get("s_state")?,
            updated_at: row.get("s_updated_at")?,
        }),
    };
    Ok(CheckIn {
        device,
        certificate,
        session,
        open_commands: row.get("open_commands")?,
        live_targets: row.get("live_targets")?,
    })
}

sql! {
    columns COLUMNS;
    CHECK_IN = "SELECT {columns d}, \
        c.fingerprint AS c_fingerprint, c.thumbprint AS c_thumbprint, c.public_key AS c_public_key, \
        c.not_before AS c_not_before, c.not_after AS c_not_after, c.state AS c_state, \
        s.id AS s_id, s.session_id AS s_session_id, s.last_msg_id AS s_last_msg_id, \
        s.request_digest AS s_request_digest, s.opened_digest AS s_opened_digest, s.response AS s_response, \
        s.state AS s_state, s.updated_at AS s_updated_at, \
        (SELECT count(*) FROM commands q WHERE q.device_id = d.id AND q.finished_at IS NULL) AS open_commands, \
        (SELECT count(*) FROM targets t WHERE t.device_id = d.id AND t.open \
          AND t.state IN ('queued', 'sent', 'installing', 'removing')) AS live_targets \
        FROM certificates c JOIN devices d ON d.id = c.device_id \
        LEFT JOIN sessions s ON s.device_id = d.id AND s.session_id = $2 \
        WHERE c.fingerprint = $1";
}
