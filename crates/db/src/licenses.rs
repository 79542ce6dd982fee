//! Offline licenses.

use crate::{conn::Conn, db::Tx, error::DbError, param::params, row::Row, sql::sql};
use qm_core::{AppId, Secret, app::OfflineLicense};

/// Stores a license, or replaces the one for the same app and content.
pub async fn upsert(tx: &mut Tx, license: &OfflineLicense) -> Result<(), DbError> {
    let l = license;
    let params = params![
        l.app_id,
        &l.content_id,
        l.instance_id.as_deref(),
        l.blob.expose(),
        l.fetched_at
    ];
    tx.execute(&UPSERT, params).await.map(|_| ())
}

/// The license of an app for one content id.
pub async fn find(conn: &mut Conn, app: AppId, content_id: &str) -> Result<Option<OfflineLicense>, DbError> {
    conn.optional(&FIND, params![app, content_id], read).await
}

/// Every license of an app, newest first.
pub async fn list_for_app(conn: &mut Conn, app: AppId) -> Result<Vec<OfflineLicense>, DbError> {
    conn.all(&LIST_FOR_APP, params![app], read).await
}

fn read(row: Row<'_>) -> Result<OfflineLicense, DbError> {
    Ok(OfflineLicense {
        app_id: row.get("app_id")?,
        content_id: row.get("content_id")?,
        instance_id: row.optional("instance_id")?,
        blob: Secret::new(row.get("license_blob")?),
        fetched_at: row.get("fetched_at")?,
    })
}

sql! {
    columns "app_id, content_id, instance_id, license_blob, fetched_at";
    UPSERT = "INSERT INTO licenses ({columns}) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (app_id, content_id) DO UPDATE SET instance_id = excluded.instance_id, \
          license_blob = excluded.license_blob, fetched_at = excluded.fetched_at";
    FIND = "SELECT {columns} FROM licenses WHERE app_id = $1 AND content_id = $2";
    LIST_FOR_APP = "SELECT {columns} FROM licenses WHERE app_id = $1 ORDER BY fetched_at DESC, content_id";
}
