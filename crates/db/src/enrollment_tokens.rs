//! Enrollment tokens, and the answers given to enrollments so that a repeat gets the same one.

use crate::{conn::Conn, db::Tx, error::DbError, paging, param::params, row::Row, sql::sql};
use qm_core::{
    DeviceId, EnrollmentTokenId, Page, PageRequest, Sha256, Timestamp, enrollment::EnrollmentToken,
};

/// An answer given to an enrollment request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentReply {
    /// The token that was used.
    pub token_id: EnrollmentTokenId,
    /// The `DeviceID` that the client claimed.
    pub dm_id: String,
    /// SHA-256 of the SubjectPublicKeyInfo in its request.
    pub public_key: Sha256,
    /// The device made for it.
    pub device_id: DeviceId,
    /// The answer, byte for byte.
    pub response: Vec<u8>,
    /// When it was given.
    pub created_at: Timestamp,
}

/// Stores a new token.
pub async fn insert(tx: &mut Tx, token: &EnrollmentToken) -> Result<(), DbError> {
    let t = token;
    let params = params![
        t.id,
        &t.upn,
        &t.hash,
        t.max_uses,
        t.uses,
        t.expires_at,
        t.created_at
    ];
    tx.execute(&INSERT, params).await.map(|_| ())
}

/// The token with this hash, used up and expired ones included.
pub async fn find_by_hash(conn: &mut Conn, hash: &Sha256) -> Result<Option<EnrollmentToken>, DbError> {
    conn.optional(&FIND_BY_HASH, params![hash], read).await
}

/// All tokens, newest first.
pub async fn list(conn: &mut Conn, page: PageRequest) -> Result<Page<EnrollmentToken>, DbError> {
    let tokens = conn
        .all(&LIST, params![paging::before(page), paging::rows(page)], read)
        .await?;
    Ok(paging::cut(tokens, page, |token| token.id.0))
}

/// Counts one use, if the token has one left and has not expired.
pub async fn take_use(tx: &mut Tx, id: EnrollmentTokenId, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&TAKE_USE, params![id, now]).await? > 0)
}

/// Removes a token, with the answers given for it; whether it existed.
pub async fn delete(tx: &mut Tx, id: EnrollmentTokenId) -> Result<bool, DbError> {
    Ok(tx.execute(&DELETE, params![id]).await? > 0)
}

/// Removes tokens that expired before `before`, with the answers given for them.
pub async fn purge_expired(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE_EXPIRED, params![before, limit]).await
}

/// Removes at most `limit` kept answers older than `before`.
pub async fn purge_replies(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE_REPLIES, params![before, limit]).await
}

/// Keeps an answer for a repeat of the same request.
pub async fn insert_reply(tx: &mut Tx, reply: &EnrollmentReply) -> Result<(), DbError> {
    let r = reply;
    let params = params![
        r.token_id,
        &r.dm_id,
        &r.public_key,
        r.device_id,
        r.response.as_slice(),
        r.created_at
    ];
    tx.execute(&INSERT_REPLY, params).await.map(|_| ())
}

/// The answer given before to the same token, claimed device and key.
pub async fn find_reply(
    conn: &mut Conn,
    token: EnrollmentTokenId,
    dm_id: &str,
    public_key: &Sha256,
) -> Result<Option<EnrollmentReply>, DbError> {
    conn.optional(&FIND_REPLY, params![token, dm_id, public_key], read_reply)
        .await
}

fn read(row: Row<'_>) -> Result<EnrollmentToken, DbError> {
    Ok(EnrollmentToken {
        id: row.get("id")?,
        upn: row.get("upn")?,
        hash: row.get("hash")?,
        max_uses: row.get("max_uses")?,
        uses: row.get("uses")?,
        expires_at: row.get("expires_at")?,
        created_at: row.get("created_at")?,
    })
}

fn read_reply(row: Row<'_>) -> Result<EnrollmentReply, DbError> {
    Ok(EnrollmentReply {
        token_id: row.get("token_id")?,
        dm_id: row.get("dm_id")?,
        public_key: row.get("public_key")?,
        device_id: row.get("device_id")?,
        response: row.get("response")?,
        created_at: row.get("created_at")?,
    })
}

sql! {
    columns "id, upn, hash, max_uses, uses, expires_at, created_at";
    INSERT = "INSERT INTO enrollment_tokens ({columns}) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FIND_BY_HASH = "SELECT {columns} FROM enrollment_tokens WHERE hash = $1";
    LIST = "SELECT {columns} FROM enrollment_tokens WHERE id < $1 ORDER BY id DESC LIMIT $2";
    TAKE_USE = "UPDATE enrollment_tokens SET uses = uses + 1 \
        WHERE id = $1 AND uses < max_uses AND expires_at > $2";
    DELETE = "DELETE FROM enrollment_tokens WHERE id = $1";
    PURGE_EXPIRED = "DELETE FROM enrollment_tokens WHERE id IN \
        (SELECT id FROM enrollment_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    PURGE_REPLIES = "DELETE FROM enrollment_replies WHERE (token_id, dm_id, public_key) IN \
        (SELECT token_id, dm_id, public_key FROM enrollment_replies WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    INSERT_REPLY = "INSERT INTO enrollment_replies (token_id, dm_id, public_key, device_id, response, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    FIND_REPLY = "SELECT token_id, dm_id, public_key, device_id, response, created_at FROM enrollment_replies \
        WHERE token_id = $1 AND dm_id = $2 AND public_key = $3";
}
