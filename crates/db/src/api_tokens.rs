//! Administrators' API tokens; only hashes are stored.

use crate::{conn::Conn, db::Tx, error::DbError, paging, param::params, row::Row, sql::sql};
use qm_core::{ApiTokenId, Page, PageRequest, Sha256, access::ApiToken};

/// Stores a new token.
pub async fn insert(tx: &mut Tx, token: &ApiToken) -> Result<(), DbError> {
    let t = token;
    tx.execute(&INSERT, params![t.id, &t.name, t.role, &t.hash, t.created_at])
        .await
        .map(|_| ())
}

/// The token with this hash.
pub async fn find_by_hash(conn: &mut Conn, hash: &Sha256) -> Result<Option<ApiToken>, DbError> {
    conn.optional(&FIND_BY_HASH, params![hash], read).await
}

/// All tokens, newest first.
pub async fn list(conn: &mut Conn, page: PageRequest) -> Result<Page<ApiToken>, DbError> {
    let tokens = conn
        .all(&LIST, params![paging::before(page), paging::rows(page)], read)
        .await?;
    Ok(paging::cut(tokens, page, |token| token.id.0))
}

/// Removes a token; whether it existed.
pub async fn delete(tx: &mut Tx, id: ApiTokenId) -> Result<bool, DbError> {
    Ok(tx.execute(&DELETE, params![id]).await? > 0)
}

fn read(row: Row<'_>) -> Result<ApiToken, DbError> {
    Ok(ApiToken {
        id: row.get("id")?,
        name: row.get("name")?,
        role: row.get("role")?,
        hash: row.get("hash")?,
        created_at: row.get("created_at")?,
    })
}

sql! {
    columns "id, name, role, hash, created_at";
    INSERT = "INSERT INTO api_tokens ({columns}) VALUES ($1, $2, $3, $4, $5)";
    FIND_BY_HASH = "SELECT {columns} FROM api_tokens WHERE hash = $1";
    LIST = "SELECT {columns} FROM api_tokens WHERE id < $1 ORDER BY id DESC LIMIT $2";
    DELETE = "DELETE FROM api_tokens WHERE id = $1";
}
