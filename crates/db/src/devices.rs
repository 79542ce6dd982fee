//! Devices: one row for each enrollment.

pub(crate) mod check_in;

pub use check_in::{Caller, CheckIn, Standing, check_in, check_in_many};

use crate::{
    conn::Conn,
    db::Tx,
    dialect::Engine,
    error::DbError,
    paging,
    param::{Rows, params},
    row::{Row, to_json},
    sql::sql,
};
use qm_core::{
    DeviceId, Page, PageRequest, Timestamp,
    deployment::Context,
    device::{Device, DeviceState, EndReason},
};
use std::collections::BTreeMap;

/// Which devices a list shows; everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceFilter {
    /// Of this user, in lower case.
    pub upn: Option<String>,
    /// Enrolled ones (`true`) or those that have left (`false`).
    pub enrolled: Option<bool>,
    /// With this text in name, user, hardware id or model; case does not matter.
    pub q: Option<String>,
}

/// Stores a new device.
pub async fn insert(tx: &mut Tx, device: &Device) -> Result<(), DbError> {
    let d = device;
    let params = params![
        d.id,
        d.state,
        d.end_reason,
        &d.dm_id,
        &d.hardware_id,
        &d.name,
        &d.upn,
        d.kind,
        d.enrolled_at,
        d.ended_at,
        d.os_version,
        d.manufacturer.as_deref(),
        d.model.as_deref(),
        d.architecture,
        d.last_seen_at,
        d.inventory_at,
        d.settings_at,
        d.apps_read_at,
        d.user_apps_read_at,
        d.apps_due,
        to_json(&d.details),
    ];
    tx.execute(&INSERT, params).await.map(|_| ())
}

/// One device.
pub async fn find(conn: &mut Conn, id: DeviceId) -> Result<Option<Device>, DbError> {
    conn.optional(&FIND, params![id], read).await
}

/// The devices that match, newest enrollment first.
pub async fn list(
    conn: &mut Conn,
    filter: &DeviceFilter,
    page: PageRequest,
) -> Result<Page<Device>, DbError> {
    let pattern = paging::containing(filter.q.as_deref());
    let (enrolled, ended) = (filter.enrolled != Some(false), filter.enrolled != Some(true));
    let (before, rows) = (paging::before(page), paging::rows(page));
    let devices = match &filter.upn {
        None => {
            conn.all(&LIST, params![before, rows, enrolled, ended, pattern], read)
                .await?
        }
        Some(upn) => {
            conn.all(
                &LIST_OF_USER,
                params![before, rows, enrolled, ended, pattern, upn],
                read,
            )
            .await?
        }
    };
    Ok(paging::cut(devices, page, |device| device.id.0))
}

/// Those of the given devices that are enrolled, in no particular order.
pub async fn by_ids(conn: &mut Conn, ids: &[DeviceId]) -> Result<Vec<Device>, DbError> {
    conn.all(&BY_IDS, params![Rows::of(ids.iter().map(|id| (*id,)))], read)
        .await
}

/// The enrolled devices of the given users (lower case), in no particular order.
pub async fn by_upns(conn: &mut Conn, upns: &[String]) -> Result<Vec<Device>, DbError> {
    conn.all(&BY_UPNS, params![Rows::of(upns.iter().map(|upn| (upn,)))], read)
        .await
}

/// The enrolled devices that `except` may take the place of: same claimed hardware, same user.
pub async fn predecessors(
    conn: &mut Conn,
    hardware_id: &str,
    upn: &str,
    except: DeviceId,
) -> Result<Vec<Device>, DbError> {
    conn.all(&PREDECESSORS, params![hardware_id, upn, except], read)
        .await
}

/// Another enrolled device that claims the same `DeviceID`.
pub async fn other_live_device_with_dm_id(
    conn: &mut Conn,
    dm_id: &str,
    except: DeviceId,
) -> Result<Option<Device>, DbError> {
    conn.optional(&OTHER_WITH_DM_ID, params![dm_id, except], read)
        .await
}

/// How many devices are in which state.
pub async fn counts(conn: &mut Conn) -> Result<BTreeMap<DeviceState, i64>, DbError> {
    let counts = conn
        .all(&COUNTS, params![], |row| Ok((row.get("state")?, row.get("n")?)))
        .await?;
    Ok(counts.into_iter().collect())
}

/// Stores what the client calls itself, where that is not what it said at enrollment.
pub async fn set_dm_id(tx: &mut Tx, id: DeviceId, dm_id: &str) -> Result<(), DbError> {
    tx.execute(&SET_DM_ID, params![id, dm_id]).await.map(|_| ())
}

/// Keeps other transactions from working on these devices until this one ends: messages of one device are answered one
/// after another. Always in one order, so that two that lock several do not wait for each other.
pub async fn lock(tx: &mut Tx, ids: &[DeviceId]) -> Result<(), DbError> {
    if tx.engine() == Engine::Sqlite {
        // Whoever writes is alone.
        return Ok(());
    }
    let rows = Rows::of(ids.iter().map(|id| (*id,)));
    tx.all(&LOCK, params![rows], |_| Ok(())).await.map(|_| ())
}

/// Stores what the inventory brought: name, Windows version, make, model, architecture, details, and when inventory
/// and settings were last done.
pub async fn update_inventory(tx: &mut Tx, device: &Device) -> Result<(), DbError> {
    let d = device;
    let params = params![
        d.id,
        &d.name,
        d.os_version,
        d.manufacturer.as_deref(),
        d.model.as_deref(),
        d.architecture,
        d.inventory_at,
        d.settings_at,
        to_json(&d.details),
    ];
    tx.execute(&UPDATE_INVENTORY, params).await.map(|_| ())
}

/// Moves an enrollment that has not ended; whether there was one.
pub async fn set_state(tx: &mut Tx, id: DeviceId, state: DeviceState) -> Result<bool, DbError> {
    Ok(tx.execute(&SET_STATE, params![id, state]).await? > 0)
}

/// Ends an enrollment; whether it had not ended before.
pub async fn end(tx: &mut Tx, id: DeviceId, reason: EndReason, at: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(&END, params![id, reason, at]).await? > 0)
}

/// At most `limit` devices that left before `before`, the longest gone first. A device with a live target, or one that
/// is the reason of a seat, is not among them.
pub async fn ended_before(conn: &mut Conn, before: Timestamp, limit: u32) -> Result<Vec<DeviceId>, DbError> {
    conn.all(&ENDED_BEFORE, params![before, limit], |row| row.get("id"))
        .await
}

/// Removes devices that have left, with everything that hangs on them; how many. Their targets have to be gone.
pub async fn delete_ended(tx: &mut Tx, ids: &[DeviceId]) -> Result<u64, DbError> {
    let ids = Rows::of(ids.iter().map(|id| (*id,)));
    tx.execute(&DELETE_ENDED, params![ids]).await
}

/// Ends enrollments older than `before` that no management session followed, and tells which.
pub async fn expire_provisional(
    tx: &mut Tx,
    before: Timestamp,
    at: Timestamp,
) -> Result<Vec<DeviceId>, DbError> {
    tx.all(&EXPIRE_PROVISIONAL, params![before, at], |row| row.get("id"))
        .await
}

/// Devices that ended after `since` and have live targets all the same: of deployments that were created while they left.
pub async fn ended_with_live_targets(
    conn: &mut Conn,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Device>, DbError> {
    conn.all(&ENDED_WITH_LIVE_TARGETS, params![since, limit], read)
        .await
}

/// Notes when devices were last seen, all in one statement; an earlier time never replaces a later one.
pub async fn touch(tx: &mut Tx, seen: &[(DeviceId, Timestamp)]) -> Result<(), DbError> {
    // PostgreSQL would take any one of several rows for the same device.
    let mut latest = BTreeMap::new();
    for &(id, at) in seen {
        latest
            .entry(id)
            .and_modify(|known: &mut Timestamp| *known = at.max(*known))
            .or_insert(at);
    }
    if latest.is_empty() {
        return Ok(());
    }
    tx.execute(&TOUCH, params![Rows::of(latest)]).await.map(|_| ())
}

/// Wants the app inventory of these devices, in the given contexts, whatever its age: that of the device in its next
/// session, that of the user in the next one with the user signed in.
pub async fn want_apps(tx: &mut Tx, ids: &[DeviceId], contexts: &[Context]) -> Result<(), DbError> {
    let (device, user) = (
        contexts.contains(&Context::Device),
        contexts.contains(&Context::User),
    );
    let ids = Rows::of(ids.iter().map(|id| (*id,)));
    tx.execute(&WANT_APPS, params![device, user, ids])
        .await
        .map(|_| ())
}

pub(crate) fn read(row: Row<'_>) -> Result<Device, DbError> {
    Ok(Device {
        id: row.get("id")?,
        state: row.get("state")?,
        end_reason: row.optional("end_reason")?,
        dm_id: row.get("dm_id")?,
        hardware_id: row.get("hardware_id")?,
        name: row.get("name")?,
        upn: row.get("upn")?,
        kind: row.get("kind")?,
        enrolled_at: row.get("enrolled_at")?,
        ended_at: row.optional("ended_at")?,
        os_version: row.optional("os_version")?,
        manufacturer: row.optional("manufacturer")?,
        model: row.optional("model")?,
        architecture: row.optional("architecture")?,
        last_seen_at: row.optional("last_seen_at")?,
        inventory_at: row.optional("inventory_at")?,
        settings_at: row.optional("settings_at")?,
        apps_read_at: row.optional("apps_read_at")?,
        user_apps_read_at: row.optional("user_apps_read_at")?,
        apps_due: row.get("apps_due")?,
        details: row.json("details")?,
    })
}

pub(crate) const COLUMNS: &str = "id, state, end_reason, dm_id, hardware_id, name, upn, kind, enrolled_at, ended_at, os_version, \
    manufacturer, model, architecture, last_seen_at, inventory_at, settings_at, apps_read_at, user_apps_read_at, \
    apps_due, details";

sql! {
    columns COLUMNS;
    INSERT = "INSERT INTO devices ({columns}) VALUES \
        ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
    FIND = "SELECT {columns} FROM devices WHERE id = $1";
    SET_DM_ID = "UPDATE devices SET dm_id = $2 WHERE id = $1";
    LOCK = "SELECT id FROM devices WHERE id IN (SELECT given.id FROM {rows $1 id blob}) ORDER BY id {for_update}";
    LIST = "SELECT {columns} FROM devices WHERE id < $1 \
        AND (($3 AND state <> 'ended') OR ($4 AND state = 'ended')) \
        AND (lower(name) LIKE lower($5) ESCAPE '\\' OR lower(upn) LIKE lower($5) ESCAPE '\\' \
          OR lower(hardware_id) LIKE lower($5) ESCAPE '\\' OR lower(model) LIKE lower($5) ESCAPE '\\') \
        ORDER BY id DESC LIMIT $2";
    LIST_OF_USER = "SELECT {columns} FROM devices WHERE upn = $6 AND id < $1 \
        AND (($3 AND state <> 'ended') OR ($4 AND state = 'ended')) \
        AND (lower(name) LIKE lower($5) ESCAPE '\\' OR lower(upn) LIKE lower($5) ESCAPE '\\' \
          OR lower(hardware_id) LIKE lower($5) ESCAPE '\\' OR lower(model) LIKE lower($5) ESCAPE '\\') \
        ORDER BY id DESC LIMIT $2";
    BY_IDS = "SELECT {columns devices} FROM {rows $1 id blob} JOIN devices ON devices.id = given.id \
        WHERE devices.state <> 'ended'";
    BY_UPNS = "SELECT {columns} FROM devices WHERE upn IN (SELECT given.upn FROM {rows $1 upn text}) \
        AND state <> 'ended'";
    PREDECESSORS = "SELECT {columns} FROM devices WHERE hardware_id = $1 AND upn = $2 AND id <> $3 \
        AND state <> 'ended' ORDER BY id";
    OTHER_WITH_DM_ID = "SELECT {columns} FROM devices WHERE dm_id = $1 AND id <> $2 AND state <> 'ended' \
        ORDER BY id DESC LIMIT 1";
    COUNTS = "SELECT state, count(*) AS n FROM devices GROUP BY state";
    UPDATE_INVENTORY = "UPDATE devices SET name = $2, os_version = $3, manufacturer = $4, model = $5, \
        architecture = $6, inventory_at = $7, settings_at = $8, details = $9 WHERE id = $1";
    SET_STATE = "UPDATE devices SET state = $2 WHERE id = $1 AND state <> 'ended'";
    END = "UPDATE devices SET state = 'ended', end_reason = $2, ended_at = $3 WHERE id = $1 AND state <> 'ended'";
    ENDED_BEFORE = "SELECT d.id FROM devices d WHERE d.ended_at < $1 AND d.state = 'ended' AND NOT EXISTS \
        (SELECT 1 FROM targets t WHERE t.device_id = d.id \
          AND (t.open OR EXISTS (SELECT 1 FROM seat_reasons r WHERE r.target_id = t.id))) \
        ORDER BY d.ended_at LIMIT $2";
    ENDED_WITH_LIVE_TARGETS = "SELECT {columns d} FROM devices d WHERE d.ended_at > $1 AND d.state = 'ended' \
        AND EXISTS (SELECT 1 FROM targets t WHERE t.device_id = d.id AND t.open) ORDER BY d.ended_at LIMIT $2";
    DELETE_ENDED = "DELETE FROM devices WHERE id IN (SELECT given.id FROM {rows $1 id blob}) AND state = 'ended' \
        AND NOT EXISTS (SELECT 1 FROM targets t WHERE t.device_id = devices.id)";
    EXPIRE_PROVISIONAL = "UPDATE devices SET state = 'ended', end_reason = 'expired', ended_at = $2 \
        WHERE state = 'provisional' AND enrolled_at < $1 RETURNING id";
    TOUCH = "UPDATE devices SET last_seen_at = given.at FROM {rows $1 id blob, at bigint} \
        WHERE devices.id = given.id AND (devices.last_seen_at IS NULL OR devices.last_seen_at < given.at)";
    WANT_APPS = "UPDATE devices SET apps_due = apps_due OR $1, \
          user_apps_read_at = CASE WHEN $2 THEN NULL ELSE user_apps_read_at END \
        WHERE id IN (SELECT given.id FROM {rows $3 id blob}) \
          AND ($1 AND NOT apps_due OR $2 AND user_apps_read_at IS NOT NULL)";
}
