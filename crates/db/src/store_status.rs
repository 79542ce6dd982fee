//! How the last synchronization with the Store went: one row.

use crate::{conn::Conn, db::Tx, error::DbError, param::params, row::Row, sql::sql};
use qm_core::{Timestamp, text_enum};

text_enum! {
    /// What the synchronization is doing.
    pub enum SyncState {
        /// Nothing; the last one went well, or there was none.
        Idle = "idle",
        /// It runs.
        Running = "running",
        /// Nothing; the last one failed.
        Failed = "failed",
    }
}

/// How the last synchronization went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// What it is doing.
    pub state: SyncState,
    /// When one last went well.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last, for people.
    pub last_error: Option<String>,
    /// Products in the Store's inventory.
    pub products: i64,
    /// Seats assigned at the Store.
    pub seats_assigned: i64,
    /// Where the next incremental synchronization starts.
    pub modified_since: Option<Timestamp>,
}

/// The status; idle and empty before the first synchronization.
pub async fn find(conn: &mut Conn) -> Result<StoreStatus, DbError> {
    conn.one(&FIND, params![], read).await
}

/// Replaces the status.
pub async fn update(tx: &mut Tx, status: &StoreStatus) -> Result<(), DbError> {
    let s = status;
    let params = params![
        s.state,
        s.last_success_at,
        s.last_error.as_deref(),
        s.products,
        s.seats_assigned,
        s.modified_since,
    ];
    tx.execute(&UPDATE, params).await.map(|_| ())
}

fn read(row: Row<'_>) -> Result<StoreStatus, DbError> {
    Ok(StoreStatus {
        state: row.get("state")?,
        last_success_at: row.optional("last_success_at")?,
        last_error: row.optional("last_error")?,
        products: row.get("products")?,
        seats_assigned: row.get("seats_assigned")?,
        modified_since: row.optional("modified_since")?,
    })
}

sql! {
    columns "state, last_success_at, last_error, products, seats_assigned, modified_since";
    FIND = "SELECT {columns} FROM store_status WHERE only_row = 1";
    UPDATE = "UPDATE store_status SET state = $1, last_success_at = $2, last_error = $3, products = $4, \
        seats_assigned = $5, modified_since = $6 WHERE only_row = 1";
}
