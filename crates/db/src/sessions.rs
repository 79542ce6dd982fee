//! Management sessions in flight.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    param::{Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{DeviceId, Timestamp, session::SessionRow};

/// Stores a session, or replaces the one with the same device and SessionID (which keeps its id).
pub async fn upsert(tx: &mut Tx, session: &SessionRow) -> Result<(), DbError> {
    upsert_many(tx, std::slice::from_ref(session)).await
}

/// The same for several sessions, all in one statement; each may be given once.
pub async fn upsert_many(tx: &mut Tx, sessions: &[SessionRow]) -> Result<(), DbError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let rows = Rows::of(sessions.iter().map(|s| {
        (
            s.id,
            s.device_id,
            &s.session_id,
            s.last_msg_id,
            &s.request_digest,
            s.opened_digest.as_ref(),
            s.response.as_slice(),
            &s.state,
            s.updated_at,
        )
    }));
    tx.execute(&UPSERT, params![rows]).await.map(|_| ())
}

/// The session of a device with this SessionID.
pub async fn find(
    conn: &mut Conn,
    device: DeviceId,
    session_id: &str,
) -> Result<Option<SessionRow>, DbError> {
    conn.optional(&FIND, params![device, session_id], read).await
}

/// Removes one session.
pub async fn delete(tx: &mut Tx, device: DeviceId, session_id: &str) -> Result<(), DbError> {
    tx.execute(&DELETE, params![device, session_id]).await.map(|_| ())
}

/// Removes every session of a device.
pub async fn delete_for_device(tx: &mut Tx, device: DeviceId) -> Result<(), DbError> {
    tx.execute(&DELETE_FOR_DEVICE, params![device]).await.map(|_| ())
}

/// Removes at most `limit` sessions without a message since `before`, and gives them back: what they had in flight was
/// never answered.
pub async fn delete_older(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<Vec<SessionRow>, DbError> {
    tx.all(&DELETE_OLDER, params![before, limit], read).await
}

fn read(row: Row<'_>) -> Result<SessionRow, DbError> {
    Ok(SessionRow {
        id: row.get("id")?,
        device_id: row.get("device_id")?,
        session_id: row.get("session_id")?,
        last_msg_id: row.get("last_msg_id")?,
        request_digest: row.get("request_digest")?,
        opened_digest: row.optional("opened_digest")?,
        response: row.get("response")?,
        state: row.get("state")?,
        updated_at: row.get("updated_at")?,
    })
}

sql! {
    columns "id, device_id, session_id, last_msg_id, request_digest, opened_digest, response, state, updated_at";
    UPSERT = "INSERT INTO sessions ({columns}) SELECT {columns given} FROM {rows $1 id blob, device_id blob, \
          session_id text, last_msg_id bigint, request_digest blob, opened_digest blob, response blob, state text, \
          updated_at bigint} \
        WHERE TRUE ON CONFLICT (device_id, session_id) DO UPDATE SET last_msg_id = excluded.last_msg_id, \
          request_digest = excluded.request_digest, opened_digest = excluded.opened_digest, \
          response = excluded.response, state = excluded.state, updated_at = excluded.updated_at";
    FIND = "SELECT {columns} FROM sessions WHERE device_id = $1 AND session_id = $2";
    DELETE = "DELETE FROM sessions WHERE device_id = $1 AND session_id = $2";
    DELETE_FOR_DEVICE = "DELETE FROM sessions WHERE device_id = $1";
    DELETE_OLDER = "DELETE FROM sessions WHERE id IN \
        (SELECT id FROM sessions WHERE updated_at < $1 ORDER BY updated_at LIMIT $2) RETURNING {columns}";
}
