//! The last management messages of each device, both ways, for support.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    paging,
    param::{Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{DeviceId, ExchangeId, Timestamp};
use std::collections::BTreeSet;

/// A message and its reply as decoded text; the caller has masked the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Primary key.
    pub id: ExchangeId,
    /// Whose.
    pub device_id: DeviceId,
    /// The device's `SessionID`.
    pub session_id: String,
    /// The device's `MsgID`.
    pub msg_id: i64,
    /// What the device sent.
    pub request: String,
    /// What it was answered.
    pub response: String,
    /// When.
    pub at: Timestamp,
}

/// Stores exchanges, all in one statement.
pub async fn insert(tx: &mut Tx, exchanges: &[Exchange]) -> Result<(), DbError> {
    if exchanges.is_empty() {
        return Ok(());
    }
    let rows = Rows::of(exchanges.iter().map(|e| {
        (
            e.id,
            e.device_id,
            &e.session_id,
            e.msg_id,
            &e.request,
            &e.response,
            e.at,
        )
    }));
    tx.execute(&INSERT, params![rows]).await.map(|_| ())
}

/// A device's last exchanges, newest first.
pub async fn list(conn: &mut Conn, device: DeviceId, limit: u32) -> Result<Vec<Exchange>, DbError> {
    conn.all(&LIST, params![device, limit], read).await
}

/// Leaves each of the given devices its newest `keep` exchanges.
pub async fn trim(tx: &mut Tx, devices: &[DeviceId], keep: u32) -> Result<u64, DbError> {
    let devices: BTreeSet<_> = devices.iter().map(|id| (*id,)).collect();
    tx.execute(&TRIM, params![keep, Rows::of(devices)]).await
}

/// Removes at most `limit` exchanges older than `before`.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE, params![paging::oldest_id(before), limit])
        .await
}

fn read(row: Row<'_>) -> Result<Exchange, DbError> {
    Ok(Exchange {
        id: row.get("id")?,
        device_id: row.get("device_id")?,
        session_id: row.get("session_id")?,
        msg_id: row.get("msg_id")?,
        request: row.get("request")?,
        response: row.get("response")?,
        at: row.get("at")?,
    })
}

sql! {
    columns "id, device_id, session_id, msg_id, request, response, at";
    INSERT = "INSERT INTO exchanges ({columns}) SELECT {columns given} FROM {rows $1 id blob, device_id blob, \
        session_id text, msg_id bigint, request text, response text, at bigint}";
    LIST = "SELECT {columns} FROM exchanges WHERE device_id = $1 ORDER BY id DESC LIMIT $2";
    TRIM = "DELETE FROM exchanges WHERE id IN (SELECT ranked.id FROM (SELECT exchanges.id, \
          row_number() OVER (PARTITION BY exchanges.device_id ORDER BY exchanges.id DESC) AS position \
          FROM {rows $2 id blob} JOIN exchanges ON exchanges.device_id = given.id) AS ranked \
        WHERE ranked.position > $1)";
    PURGE = "DELETE FROM exchanges WHERE id IN (SELECT id FROM exchanges WHERE id < $1 ORDER BY id LIMIT $2)";
}
