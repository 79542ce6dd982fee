//! Targets: one device of a deployment each. Every change of a state passes through [`store_many`], which tells what
//! to [`count`] for the deployment.

pub(crate) mod queries;
pub(crate) mod rollout;

pub use queries::{
    LiveTarget, apps_awaiting_seats, apps_with_planned, awaiting_seats, find, hold, in_states, installed_of,
    list, live_for_device, live_of_app, overdue, overruled, planned,
};
pub use rollout::{Judged, claim_seats, insert_selected};

use crate::{
    db::Tx,
    deployments::{self, Counts},
    error::DbError,
    paging,
    param::{Rows, params},
    row::{Row, to_json},
    sql::sql,
};
use qm_core::{
    DeploymentId, DeviceId, TargetId, Timestamp,
    deployment::{Deployment, Target, TargetState},
};
use std::collections::{BTreeMap, HashSet};

/// Stores the targets of a new deployment and counts them. A device with a live target of the same app is a
/// [`DbError::Conflict`]; look with [`live_of_app`] first.
pub async fn insert_many(tx: &mut Tx, deployment: &Deployment, targets: &[Target]) -> Result<(), DbError> {
    let d = deployment;
    for chunk in targets.chunks(CHUNK) {
        let rows = Rows::of(chunk.iter().map(|t| {
            (
                t.id,
                t.device_id,
                &t.upn,
                t.state,
                !t.state.is_final(),
                t.attempts,
                t.error.as_ref().map(to_json),
                t.package_id,
                t.license_accepted,
                t.not_before,
                t.deadline,
                t.updated_at,
            )
        }));
        tx.execute(&INSERT_MANY, params![d.id, d.app_id, d.intent, d.context, rows])
            .await?;
    }
    let mut counts = Counts::new();
    for target in targets {
        *counts.entry(target.state).or_default() += 1;
    }
    deployments::add_counts(tx, d.id, &counts, 0).await?;
    deployments::complete_if_done(tx, d.id).await
}

/// Stores a changed target, if the stored one is still in the expected state; whether it was.
pub async fn update(tx: &mut Tx, target: &Target, expected: TargetState) -> Result<bool, DbError> {
    let changed = update_many(tx, &[(target, expected)]).await?;
    Ok(!changed.is_empty())
}

/// Stores changed targets, each if the stored one is still in its expected state, moves the counts of their
/// deployments, and completes or reopens those. Answers with the targets that were changed; each may be given once.
pub async fn update_many(
    tx: &mut Tx,
    targets: &[(&Target, TargetState)],
) -> Result<HashSet<TargetId>, DbError> {
    let mut moves = Moves::default();
    let done = store_many(tx, targets, &mut moves).await?;
    count(tx, &moves).await?;
    Ok(done)
}

/// What changed targets mean for the counts of their deployments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    by_deployment: BTreeMap<DeploymentId, Counts>,
    slot: u8,
}

impl Moves {
    /// These moves and those.
    pub fn add(&mut self, others: &Self) {
        self.slot = others.slot;
        for (deployment, changes) in &others.by_deployment {
            let counts = self.by_deployment.entry(*deployment).or_default();
            for (state, n) in changes {
                *counts.entry(*state).or_default() += n;
            }
        }
    }

    fn note(&mut self, target: &Target, before: TargetState) {
        self.slot = target.id.0.as_bytes()[15];
        let counts = self.by_deployment.entry(target.deployment_id).or_default();
        *counts.entry(before).or_default() -= 1;
        *counts.entry(target.state).or_default() += 1;
    }
}

/// Stores changed targets like [`update_many`], but leaves their deployments alone: what is to be [`count`]ed in the
/// same transaction is added to `moves`.
pub async fn store_many(
    tx: &mut Tx,
    targets: &[(&Target, TargetState)],
    moves: &mut Moves,
) -> Result<HashSet<TargetId>, DbError> {
    let mut done = HashSet::new();
    for chunk in targets.chunks(CHUNK) {
        let rows = Rows::of(chunk.iter().map(|(t, expected)| {
            (
                t.id,
                *expected,
                t.state,
                !t.state.is_final(),
                t.attempts,
                t.error.as_ref().map(to_json),
                t.package_id,
                t.license_accepted,
                t.not_before,
                t.deadline,
                t.updated_at,
            )
        }));
        done.extend(
            tx.all(&UPDATE_MANY, params![rows], |row| row.get::<TargetId>("id"))
                .await?,
        );
    }
    for (target, before) in targets.iter().filter(|(target, _)| done.contains(&target.id)) {
        moves.note(target, *before);
    }
    Ok(done)
}

/// Moves the counts of deployments, completes and reopens them; always in one order, so that two that count for several
/// do not wait for each other.
pub async fn count(tx: &mut Tx, moves: &Moves) -> Result<(), DbError> {
    for (deployment, changes) in &moves.by_deployment {
        deployments::add_counts(tx, *deployment, changes, moves.slot).await?;
    }
    Ok(())
}

/// Removes at most `limit` targets of finished deployments that were made and last changed before `before`; how many.
/// A target that is the reason of a seat stays.
pub async fn purge_finished(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    let params = params![paging::oldest_id(before), before, limit];
    let gone = tx.all(&PURGE_FINISHED, params, read_place).await?;
    uncount(tx, &gone).await
}

/// Removes the final targets of devices; how many. A target that is the reason of a seat stays.
pub async fn purge_of_devices(tx: &mut Tx, devices: &[DeviceId]) -> Result<u64, DbError> {
    let devices = Rows::of(devices.iter().map(|id| (*id,)));
    let gone = tx.all(&PURGE_OF_DEVICES, params![devices], read_place).await?;
    uncount(tx, &gone).await
}

/// Takes removed targets out of the counts.
async fn uncount(tx: &mut Tx, gone: &[(DeploymentId, TargetState)]) -> Result<u64, DbError> {
    let mut changes: BTreeMap<DeploymentId, Counts> = BTreeMap::new();
    for (deployment, state) in gone {
        *changes.entry(*deployment).or_default().entry(*state).or_default() -= 1;
    }
    for (deployment, changes) in &changes {
        deployments::add_counts(tx, *deployment, changes, 0).await?;
    }
    Ok(gone.len() as u64)
}

fn read_place(row: Row<'_>) -> Result<(DeploymentId, TargetState), DbError> {
    Ok((row.get("deployment_id")?, row.get("state")?))
}

pub(crate) fn read(row: Row<'_>) -> Result<Target, DbError> {
    Ok(Target {
        id: row.get("id")?,
        deployment_id: row.get("deployment_id")?,
        app_id: row.get("app_id")?,
        intent: row.get("intent")?,
        context: row.get("context")?,
        device_id: row.get("device_id")?,
        upn: row.get("upn")?,
        state: row.get("state")?,
        attempts: row.get("attempts")?,
        error: row.optional_json("error")?,
        package_id: row.optional("package_id")?,
        license_accepted: row.get("license_accepted")?,
        not_before: row.optional("not_before")?,
        deadline: row.optional("deadline")?,
        updated_at: row.get("updated_at")?,
    })
}

/// Rows in one statement; more would gain nothing and hold the writer longer.
const CHUNK: usize = 2000;

sql! {
    INSERT_MANY = "INSERT INTO targets (id, deployment_id, app_id, intent, context, device_id, upn, state, open, \
          attempts, error, package_id, license_accepted, not_before, deadline, updated_at) \
        SELECT given.id, $1, $2, $3, $4, given.device_id, given.upn, given.state, given.open, given.attempts, \
          given.error, given.package_id, given.license_accepted, given.not_before, given.deadline, given.updated_at \
        FROM {rows $5 id blob, device_id blob, upn text, state text, open boolean, attempts bigint, error text, \
          package_id blob, license_accepted boolean, not_before bigint, deadline bigint, updated_at bigint}";
    PURGE_FINISHED = "DELETE FROM targets WHERE NOT open AND id IN (SELECT t.id FROM deployments d \
          JOIN targets t ON t.deployment_id = d.id WHERE d.id < $1 AND d.state IN ('completed', 'cancelled') \
          AND NOT t.open AND t.updated_at < $2 \
          AND NOT EXISTS (SELECT 1 FROM seat_reasons r WHERE r.target_id = t.id) LIMIT $3) \
        RETURNING deployment_id, state";
    PURGE_OF_DEVICES = "DELETE FROM targets WHERE NOT open AND device_id IN (SELECT given.id FROM {rows $1 id blob}) \
          AND NOT EXISTS (SELECT 1 FROM seat_reasons r WHERE r.target_id = targets.id) \
        RETURNING deployment_id, state";
    UPDATE_MANY = "UPDATE targets SET state = given.state, open = given.open, attempts = given.attempts, \
          error = given.error, package_id = given.package_id, license_accepted = given.license_accepted, \
          not_before = given.not_before, deadline = given.deadline, updated_at = given.updated_at \
        FROM {rows $1 id blob, expected text, state text, open boolean, attempts bigint, error text, package_id blob, \
          license_accepted boolean, not_before bigint, deadline bigint, updated_at bigint} \
        WHERE targets.id = given.id AND targets.state = given.expected RETURNING targets.id";
}
