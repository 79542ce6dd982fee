//! Finding targets: for lists, for devices that call in, and for background work.

use super::read;
use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    paging,
    param::{Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{
    AppId, DeploymentId, DeviceId, Page, PageRequest, TargetId, Timestamp,
    deployment::{Deployment, DeploymentState, Target, TargetState},
};

/// A target that is not final, with the state of its deployment: nothing new is sent for a paused one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveTarget {
    /// The target.
    pub target: Target,
    /// Its deployment's state.
    pub deployment: DeploymentState,
}

/// One target.
pub async fn find(conn: &mut Conn, id: TargetId) -> Result<Option<Target>, DbError> {
    conn.optional(&FIND, params![id], read).await
}

/// A deployment's targets, oldest first; only those in `state` where one is given.
pub async fn list(
    conn: &mut Conn,
    deployment: DeploymentId,
    state: Option<TargetState>,
    page: PageRequest,
) -> Result<Page<Target>, DbError> {
    let (after, rows) = (paging::after(page), paging::rows(page));
    let targets = match state {
        None => conn.all(&LIST, params![deployment, after, rows], read).await?,
        Some(state) => {
            conn.all(&LIST_IN_STATE, params![deployment, after, rows, state], read)
                .await?
        }
    };
    Ok(paging::cut(targets, page, |target| target.id.0))
}

/// At most `limit` targets of a deployment that are in one of the states, oldest first, behind `after`: the next piece
/// of work of a cancellation or a retry.
pub async fn in_states(
    conn: &mut Conn,
    deployment: DeploymentId,
    states: &[TargetState],
    after: Option<TargetId>,
    limit: u32,
) -> Result<Vec<Target>, DbError> {
    let after = after.map_or(uuid::Uuid::nil(), |id| id.0);
    let states = Rows::of(states.iter().map(|state| (*state,)));
    conn.all(&IN_STATES, params![deployment, after, limit, states], read)
        .await
}

/// What is live for a device, oldest first, with the states of the deployments.
pub async fn live_for_device(conn: &mut Conn, device: DeviceId) -> Result<Vec<LiveTarget>, DbError> {
    conn.all(&LIVE_FOR_DEVICE, params![device], read_live).await
}

/// The live targets of an app on the given devices: at most one for each.
pub async fn live_of_app(conn: &mut Conn, app: AppId, devices: &[DeviceId]) -> Result<Vec<Target>, DbError> {
    let devices = Rows::of(devices.iter().map(|id| (*id,)));
    conn.all(&LIVE_OF_APP, params![app, devices], read).await
}

/// Those of the devices for which a newer deployment of the app wanted something else.
pub async fn overruled(
    conn: &mut Conn,
    deployment: &Deployment,
    devices: &[DeviceId],
) -> Result<Vec<DeviceId>, DbError> {
    let devices = Rows::of(devices.iter().map(|id| (*id,)));
    let params = params![deployment.app_id, deployment.id, deployment.intent, devices];
    conn.all(&OVERRULED, params, |row| row.get("device_id")).await
}

/// Keeps other transactions from moving these targets until this one ends; the targets as they are now.
pub async fn hold(tx: &mut Tx, ids: &[TargetId]) -> Result<Vec<Target>, DbError> {
    tx.all(&HOLD, params![Rows::of(ids.iter().map(|id| (*id,)))], read)
        .await
}

/// At most `limit` targets that wait for a seat of an app, oldest first, of active deployments only.
pub async fn awaiting_seats(conn: &mut Conn, app: AppId, limit: u32) -> Result<Vec<Target>, DbError> {
    conn.all(&AWAITING_SEATS, params![app, limit], read).await
}

/// The apps that targets of active deployments wait for a seat of.
pub async fn apps_awaiting_seats(conn: &mut Conn) -> Result<Vec<AppId>, DbError> {
    conn.all(&APPS_AWAITING_SEATS, params![], |row| row.get("app_id"))
        .await
}

/// At most `limit` targets of an app that have to be prepared, oldest first, behind `after`; of active deployments
/// only, and without mere offers.
pub async fn planned(
    conn: &mut Conn,
    app: AppId,
    after: Option<TargetId>,
    limit: u32,
) -> Result<Vec<Target>, DbError> {
    let after = after.map_or(uuid::Uuid::nil(), |id| id.0);
    conn.all(&PLANNED, params![app, after, limit], read).await
}

/// The apps with targets of active deployments that have to be prepared.
pub async fn apps_with_planned(conn: &mut Conn) -> Result<Vec<AppId>, DbError> {
    conn.all(&APPS_WITH_PLANNED, params![], |row| row.get("app_id"))
        .await
}

/// At most `limit` targets whose deadline has come, the longest overdue first. Paused deployments do not age.
pub async fn overdue(conn: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<Target>, DbError> {
    conn.all(&OVERDUE, params![now, limit], read).await
}

/// The targets that brought an app to a user's devices: why a seat is still needed.
pub async fn installed_of(conn: &mut Conn, app: AppId, upn: &str) -> Result<Vec<Target>, DbError> {
    conn.all(&INSTALLED_OF, params![app, upn], read).await
}

fn read_live(row: Row<'_>) -> Result<LiveTarget, DbError> {
    Ok(LiveTarget {
        target: read(row)?,
        deployment: row.get("deployment_state")?,
    })
}

sql! {
    columns "id, deployment_id, app_id, intent, context, device_id, upn, state, attempts, error, package_id, \
             license_accepted, not_before, deadline, updated_at";
    FIND = "SELECT {columns} FROM targets WHERE id = $1";
    LIST = "SELECT {columns} FROM targets WHERE deployment_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    LIST_IN_STATE = "SELECT {columns} FROM targets WHERE deployment_id = $1 AND state = $4 AND id > $2 \
        ORDER BY id LIMIT $3";
    IN_STATES = "SELECT {columns} FROM targets WHERE deployment_id = $1 AND id > $2 \
        AND state IN (SELECT given.state FROM {rows $4 state text}) ORDER BY id LIMIT $3";
    LIVE_FOR_DEVICE = "SELECT {columns t}, d.state AS deployment_state FROM targets t \
        JOIN deployments d ON d.id = t.deployment_id WHERE t.device_id = $1 AND t.open ORDER BY t.id";
    LIVE_OF_APP = "SELECT {columns t} FROM {rows $2 id blob} \
        JOIN targets t ON t.device_id = given.id AND t.app_id = $1 AND t.open";
    OVERRULED = "SELECT DISTINCT t.device_id FROM {rows $4 id blob} JOIN targets t ON t.device_id = given.id \
        WHERE t.app_id = $1 AND t.deployment_id > $2 AND t.intent <> $3 AND t.state <> 'not_applicable'";
    HOLD = "SELECT {columns} FROM targets WHERE id IN (SELECT given.id FROM {rows $1 id blob}) ORDER BY id {for_update}";
    AWAITING_SEATS = "SELECT {columns t} FROM targets t JOIN deployments d ON d.id = t.deployment_id \
        WHERE t.app_id = $1 AND t.state = 'awaiting_seat' AND d.state = 'active' ORDER BY t.id LIMIT $2";
    APPS_AWAITING_SEATS = "SELECT DISTINCT t.app_id FROM targets t JOIN deployments d ON d.id = t.deployment_id \
        WHERE t.state = 'awaiting_seat' AND d.state = 'active'";
    PLANNED = "SELECT {columns t} FROM targets t JOIN deployments d ON d.id = t.deployment_id \
        WHERE t.app_id = $1 AND t.id > $2 AND t.state = 'planned' AND t.intent <> 'available' \
        AND d.state = 'active' ORDER BY t.id LIMIT $3";
    APPS_WITH_PLANNED = "SELECT DISTINCT t.app_id FROM targets t JOIN deployments d ON d.id = t.deployment_id \
        WHERE t.state = 'planned' AND t.intent <> 'available' AND d.state = 'active'";
    OVERDUE = "SELECT {columns t} FROM targets t JOIN deployments d ON d.id = t.deployment_id \
        WHERE t.deadline <= $1 AND t.open AND d.state <> 'paused' ORDER BY t.deadline, t.id LIMIT $2";
    INSTALLED_OF = "SELECT {columns} FROM targets WHERE app_id = $1 AND upn = $2 AND state = 'installed' ORDER BY id";
}
