//! Answers to requests with an `Idempotency-Key`, kept so that a repeat gets the same one.

use crate::{conn::Conn, db::Tx, error::DbError, param::params, row::Row, sql::sql};
use qm_core::{ApiTokenId, Sha256, Timestamp};

/// A request and the answer it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentReply {
    /// Who asked.
    pub token_id: ApiTokenId,
    /// The key they gave.
    pub key: String,
    /// Digest of the request, to tell a repeat from another request with the same key.
    pub request_digest: Sha256,
    /// The answer's HTTP status.
    pub status: i64,
    /// The answer's body.
    pub body: String,
    /// When it was given.
    pub created_at: Timestamp,
}

/// The answer given to this caller's key.
pub async fn find(conn: &mut Conn, token: ApiTokenId, key: &str) -> Result<Option<IdempotentReply>, DbError> {
    conn.optional(&FIND, params![token, key], read).await
}

/// Keeps an answer. `false` if the key was used meanwhile: then that answer counts, and this transaction must not.
pub async fn insert(tx: &mut Tx, reply: &IdempotentReply) -> Result<bool, DbError> {
    let r = reply;
    let params = params![
        r.token_id,
        &r.key,
        &r.request_digest,
        r.status,
        &r.body,
        r.created_at
    ];
    Ok(tx.execute(&INSERT, params).await? > 0)
}

/// Removes at most `limit` answers older than `before`.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE, params![before, limit]).await
}

fn read(row: Row<'_>) -> Result<IdempotentReply, DbError> {
    Ok(IdempotentReply {
        token_id: row.get("token_id")?,
        key: row.get("key")?,
        request_digest: row.get("request_digest")?,
        status: row.get("status")?,
        body: row.get("body")?,
        created_at: row.get("created_at")?,
    })
}

sql! {
    columns "token_id, key, request_digest, status, body, created_at";
    FIND = "SELECT {columns} FROM idempotency_keys WHERE token_id = $1 AND key = $2";
    INSERT = "INSERT INTO idempotency_keys ({columns}) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (token_id, key) DO NOTHING";
    PURGE = "DELETE FROM idempotency_keys WHERE (token_id, key) IN \
        (SELECT token_id, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
}
