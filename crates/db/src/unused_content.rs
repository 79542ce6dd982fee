//! Content that no package and no icon names any more: noted first, removed after a while.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    param::{Rows, params},
    sql::sql,
};
use qm_core::{Sha256, Timestamp};

/// Notes all the content that is unused now. What was noted before keeps its moment; what is used again or gone is
/// forgotten.
pub async fn note(tx: &mut Tx, unused: &[Sha256], now: Timestamp) -> Result<(), DbError> {
    let rows = || Rows::of(unused.iter().map(|sha256| (*sha256,)));
    tx.execute(&FORGET_OTHERS, params![rows()]).await?;
    tx.execute(&NOTE, params![now, rows()]).await.map(|_| ())
}

/// Content that has been unused since before that moment.
pub async fn since_before(conn: &mut Conn, before: Timestamp) -> Result<Vec<Sha256>, DbError> {
    conn.all(&SINCE_BEFORE, params![before], |row| row.get("sha256"))
        .await
}

/// Forgets content that is about to be removed; `false` if something names it again.
pub async fn take(tx: &mut Tx, sha256: &Sha256) -> Result<bool, DbError> {
    Ok(tx.execute(&TAKE, params![sha256]).await? > 0)
}

sql! {
    FORGET_OTHERS = "DELETE FROM unused_content WHERE sha256 NOT IN \
        (SELECT given.sha256 FROM {rows $1 sha256 blob})";
    NOTE = "INSERT INTO unused_content (sha256, since) SELECT given.sha256, $1 FROM {rows $2 sha256 blob} WHERE TRUE \
        ON CONFLICT (sha256) DO NOTHING";
    SINCE_BEFORE = "SELECT sha256 FROM unused_content WHERE since < $1 ORDER BY since";
    TAKE = "DELETE FROM unused_content WHERE sha256 = $1 \
        AND NOT EXISTS (SELECT 1 FROM packages p WHERE p.sha256 = $1) \
        AND NOT EXISTS (SELECT 1 FROM apps a WHERE a.icon = $1)";
}
