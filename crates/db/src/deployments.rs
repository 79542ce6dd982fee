//! Deployments and the counts of their targets, which are kept as targets change and never found by scanning.

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
    AppId, DeploymentId, Page, PageRequest, Timestamp,
    deployment::{Deployment, DeploymentState, TargetState},
};
use std::collections::{BTreeMap, HashMap};

/// How many targets are in which state; states without targets are left out.
pub type Counts = BTreeMap<TargetState, i64>;

/// Stores a new deployment. It has no targets yet.
pub async fn insert(tx: &mut Tx, deployment: &Deployment) -> Result<(), DbError> {
    let d = deployment;
    tx.execute(
        &INSERT,
        params![d.id, d.app_id, d.intent, d.context, d.state, d.created_at],
    )
    .await
    .map(|_| ())
}

/// One deployment.
pub async fn find(conn: &mut Conn, id: DeploymentId) -> Result<Option<Deployment>, DbError> {
    conn.optional(&FIND, params![id], read).await
}

/// All deployments, newest first.
pub async fn list(conn: &mut Conn, page: PageRequest) -> Result<Page<Deployment>, DbError> {
    let deployments = conn
        .all(&LIST, params![paging::before(page), paging::rows(page)], read)
        .await?;
    Ok(paging::cut(deployments, page, |deployment| deployment.id.0))
}

/// The deployments of one app, newest first.
pub async fn list_for_app(
    conn: &mut Conn,
    app: AppId,
    page: PageRequest,
) -> Result<Page<Deployment>, DbError> {
    let params = params![paging::before(page), paging::rows(page), app];
    Ok(paging::cut(
        conn.all(&LIST_FOR_APP, params, read).await?,
        page,
        |deployment| deployment.id.0,
    ))
}

/// Moves a deployment. One that is made active without an open target is completed at once. Answers with the state it
/// is in now, or `None` if it does not exist.
pub async fn set_state(
    tx: &mut Tx,
    id: DeploymentId,
    state: DeploymentState,
) -> Result<Option<DeploymentState>, DbError> {
    tx.optional(&SET_STATE, params![id, state], |row| row.get("state"))
        .await
}

/// The counts of one deployment's targets.
pub async fn counts(conn: &mut Conn, id: DeploymentId) -> Result<Counts, DbError> {
    Ok(counts_of(conn, &[id]).await?.remove(&id).unwrap_or_default())
}

/// The counts of several deployments' targets; a deployment without targets is left out.
pub async fn counts_of(
    conn: &mut Conn,
    ids: &[DeploymentId],
) -> Result<HashMap<DeploymentId, Counts>, DbError> {
    let rows = Rows::of(ids.iter().map(|id| (*id,)));
    let counts = conn
        .all(&COUNTS, params![rows], |row| {
            Ok((row.get("deployment_id")?, row.get("state")?, row.get("n")?))
        })
        .await?;
    let mut by_deployment: HashMap<DeploymentId, Counts> = HashMap::new();
    for (id, state, n) in counts {
        by_deployment.entry(id).or_default().insert(state, n);
    }
    Ok(by_deployment)
}

/// Removes at most `limit` deployments that were made before `before`, are finished and have no targets any more.
pub async fn purge_finished(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE_FINISHED, params![paging::oldest_id(before), limit])
        .await
}

/// Adds to the counts of one deployment, completes it when its last open target has become final, and opens it again
/// when one starts anew. `slot` is any number: writers with different ones do not wait for each other.
pub(crate) async fn add_counts(
    tx: &mut Tx,
    id: DeploymentId,
    changes: &Counts,
    slot: u8,
) -> Result<(), DbError> {
    let changes: Vec<_> = changes
        .iter()
        .filter(|(_, n)| **n != 0)
        .map(|(state, n)| (*state, *n))
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    let open: i64 = changes
        .iter()
        .filter(|(state, _)| !state.is_final())
        .map(|(_, n)| n)
        .sum();
    tx.execute(
        &ADD_COUNTS,
        params![id, i64::from(slot % SLOTS), Rows::of(changes)],
    )
    .await?;
    if open != 0 {
        // One row, changed in place: the exact count, whoever else changes it at the same time.
        tx.execute(&ADD_OPEN, params![id, open]).await?;
    }
    Ok(())
}

/// A deployment that came into being with final targets only is complete.
pub(crate) async fn complete_if_done(tx: &mut Tx, id: DeploymentId) -> Result<(), DbError> {
    tx.execute(&COMPLETE_IF_DONE, params![id]).await.map(|_| ())
}

fn read(row: Row<'_>) -> Result<Deployment, DbError> {
    Ok(Deployment {
        id: row.get("id")?,
        app_id: row.get("app_id")?,
        intent: row.get("intent")?,
        context: row.get("context")?,
        state: row.get("state")?,
        created_at: row.get("created_at")?,
    })
}

const SLOTS: u8 = 8;

sql! {
    columns "id, app_id, intent, context, state, created_at";
    INSERT = "INSERT INTO deployments ({columns}, open_targets) VALUES ($1, $2, $3, $4, $5, $6, 0)";
    FIND = "SELECT {columns} FROM deployments WHERE id = $1";
    LIST = "SELECT {columns} FROM deployments WHERE id < $1 ORDER BY id DESC LIMIT $2";
    LIST_FOR_APP = "SELECT {columns} FROM deployments WHERE app_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2";
    SET_STATE = "UPDATE deployments SET state = CASE WHEN $2 = 'active' AND open_targets = 0 THEN 'completed' \
        ELSE $2 END WHERE id = $1 RETURNING state";
    COUNTS = "SELECT c.deployment_id, c.state, CAST(sum(c.n) AS BIGINT) AS n FROM target_counts c \
        WHERE c.deployment_id IN (SELECT given.id FROM {rows $1 id blob}) \
        GROUP BY c.deployment_id, c.state HAVING sum(c.n) <> 0";
    ADD_COUNTS = "INSERT INTO target_counts (deployment_id, state, slot, n) \
        SELECT $1, given.state, $2, given.n FROM {rows $3 state text, n bigint} WHERE TRUE \
        ON CONFLICT (deployment_id, state, slot) DO UPDATE SET n = target_counts.n + excluded.n";
    ADD_OPEN = "UPDATE deployments SET open_targets = open_targets + $2, state = CASE \
          WHEN state = 'active' AND open_targets + $2 = 0 THEN 'completed' \
          WHEN state = 'completed' AND open_targets + $2 > 0 THEN 'active' ELSE state END \
        WHERE id = $1";
    PURGE_FINISHED = "DELETE FROM deployments WHERE id IN (SELECT d.id FROM deployments d WHERE d.id < $1 \
          AND d.state IN ('completed', 'cancelled') \
          AND NOT EXISTS (SELECT 1 FROM targets t WHERE t.deployment_id = d.id) ORDER BY d.id LIMIT $2)";
    COMPLETE_IF_DONE = "UPDATE deployments SET state = 'completed' \
        WHERE id = $1 AND state = 'active' AND open_targets = 0";
}
