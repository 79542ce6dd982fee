//! The catalogue's apps.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    paging,
    param::{Param, Rows, cells, params},
    row::Row,
    sql::sql,
};
use qm_core::{
    AppId, Page, PageRequest, Sha256, Timestamp,
    app::{App, AppSource, LicenseKind, SeatCounts},
};

/// Which apps a list shows; everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppFilter {
    /// Licensed like this.
    pub license: Option<LicenseKind>,
    /// With this text in name, publisher, package family name or product id; case does not matter.
    pub q: Option<String>,
}

/// Stores what the Store says of a product: a new app, or a change of the one with the same product and SKU, which
/// keeps its id, its date and icon, and what the Store does not say this time (publisher, description, package family
/// name, seats), and is not missing any more. Answers with the app as it is stored now.
pub async fn upsert_store(tx: &mut Tx, app: &App) -> Result<App, DbError> {
    tx.one(&UPSERT_STORE, &row(app), read).await
}

/// Stores a new app.
pub async fn insert(tx: &mut Tx, app: &App) -> Result<(), DbError> {
    tx.execute(&INSERT, &row(app)).await.map(|_| ())
}

/// Replaces everything but id, source and date; whether the app exists.
pub async fn update(tx: &mut Tx, app: &App) -> Result<bool, DbError> {
    Ok(tx.execute(&UPDATE, &row(app)).await? > 0)
}

/// One app.
pub async fn find(conn: &mut Conn, id: AppId) -> Result<Option<App>, DbError> {
    conn.optional(&FIND, params![id], read).await
}

/// The app of a Store product.
pub async fn find_by_product(
    conn: &mut Conn,
    product_id: &str,
    sku_id: &str,
) -> Result<Option<App>, DbError> {
    conn.optional(&FIND_BY_PRODUCT, params![product_id, sku_id], read)
        .await
}

/// The newest app from this source with this package family name.
pub async fn find_by_family_name(
    conn: &mut Conn,
    family_name: &str,
    source: AppSource,
) -> Result<Option<App>, DbError> {
    conn.optional(&FIND_BY_FAMILY_NAME, params![family_name, source], read)
        .await
}

/// Keeps other transactions from deploying an app until this one ends.
pub async fn lock(tx: &mut Tx, id: AppId) -> Result<(), DbError> {
    tx.all(&LOCK, params![id], |_| Ok(())).await.map(|_| ())
}

/// Those of the given apps that exist, in no particular order.
pub async fn by_ids(conn: &mut Conn, ids: &[AppId]) -> Result<Vec<App>, DbError> {
    conn.all(&BY_IDS, params![Rows::of(ids.iter().map(|id| (*id,)))], read)
        .await
}

/// The apps that match, newest first.
pub async fn list(conn: &mut Conn, filter: &AppFilter, page: PageRequest) -> Result<Page<App>, DbError> {
    let license = filter.license.map_or("%", LicenseKind::as_str);
    let pattern = paging::containing(filter.q.as_deref());
    let params = params![paging::before(page), paging::rows(page), license, pattern];
    Ok(paging::cut(conn.all(&LIST, params, read).await?, page, |app| {
        app.id.0
    }))
}

/// The Store's apps that are offered, in no particular order: what a synchronization compares with.
pub async fn available_from_store(conn: &mut Conn) -> Result<Vec<App>, DbError> {
    conn.all(&AVAILABLE_FROM_STORE, params![], read).await
}

/// The Store's apps that its inventory did not list the last time, each with when that began.
pub async fn missing(conn: &mut Conn) -> Result<Vec<(AppId, Timestamp)>, DbError> {
    conn.all(&MISSING, params![], |row| {
        Ok((row.get("id")?, row.get("missing_since")?))
    })
    .await
}

/// Notes what a complete walk of the inventory missed; those that were missing before keep their time, all others are
/// there again.
pub async fn note_missing(tx: &mut Tx, missing: &[AppId], at: Timestamp) -> Result<(), DbError> {
    let ids = || Rows::of(missing.iter().map(|id| (*id,)));
    tx.execute(&FORGET_MISSING, params![ids()]).await?;
    tx.execute(&NOTE_MISSING, params![at, ids()]).await.map(|_| ())
}

/// Marks those of the Store's apps as removed that were offered, and tells which those are.
pub async fn mark_removed(tx: &mut Tx, gone: &[AppId], at: Timestamp) -> Result<Vec<AppId>, DbError> {
    let params = params![at, Rows::of(gone.iter().map(|id| (*id,)))];
    tx.all(&MARK_REMOVED, params, |row| row.get("id")).await
}

/// Stores where the icon is in the content store.
pub async fn set_icon(tx: &mut Tx, id: AppId, icon: &Sha256, at: Timestamp) -> Result<(), DbError> {
    tx.execute(&SET_ICON, params![id, icon, at]).await.map(|_| ())
}

/// Stores the Store's count of seats.
pub async fn set_seats(tx: &mut Tx, id: AppId, seats: SeatCounts, at: Timestamp) -> Result<(), DbError> {
    let params = params![id, seats.total, seats.assigned, seats.available, at];
    tx.execute(&SET_SEATS, params).await.map(|_| ())
}

fn row(app: &App) -> [Param<'_>; 16] {
    cells![
        app.id,
        &app.name,
        app.publisher.as_deref(),
        app.description.as_deref(),
        app.source,
        app.license,
        app.state,
        app.product_id.as_deref(),
        app.sku_id.as_deref(),
        app.package_family_name.as_deref(),
        app.seats.and_then(|seats| seats.total),
        app.seats.map(|seats| seats.assigned),
        app.seats.and_then(|seats| seats.available),
        app.icon.as_ref(),
        app.created_at,
        app.updated_at,
    ]
}

fn read(row: Row<'_>) -> Result<App, DbError> {
    let seats = match row.optional("seats_assigned")? {
        None => None,
        Some(assigned) => Some(SeatCounts {
            total: row.optional("seats_total")?,
            assigned,
            available: row.optional("seats_available")?,
        }),
    };
    Ok(App {
        id: row.get("id")?,
        name: row.get("name")?,
        publisher: row.optional("publisher")?,
        description: row.optional("description")?,
        source: row.get("source")?,
        license: row.get("license")?,
        state: row.get("state")?,
        product_id: row.optional("product_id")?,
        sku_id: row.optional("sku_id")?,
        package_family_name: row.optional("package_family_name")?,
        seats,
        icon: row.optional("icon")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

sql! {
    columns "id, name, publisher, description, source, license, state, product_id, sku_id, package_family_name, \
             seats_total, seats_assigned, seats_available, icon, created_at, updated_at";
    LOCK = "SELECT id FROM apps WHERE id = $1 {for_update}";
    INSERT = "INSERT INTO apps ({columns}) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    UPSERT_STORE = "INSERT INTO apps ({columns}) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
        ON CONFLICT (product_id, sku_id) DO UPDATE SET name = excluded.name, \
          publisher = coalesce(excluded.publisher, apps.publisher), \
          description = coalesce(excluded.description, apps.description), \
          license = excluded.license, state = excluded.state, \
          package_family_name = coalesce(excluded.package_family_name, apps.package_family_name), \
          seats_total = CASE WHEN excluded.license <> 'online' THEN NULL \
            WHEN excluded.seats_assigned IS NULL THEN apps.seats_total ELSE excluded.seats_total END, \
          seats_available = CASE WHEN excluded.license <> 'online' THEN NULL \
            WHEN excluded.seats_assigned IS NULL THEN apps.seats_available ELSE excluded.seats_available END, \
          seats_assigned = CASE WHEN excluded.license <> 'online' THEN NULL \
            ELSE coalesce(excluded.seats_assigned, apps.seats_assigned) END, \
          icon = coalesce(excluded.icon, apps.icon), missing_since = NULL, updated_at = excluded.updated_at \
        RETURNING {columns}";
    UPDATE = "UPDATE apps SET name = $2, publisher = $3, description = $4, license = $6, state = $7, product_id = $8, \
        sku_id = $9, package_family_name = $10, seats_total = $11, seats_assigned = $12, seats_available = $13, \
        icon = $14, updated_at = $16 WHERE id = $1 AND source = $5 AND created_at = $15";
    FIND = "SELECT {columns} FROM apps WHERE id = $1";
    FIND_BY_PRODUCT = "SELECT {columns} FROM apps WHERE product_id = $1 AND sku_id = $2";
    FIND_BY_FAMILY_NAME = "SELECT {columns} FROM apps WHERE package_family_name = $1 AND source = $2 \
        ORDER BY id DESC LIMIT 1";
    BY_IDS = "SELECT {columns apps} FROM {rows $1 id blob} JOIN apps ON apps.id = given.id";
    LIST = "SELECT {columns} FROM apps WHERE id < $1 AND license LIKE $3 \
        AND (lower(name) LIKE lower($4) ESCAPE '\\' OR lower(publisher) LIKE lower($4) ESCAPE '\\' \
          OR lower(package_family_name) LIKE lower($4) ESCAPE '\\' OR lower(product_id) LIKE lower($4) ESCAPE '\\') \
        ORDER BY id DESC LIMIT $2";
    AVAILABLE_FROM_STORE = "SELECT {columns} FROM apps WHERE source = 'store' AND state = 'available'";
    MISSING = "SELECT id, missing_since FROM apps WHERE missing_since IS NOT NULL";
    NOTE_MISSING = "UPDATE apps SET missing_since = $1 WHERE missing_since IS NULL \
        AND id IN (SELECT given.id FROM {rows $2 id blob})";
    FORGET_MISSING = "UPDATE apps SET missing_since = NULL WHERE missing_since IS NOT NULL \
        AND id NOT IN (SELECT given.id FROM {rows $1 id blob})";
    MARK_REMOVED = "UPDATE apps SET state = 'removed', missing_since = NULL, updated_at = $1 WHERE source = 'store' \
        AND state = 'available' AND id IN (SELECT given.id FROM {rows $2 id blob}) RETURNING id";
    SET_ICON = "UPDATE apps SET icon = $2, updated_at = $3 WHERE id = $1";
    SET_SEATS = "UPDATE apps SET seats_total = $2, seats_assigned = $3, seats_available = $4, updated_at = $5 \
        WHERE id = $1";
}
