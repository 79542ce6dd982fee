//! The health of the Store as all servers know it: one row.

use crate::{conn::Conn, db::Tx, error::DbError, param::params, row::Row, sql::sql};
use qm_core::circuit::Circuit;

/// The circuit; closed before anything happened.
pub async fn find(conn: &mut Conn) -> Result<Circuit, DbError> {
    conn.one(&FIND, params![], read).await
}

/// The circuit, kept from other servers until this transaction ends.
pub async fn lock(tx: &mut Tx) -> Result<Circuit, DbError> {
    tx.one(&LOCK, params![], read).await
}

/// Replaces the circuit; [`lock`] it first.
pub async fn update(tx: &mut Tx, circuit: &Circuit) -> Result<(), DbError> {
    let c = circuit;
    let params = params![
        c.state,
        c.since,
        c.retry_at,
        c.reason.as_deref(),
        c.failures,
        c.openings
    ];
    tx.execute(&UPDATE, params).await.map(|_| ())
}

fn read(row: Row<'_>) -> Result<Circuit, DbError> {
    Ok(Circuit {
        state: row.get("state")?,
        since: row.optional("since")?,
        retry_at: row.optional("retry_at")?,
        reason: row.optional("reason")?,
        failures: row.get("failures")?,
        openings: row.get("openings")?,
    })
}

sql! {
    columns "state, since, retry_at, reason, failures, openings";
    FIND = "SELECT {columns} FROM store_circuit WHERE only_row = 1";
    LOCK = "SELECT {columns} FROM store_circuit WHERE only_row = 1 {for_update}";
    UPDATE = "UPDATE store_circuit SET state = $1, since = $2, retry_at = $3, reason = $4, failures = $5, \
        openings = $6 WHERE only_row = 1";
}
