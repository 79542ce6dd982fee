//! The targets and seats of a new deployment, made where the devices are.

use crate::{
    db::Tx,
    deployments,
    error::DbError,
    param::{Rows, params},
    row::to_json,
    selection::{Kind, Selection},
    sql::sql,
};
use qm_core::{
    DeviceId, Timestamp,
    deployment::{Deployment, Target},
    seat::SeatState,
};

/// What becomes of the devices of one kind: any target of theirs serves as the pattern.
pub type Judged = (Kind, Target);

/// Stores a target of a new deployment for each selected device but `except`, as its kind was judged, and counts them. A
/// device of a kind that nobody judged (it changed meanwhile) gets `otherwise`. Stored in the order of the devices, with
/// ids in that order: each index grows at one place, which is half the work of growing it everywhere.
pub async fn insert_selected(
    tx: &mut Tx,
    deployment: &Deployment,
    selection: &Selection,
    except: &[DeviceId],
    judged: &[Judged],
    otherwise: &Target,
) -> Result<(), DbError> {
    let d = deployment;
    let (devices, groups, users) = selection.rows();
    let kinds = Rows::of(judged.iter().map(|(kind, t)| {
        (
            kind.key(),
            t.state,
            !t.state.is_final(),
            t.error.as_ref().map(to_json),
            t.package_id,
            t.deadline,
        )
    }));
    let except = Rows::of(except.iter().map(|id| (*id,)));
    let (state, deadline, now) = (otherwise.state, otherwise.deadline, d.created_at);
    let params = params![
        devices, groups, users, d.id, d.app_id, d.intent, d.context, now, state, deadline, except, kinds,
    ];
    tx.execute(&INSERT_SELECTED, params).await?;
    let counts = tx
        .all(&COUNT_NEW, params![d.id], |row| {
            Ok((row.get("state")?, row.get("n")?))
        })
        .await?;
    deployments::add_counts(tx, d.id, &counts.into_iter().collect(), 0).await
}

/// Claims a seat for the user of each target of a deployment that waits for one: one seat for each user, one reason for
/// each target. Each seat is looked up for its target: a database that has no statistics of rows this new would compare
/// every target with every seat.
pub async fn claim_seats(
    tx: &mut Tx,
    deployment: &Deployment,
    reason: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    let (id, app) = (deployment.id, deployment.app_id);
    let state = SeatState::Assigning;
    tx.execute(&CLAIM, params![id, app, state, reason, now]).await?;
    // Whoever counts a seat's reasons holds its row, so that none is added unseen.
    tx.one(&LOCK_CLAIMED, params![id, app], |row| row.get::<i64>("n"))
        .await?;
    tx.execute(&REVIVE_CLAIMED, params![id, app, state, reason, now])
        .await?;
    tx.execute(&ADD_REASONS, params![id, app]).await.map(|_| ())
}

sql! {
    columns "kind, state, open, error, package_id, deadline";
    INSERT_SELECTED = "WITH judged AS MATERIALIZED (SELECT {columns given} FROM {rows $12 kind text, state text, \
          open boolean, error text, package_id blob, deadline bigint}) \
        INSERT INTO targets (id, deployment_id, app_id, intent, context, device_id, upn, state, open, \
          attempts, error, package_id, license_accepted, not_before, deadline, updated_at) \
        SELECT {uuid_v7 $8 chosen.place}, $4, $5, $6, $7, chosen.id, chosen.upn, coalesce(judged.state, $9), \
          coalesce(judged.open, TRUE), 0, judged.error, judged.package_id, FALSE, NULL, \
          CASE WHEN judged.kind IS NULL THEN $10 ELSE judged.deadline END, $8 \
        FROM (SELECT d.id, d.upn, {kind d} AS kind, row_number() OVER (ORDER BY d.id) AS place \
          FROM {selected} JOIN devices d ON d.id = selected.id \
          WHERE d.state <> 'ended' AND d.id NOT IN (SELECT given.id FROM {rows $11 id blob})) AS chosen \
        LEFT JOIN judged ON judged.kind = chosen.kind";
    COUNT_NEW = "SELECT state, count(*) AS n FROM targets WHERE deployment_id = $1 GROUP BY state";
    CLAIM = "INSERT INTO seats (id, app_id, upn, state, reason, since, attempts) \
        SELECT {uuid_v7 $5 waiting.place}, $2, waiting.upn, $3, $4, $5, 0 \
        FROM (SELECT t.upn, row_number() OVER (ORDER BY t.upn) AS place FROM targets t \
          WHERE t.deployment_id = $1 AND t.state = 'awaiting_seat' GROUP BY t.upn) AS waiting WHERE TRUE \
        ON CONFLICT (app_id, upn) DO NOTHING";
    LOCK_CLAIMED = "WITH claimed AS MATERIALIZED (SELECT t.id AS target_id, \
          (SELECT s.id FROM seats s WHERE s.app_id = $2 AND s.upn = t.upn) AS seat_id \
          FROM targets t WHERE t.deployment_id = $1 AND t.state = 'awaiting_seat') \
        SELECT count(*) AS n FROM (SELECT s.id FROM seats s WHERE s.id IN (SELECT seat_id FROM claimed) \
        ORDER BY s.id {for_update}) AS chosen";
    REVIVE_CLAIMED = "WITH claimed AS MATERIALIZED (SELECT t.id AS target_id, \
          (SELECT s.id FROM seats s WHERE s.app_id = $2 AND s.upn = t.upn) AS seat_id \
          FROM targets t WHERE t.deployment_id = $1 AND t.state = 'awaiting_seat') \
        UPDATE seats SET \
          state = CASE WHEN state IN ('assigned', 'assigning') THEN state ELSE $3 END, \
          attempts = CASE WHEN state IN ('assigned', 'assigning', 'reclaiming') THEN attempts ELSE 0 END, \
          since = CASE WHEN state IN ('assigned', 'assigning') THEN since ELSE $5 END, reason = $4 \
        WHERE id IN (SELECT seat_id FROM claimed) AND (reason <> $4 OR state NOT IN ('assigned', 'assigning'))";
    ADD_REASONS = "WITH claimed AS MATERIALIZED (SELECT t.id AS target_id, \
          (SELECT s.id FROM seats s WHERE s.app_id = $2 AND s.upn = t.upn) AS seat_id \
          FROM targets t WHERE t.deployment_id = $1 AND t.state = 'awaiting_seat') \
        INSERT INTO seat_reasons (seat_id, target_id) SELECT seat_id, target_id FROM claimed \
        WHERE TRUE ON CONFLICT (seat_id, target_id) DO NOTHING";
}
