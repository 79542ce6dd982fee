//! The audit trail: rows are added and, when old, removed; never changed.

use crate::{conn::Conn, db::Tx, error::DbError, paging, param::params, row::Row, sql::sql};
use qm_core::{Page, PageRequest, Timestamp, access::AuditEntry};

/// Adds a line.
pub async fn insert(tx: &mut Tx, entry: &AuditEntry) -> Result<(), DbError> {
    let e = entry;
    let params = params![
        e.id,
        e.at,
        &e.actor,
        &e.action,
        &e.object,
        &e.detail,
        e.source.as_deref()
    ];
    tx.execute(&INSERT, params).await.map(|_| ())
}

/// The trail, newest first.
pub async fn list(conn: &mut Conn, page: PageRequest) -> Result<Page<AuditEntry>, DbError> {
    let entries = conn
        .all(&LIST, params![paging::before(page), paging::rows(page)], read)
        .await?;
    Ok(paging::cut(entries, page, |entry| entry.id.0))
}

/// Removes at most `limit` lines older than `before`.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE, params![before, limit]).await
}

fn read(row: Row<'_>) -> Result<AuditEntry, DbError> {
    Ok(AuditEntry {
        id: row.get("id")?,
        at: row.get("at")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        object: row.get("object")?,
        detail: row.get("detail")?,
        source: row.optional("source")?,
    })
}

sql! {
    columns "id, at, actor, action, object, detail, source";
    INSERT = "INSERT INTO audit_entries ({columns}) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    LIST = "SELECT {columns} FROM audit_entries WHERE id < $1 ORDER BY id DESC LIMIT $2";
    PURGE = "DELETE FROM audit_entries WHERE id IN \
        (SELECT id FROM audit_entries WHERE at < $1 ORDER BY at LIMIT $2)";
}
