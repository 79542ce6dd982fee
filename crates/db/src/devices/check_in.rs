//! The one read of an idle check-in: everything about the caller in a single statement.

use super::{COLUMNS, read as read_device};
use crate::{
    conn::Conn,
    error::DbError,
    param::{Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{
    Sha256, Timestamp,
    device::{CertificateState, Device},
    session::SessionRow,
};

/// What a certificate and a SessionID lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckIn {
    /// The device, in whatever state.
    pub device: Device,
    /// What the certificate is good for.
    pub certificate: Standing,
    /// The session row, if commands are in flight in this session.
    pub session: Option<SessionRow>,
    /// How many commands wait for it or for its answer.
    pub open_commands: i64,
    /// Targets that the device has to hear of or answer for: queued, sent, installing or removing.
    pub live_targets: i64,
}

/// What of a certificate says whether it opens sessions; each column more is read for each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// In whatever state.
    pub state: CertificateState,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

/// Who calls: a certificate's fingerprint, and the SessionID of the message.
pub type Caller<'a> = (&'a Sha256, &'a str);

/// Finds the device behind a certificate. Certificates and devices of any state are found; the caller decides.
pub async fn check_in(
    conn: &mut Conn,
    fingerprint: &Sha256,
    session_id: &str,
) -> Result<Option<Box<CheckIn>>, DbError> {
    let found = check_in_many(conn, &[(fingerprint, session_id)]).await?;
    Ok(found.into_iter().next().flatten())
}

/// The same for several, all in one statement; an answer for each, in their order.
pub async fn check_in_many(
    conn: &mut Conn,
    callers: &[Caller<'_>],
) -> Result<Vec<Option<Box<CheckIn>>>, DbError> {
    let rows = (0_i64..)
        .zip(callers)
        .map(|(place, (fingerprint, session))| (place, *fingerprint, *session));
    let rows = conn
        .all(&CHECK_IN, params![Rows::of(rows)], |row| {
            Ok((row.get::<i64>("place")?, read(row)?))
        })
        .await?;
    let mut found: Vec<_> = callers.iter().map(|_| None).collect();
    for (place, check_in) in rows {
        if let Some(slot) = usize::try_from(place).ok().and_then(|place| found.get_mut(place)) {
            *slot = Some(check_in);
        }
    }
    Ok(found)
}

/// In a box, as it is large and passed on several times.
fn read(row: Row<'_>) -> Result<Box<CheckIn>, DbError> {
    let device = read_device(row)?;
    let certificate = Standing {
        state: row.get("c_state")?,
        not_before: row.get("c_not_before")?,
        not_after: row.get("c_not_after")?,
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
    Ok(Box::new(CheckIn {
        device,
        certificate,
        session,
        open_commands: row.get("open_commands")?,
        live_targets: row.get("live_targets")?,
    }))
}

sql! {
    columns COLUMNS;
    CHECK_IN = "SELECT given.place, {columns d}, \
        c.state AS c_state, c.not_before AS c_not_before, c.not_after AS c_not_after, \
        s.id AS s_id, s.session_id AS s_session_id, s.last_msg_id AS s_last_msg_id, \
        s.request_digest AS s_request_digest, s.opened_digest AS s_opened_digest, s.response AS s_response, \
        s.state AS s_state, s.updated_at AS s_updated_at, \
        (SELECT count(*) FROM commands q WHERE q.device_id = d.id AND q.finished_at IS NULL) AS open_commands, \
        (SELECT count(*) FROM targets t WHERE t.device_id = d.id AND t.open \
          AND t.state IN ('queued', 'sent', 'installing', 'removing')) AS live_targets \
        FROM {rows $1 place bigint, fingerprint blob, session_id text} \
        JOIN certificates c ON c.fingerprint = given.fingerprint JOIN devices d ON d.id = c.device_id \
        LEFT JOIN sessions s ON s.device_id = d.id AND s.session_id = given.session_id";
}
