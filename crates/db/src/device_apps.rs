//! The apps that devices reported in their last inventory.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    paging,
    param::{Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{DeviceId, Page, PageRequest, Timestamp, deployment::Context, device::InstalledApp};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Replaces what is known of the given contexts by what the device reported of them, and notes that their inventory was
/// read at `at` and is not due any more. Rows that did not change are not written.
pub async fn replace(
    tx: &mut Tx,
    device: DeviceId,
    contexts: &[Context],
    apps: &[InstalledApp],
    at: Timestamp,
) -> Result<(), DbError> {
    let reported: BTreeMap<_, _> = apps
        .iter()
        .filter(|app| contexts.contains(&app.context))
        .map(|app| ((app.context, app.package_full_name.as_str()), app))
        .collect();
    for context in contexts {
        let names = reported
            .keys()
            .filter(|(c, _)| c == context)
            .map(|(_, name)| (*name,));
        tx.execute(&DELETE_OTHERS, params![device, *context, Rows::of(names)])
            .await?;
    }
    if !reported.is_empty() {
        tx.execute(
            &UPSERT,
            params![device, Rows::of(reported.values().map(|app| cells(app)))],
        )
        .await?;
    }
    note_read(tx, device, contexts, at).await
}

/// Notes that the inventory of the given contexts was asked for at `at` and is not due any more, whatever came of it.
pub async fn note_read(
    tx: &mut Tx,
    device: DeviceId,
    contexts: &[Context],
    at: Timestamp,
) -> Result<(), DbError> {
    let (of_device, of_user) = (
        contexts.contains(&Context::Device),
        contexts.contains(&Context::User),
    );
    tx.execute(&NOTE_READ, params![device, at, of_device, of_user])
        .await
        .map(|_| ())
}

/// A device's apps by package full name. The page's ids are positions in that list.
pub async fn list(
    conn: &mut Conn,
    device: DeviceId,
    page: PageRequest,
) -> Result<Page<InstalledApp>, DbError> {
    let skip = i64::try_from(paging::after(page).as_u128()).unwrap_or(i64::MAX);
    let apps = conn
        .all(&LIST, params![device, skip, paging::rows(page)], read)
        .await?;
    let shown = page.limit.min(PageRequest::MAX_LIMIT);
    let next = Uuid::from_u128(skip.unsigned_abs().into()).as_u128() + u128::from(shown);
    Ok(paging::cut(apps, page, |_| Uuid::from_u128(next)))
}

/// Everything that a device reported, in no particular order.
pub async fn all(conn: &mut Conn, device: DeviceId) -> Result<Vec<InstalledApp>, DbError> {
    conn.all(&ALL, params![device], read).await
}

/// Forgets a device's apps.
pub async fn delete(tx: &mut Tx, device: DeviceId) -> Result<(), DbError> {
    tx.execute(&DELETE, params![device]).await.map(|_| ())
}

type Cells<'a> = (
    &'a str,
    Context,
    Option<bool>,
    &'a str,
    &'a str,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
);

fn cells(app: &InstalledApp) -> Cells<'_> {
    (
        &app.package_full_name,
        app.context,
        app.provisioned,
        &app.package_family_name,
        &app.version,
        app.install_location.as_deref(),
        app.source.as_deref(),
        app.users.as_deref(),
    )
}

fn read(row: Row<'_>) -> Result<InstalledApp, DbError> {
    Ok(InstalledApp {
        package_family_name: row.get("package_family_name")?,
        package_full_name: row.get("package_full_name")?,
        version: row.get("version")?,
        install_location: row.optional("install_location")?,
        source: row.optional("source")?,
        users: row.optional("users")?,
        context: row.get("context")?,
        provisioned: row.optional("provisioned")?,
    })
}

sql! {
    columns "package_full_name, context, provisioned, package_family_name, version, install_location, source, users";
    DELETE_OTHERS = "DELETE FROM device_apps WHERE device_id = $1 AND context = $2 \
        AND package_full_name NOT IN (SELECT given.name FROM {rows $3 name text})";
    UPSERT = "INSERT INTO device_apps (device_id, {columns}) SELECT $1, {columns given} \
        FROM {rows $2 package_full_name text, context text, provisioned boolean, package_family_name text, \
          version text, install_location text, source text, users text} WHERE TRUE \
        ON CONFLICT (device_id, package_full_name, context) DO UPDATE SET provisioned = excluded.provisioned, \
          package_family_name = excluded.package_family_name, version = excluded.version, \
          install_location = excluded.install_location, source = excluded.source, users = excluded.users \
        WHERE device_apps.provisioned IS DISTINCT FROM excluded.provisioned \
          OR device_apps.package_family_name <> excluded.package_family_name \
          OR device_apps.version <> excluded.version \
          OR device_apps.install_location IS DISTINCT FROM excluded.install_location \
          OR device_apps.source IS DISTINCT FROM excluded.source \
          OR device_apps.users IS DISTINCT FROM excluded.users";
    NOTE_READ = "UPDATE devices SET apps_read_at = CASE WHEN $3 THEN $2 ELSE apps_read_at END, \
          apps_due = apps_due AND NOT $3, \
          user_apps_read_at = CASE WHEN $4 THEN $2 ELSE user_apps_read_at END WHERE id = $1";
    LIST = "SELECT {columns} FROM device_apps WHERE device_id = $1 ORDER BY package_full_name, context \
        LIMIT $3 OFFSET $2";
    ALL = "SELECT {columns} FROM device_apps WHERE device_id = $1";
    DELETE = "DELETE FROM device_apps WHERE device_id = $1";
}
