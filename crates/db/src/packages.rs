//! The packages of apps, and which frameworks go with which package.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    param::{Rows, params},
    row::{Row, to_json},
    sql::sql,
};
use qm_core::{AppId, PackageId, Sha256, app::Package};
use std::collections::HashMap;

/// Stores a package: a new one, or a change of the one of the same app with the same Store package id (without such an
/// id: the same full name), which keeps its id, and its content if that is the same package and `sha256` is not given.
/// The frameworks are left alone: see [`set_frameworks`]. Answers with the package's id.
pub async fn upsert(tx: &mut Tx, package: &Package) -> Result<PackageId, DbError> {
    let p = package;
    let statement = if p.store_package_id.is_some() {
        &UPSERT_STORE
    } else {
        &UPSERT_UPLOAD
    };
    let params = params![
        p.id,
        p.app_id,
        p.role,
        p.store_package_id.as_deref(),
        p.content_id.as_deref(),
        &p.full_name,
        &p.file_name,
        p.version,
        to_json(&p.architectures),
        p.bundle,
        to_json(&p.families),
        p.rank,
        p.size,
        p.sha256.as_ref(),
    ];
    tx.one(statement, params, |row| row.get("id")).await
}

/// Makes the given packages the frameworks of a package, in this order.
pub async fn set_frameworks(tx: &mut Tx, id: PackageId, frameworks: &[PackageId]) -> Result<(), DbError> {
    tx.execute(&CLEAR_FRAMEWORKS, params![id]).await?;
    if frameworks.is_empty() {
        return Ok(());
    }
    let rows = Rows::of(
        (0_i64..)
            .zip(frameworks)
            .map(|(position, framework)| (*framework, position)),
    );
    tx.execute(&ADD_FRAMEWORKS, params![id, rows]).await.map(|_| ())
}

/// Notes that the package's content is in the content store; `None` that it is not any more.
pub async fn set_content(
    tx: &mut Tx,
    id: PackageId,
    content: Option<(Sha256, i64)>,
) -> Result<bool, DbError> {
    let (sha256, size) = content.unzip();
    Ok(tx.execute(&SET_CONTENT, params![id, sha256, size]).await? > 0)
}

/// One package.
pub async fn find(conn: &mut Conn, id: PackageId) -> Result<Option<Package>, DbError> {
    Ok(by_ids(conn, &[id]).await?.pop())
}

/// Those of the given packages that exist, in no particular order.
pub async fn by_ids(conn: &mut Conn, ids: &[PackageId]) -> Result<Vec<Package>, DbError> {
    let packages = conn
        .all(&BY_IDS, params![Rows::of(ids.iter().map(|id| (*id,)))], read)
        .await?;
    with_frameworks(conn, packages).await
}

/// An app's packages, frameworks included, oldest first.
pub async fn list_for_app(conn: &mut Conn, app: AppId) -> Result<Vec<Package>, DbError> {
    let packages = conn.all(&LIST_FOR_APP, params![app], read).await?;
    with_frameworks(conn, packages).await
}

/// The packages whose content this is.
pub async fn find_by_sha(conn: &mut Conn, sha256: &Sha256) -> Result<Vec<Package>, DbError> {
    let packages = conn.all(&FIND_BY_SHA, params![sha256], read).await?;
    with_frameworks(conn, packages).await
}

/// Removes the packages of an app that are not in `keep`; how many those are.
pub async fn delete_others(tx: &mut Tx, app: AppId, keep: &[PackageId]) -> Result<u64, DbError> {
    tx.execute(
        &DELETE_OTHERS,
        params![app, Rows::of(keep.iter().map(|id| (*id,)))],
    )
    .await
}

/// Every content that a package or an icon refers to: what the content store has to keep.
pub async fn content_in_use(conn: &mut Conn) -> Result<Vec<Sha256>, DbError> {
    conn.all(&CONTENT_IN_USE, params![], |row| row.get("sha256"))
        .await
}

async fn with_frameworks(conn: &mut Conn, mut packages: Vec<Package>) -> Result<Vec<Package>, DbError> {
    if packages.is_empty() {
        return Ok(packages);
    }
    let ids = Rows::of(packages.iter().map(|package| (package.id,)));
    let pairs = conn
        .all(&FRAMEWORKS, params![ids], |row| {
            Ok((row.get("package_id")?, row.get("framework_id")?))
        })
        .await?;
    let mut frameworks: HashMap<PackageId, Vec<PackageId>> = HashMap::new();
    for (package, framework) in pairs {
        frameworks.entry(package).or_default().push(framework);
    }
    for package in &mut packages {
        package.frameworks = frameworks.remove(&package.id).unwrap_or_default();
    }
    Ok(packages)
}

fn read(row: Row<'_>) -> Result<Package, DbError> {
    Ok(Package {
        id: row.get("id")?,
        app_id: row.get("app_id")?,
        role: row.get("role")?,
        store_package_id: row.optional("store_package_id")?,
        content_id: row.optional("content_id")?,
        full_name: row.get("full_name")?,
        file_name: row.get("file_name")?,
        version: row.get("version")?,
        architectures: row.json("architectures")?,
        bundle: row.get("bundle")?,
        families: row.json("families")?,
        rank: row.get("rank")?,
        size: row.get("size")?,
        sha256: row.optional("sha256")?,
        frameworks: Vec::new(),
    })
}

sql! {
    columns "id, app_id, role, store_package_id, content_id, full_name, file_name, version, architectures, bundle, \
             families, \"rank\", size, sha256";
    UPSERT_STORE = "INSERT INTO packages ({columns}) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
        ON CONFLICT (app_id, store_package_id) DO UPDATE SET role = excluded.role, \
          content_id = excluded.content_id, file_name = excluded.file_name, version = excluded.version, \
          architectures = excluded.architectures, bundle = excluded.bundle, families = excluded.families, \
          \"rank\" = excluded.\"rank\", full_name = excluded.full_name, \
          size = CASE WHEN excluded.sha256 IS NULL AND packages.sha256 IS NOT NULL \
            AND packages.full_name = excluded.full_name THEN packages.size ELSE excluded.size END, \
          sha256 = CASE WHEN excluded.sha256 IS NULL AND packages.full_name = excluded.full_name \
            THEN packages.sha256 ELSE excluded.sha256 END \
        RETURNING id";
    UPSERT_UPLOAD = "INSERT INTO packages ({columns}) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
        ON CONFLICT (app_id, full_name) WHERE store_package_id IS NULL DO UPDATE SET role = excluded.role, \
          content_id = coalesce(excluded.content_id, packages.content_id), file_name = excluded.file_name, \
          version = excluded.version, architectures = excluded.architectures, bundle = excluded.bundle, \
          families = excluded.families, \"rank\" = excluded.\"rank\", \
          size = CASE WHEN excluded.sha256 IS NULL AND packages.sha256 IS NOT NULL THEN packages.size \
            ELSE excluded.size END, \
          sha256 = coalesce(excluded.sha256, packages.sha256) \
        RETURNING id";
    CLEAR_FRAMEWORKS = "DELETE FROM package_frameworks WHERE package_id = $1";
    ADD_FRAMEWORKS = "INSERT INTO package_frameworks (package_id, framework_id, position) \
        SELECT $1, given.id, given.position FROM {rows $2 id blob, position bigint} WHERE TRUE \
        ON CONFLICT (package_id, framework_id) DO NOTHING";
    FRAMEWORKS = "SELECT f.package_id, f.framework_id FROM package_frameworks f \
        WHERE f.package_id IN (SELECT given.id FROM {rows $1 id blob}) ORDER BY f.package_id, f.position";
    SET_CONTENT = "UPDATE packages SET sha256 = $2, size = coalesce($3, size) WHERE id = $1";
    BY_IDS = "SELECT {columns p} FROM {rows $1 id blob} JOIN packages p ON p.id = given.id";
    LIST_FOR_APP = "SELECT {columns} FROM packages WHERE app_id = $1 ORDER BY id";
    FIND_BY_SHA = "SELECT {columns} FROM packages WHERE sha256 = $1 ORDER BY id";
    DELETE_OTHERS = "DELETE FROM packages WHERE app_id = $1 \
        AND id NOT IN (SELECT given.id FROM {rows $2 id blob})";
    CONTENT_IN_USE = "SELECT sha256 FROM packages WHERE sha256 IS NOT NULL \
        UNION SELECT icon FROM apps WHERE icon IS NOT NULL";
}
