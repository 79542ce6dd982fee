//! Requests with an `Idempotency-Key`: reserved before they are carried out, answered again when they are repeated.

use crate::{conn::Conn, db::Tx, error::DbError, param::params, row::Row, sql::sql};
use qm_core::{ApiTokenId, Sha256, Timestamp};
use std::time::Duration;

/// A request and the answer it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentReply {
    /// Who asked.
    pub token_id: ApiTokenId,
    /// The key they gave.
    pub key: String,
    /// Digest of the request, to tell a repeat from another request with the same key.
    pub request_digest: Sha256,
    /// The answer's HTTP status; [`RESERVED`] or [`CARRIED_OUT`] while there is none.
    pub status: i64,
    /// The answer's body.
    pub body: String,
    /// When the key was reserved.
    pub created_at: Timestamp,
}

/// Whoever carries a request out under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Who asked.
    pub token_id: ApiTokenId,
    /// The key they gave.
    pub key: String,
    /// When it was reserved; tells this attempt from a later one.
    pub reserved_at: Timestamp,
}

/// The status of a key whose request is being carried out.
pub const RESERVED: i64 = 0;
/// The status of a key whose request was carried out, but whose answer is not stored.
pub const CARRIED_OUT: i64 = 1;

/// The answer given to this caller's key.
pub async fn find(conn: &mut Conn, token: ApiTokenId, key: &str) -> Result<Option<IdempotentReply>, DbError> {
    conn.optional(&FIND, params![token, key], read).await
}

/// Reserves the key for whoever carries the request out. `false` if it is in use.
pub async fn reserve(tx: &mut Tx, by: &Reservation, request_digest: Sha256) -> Result<bool, DbError> {
    let params = params![by.token_id, &by.key, request_digest, RESERVED, "", by.reserved_at];
    Ok(tx.execute(&INSERT, params).await? > 0)
}

/// Takes over a key that nobody is at work on any more: reserved before `abandoned` without a trace of the work, or
/// answered before `expired`. `false` if it is neither.
pub async fn take_over(
    tx: &mut Tx,
    by: &Reservation,
    request_digest: Sha256,
    abandoned: Timestamp,
    expired: Timestamp,
) -> Result<bool, DbError> {
    let params = params![
        by.token_id,
        &by.key,
        request_digest,
        by.reserved_at,
        abandoned,
        expired
    ];
    Ok(tx.execute(&TAKE_OVER, params).await? > 0)
}

/// Notes, in the transaction that does the work, that it is done. `false` if somebody else has taken the key over: then
/// this transaction must not be committed.
pub async fn carried_out(tx: &mut Tx, by: &Reservation) -> Result<bool, DbError> {
    let params = params![by.token_id, &by.key, by.reserved_at];
    Ok(tx.execute(&CARRIED_OUT_NOW, params).await? > 0)
}

/// Keeps the answer for repeats.
pub async fn answer(tx: &mut Tx, by: &Reservation, status: i64, body: &str) -> Result<bool, DbError> {
    let params = params![by.token_id, &by.key, by.reserved_at, status, body];
    Ok(tx.execute(&ANSWER, params).await? > 0)
}

/// Gives the key back after a refusal, as nothing was done.
pub async fn release(tx: &mut Tx, by: &Reservation) -> Result<(), DbError> {
    let params = params![by.token_id, &by.key, by.reserved_at];
    tx.execute(&RELEASE, params).await.map(|_| ())
}

/// Dates back by `lease` what was reserved within it and not answered, so that nobody waits for it: for the only server
/// of a database, when it starts. How many keys that were.
pub async fn abandon(tx: &mut Tx, lease: Duration, now: Timestamp) -> Result<u64, DbError> {
    let back = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    tx.execute(&ABANDON, params![back, now - lease]).await
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
    TAKE_OVER = "UPDATE idempotency_keys SET request_digest = $3, status = 0, body = '', created_at = $4 \
        WHERE token_id = $1 AND key = $2 AND ((status = 0 AND created_at < $5) OR created_at < $6)";
    CARRIED_OUT_NOW = "UPDATE idempotency_keys SET status = 1 \
        WHERE token_id = $1 AND key = $2 AND created_at = $3 AND status < 2";
    ANSWER = "UPDATE idempotency_keys SET status = $4, body = $5 \
        WHERE token_id = $1 AND key = $2 AND created_at = $3 AND status < 2";
    RELEASE = "DELETE FROM idempotency_keys \
        WHERE token_id = $1 AND key = $2 AND created_at = $3 AND status = 0";
    ABANDON = "UPDATE idempotency_keys SET created_at = created_at - $1 WHERE created_at >= $2 AND status < 2";
    PURGE = "DELETE FROM idempotency_keys WHERE (token_id, key) IN \
        (SELECT token_id, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
}
