//! Small values that the server keeps for itself, by name.

use crate::{conn::Conn, db::Tx, error::DbError, param::params, sql::sql};

/// The value of a name.
pub async fn find(conn: &mut Conn, key: &str) -> Result<Option<String>, DbError> {
    conn.optional(&FIND, params![key], |row| row.get("value")).await
}

/// Gives a name a value.
pub async fn set(tx: &mut Tx, key: &str, value: &str) -> Result<(), DbError> {
    tx.execute(&SET, params![key, value]).await.map(|_| ())
}

/// Forgets a name.
pub async fn delete(tx: &mut Tx, key: &str) -> Result<(), DbError> {
    tx.execute(&DELETE, params![key]).await.map(|_| ())
}

sql! {
    FIND = "SELECT value FROM settings WHERE key = $1";
    SET = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    DELETE = "DELETE FROM settings WHERE key = $1";
}
