//! Why seats are held: the targets that need them. No seat without a reason, no reason counted twice.

use super::{COLUMNS, read};
use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    param::{Rows, params},
    sql::sql,
};
use qm_core::{AppId, SeatId, TargetId, Timestamp, seat::Seat};
use std::collections::BTreeSet;

/// Notes that a target needs a seat; noting it again changes nothing.
pub async fn add_reason(tx: &mut Tx, seat: SeatId, target: TargetId) -> Result<(), DbError> {
    add_reasons(tx, &[(seat, target)]).await
}

/// Notes which targets need which seats, all at once.
pub async fn add_reasons(tx: &mut Tx, reasons: &[(SeatId, TargetId)]) -> Result<(), DbError> {
    if reasons.is_empty() {
        return Ok(());
    }
    // Whoever counts a seat's reasons holds its row, so that none is added unseen.
    tx.all(
        &LOCK,
        params![Rows::of(reasons.iter().map(|(seat, _)| (*seat,)))],
        |_| Ok(()),
    )
    .await?;
    tx.execute(&ADD, params![Rows::of(reasons.iter().copied())])
        .await
        .map(|_| ())
}

/// The targets that need a seat.
pub async fn reasons_of(conn: &mut Conn, seat: SeatId) -> Result<Vec<TargetId>, DbError> {
    conn.all(&REASONS_OF, params![seat], |row| row.get("target_id"))
        .await
}

/// The targets that need a seat no longer now that these removals have ended: all that are final on the same device where
/// the app is removed; where it may be there still, those that came to nothing.
pub async fn needed_until(conn: &mut Conn, removals: &[TargetId]) -> Result<Vec<TargetId>, DbError> {
    if removals.is_empty() {
        return Ok(Vec::new());
    }
    let removals = Rows::of(removals.iter().map(|id| (*id,)));
    conn.all(&NEEDED_UNTIL, params![removals], |row| row.get("target_id"))
        .await
}

/// Targets need no seat any more: removes them as reasons. Seats that are left without any are to be given back from now
/// on; answers with their apps. Of several transactions that release the last reasons at the same time exactly one sees
/// that none is left. A call of unknown outcome stays one.
pub async fn release(
    tx: &mut Tx,
    targets: &[TargetId],
    why: &str,
    at: Timestamp,
) -> Result<BTreeSet<AppId>, DbError> {
    if targets.is_empty() {
        return Ok(BTreeSet::new());
    }
    let targets = || Rows::of(targets.iter().map(|id| (*id,)));
    let held: Vec<SeatId> = tx
        .all(&LOCK_OF_TARGETS, params![targets()], |row| row.get("id"))
        .await?;
    if held.is_empty() {
        return Ok(BTreeSet::new());
    }
    tx.execute(&REMOVE, params![targets()]).await?;
    let held = Rows::of(held.iter().map(|id| (*id,)));
    let apps = tx
        .all(&GIVE_BACK, params![why, at, held], |row| row.get("app_id"))
        .await?;
    Ok(apps.into_iter().collect())
}

/// At most `limit` seats of an app that are held or being assigned without any reason, the oldest first.
pub async fn without_reason(conn: &mut Conn, app: AppId, limit: u32) -> Result<Vec<Seat>, DbError> {
    conn.all(&WITHOUT_REASON, params![app, limit], read).await
}

sql! {
    columns COLUMNS;
    LOCK = "SELECT id FROM seats WHERE id IN (SELECT given.id FROM {rows $1 id blob}) ORDER BY id {for_update}";
    LOCK_OF_TARGETS = "SELECT s.id FROM seats s WHERE s.id IN (SELECT r.seat_id FROM seat_reasons r \
          WHERE r.target_id IN (SELECT given.id FROM {rows $1 id blob})) ORDER BY s.id {for_update}";
    ADD = "INSERT INTO seat_reasons (seat_id, target_id) SELECT given.seat_id, given.target_id \
        FROM {rows $1 seat_id blob, target_id blob} WHERE TRUE ON CONFLICT (seat_id, target_id) DO NOTHING";
    REASONS_OF = "SELECT target_id FROM seat_reasons WHERE seat_id = $1 ORDER BY target_id";
    NEEDED_UNTIL = "SELECT r.target_id FROM {rows $1 id blob} JOIN targets removal ON removal.id = given.id \
        JOIN seats s ON s.app_id = removal.app_id AND s.upn = removal.upn JOIN seat_reasons r ON r.seat_id = s.id \
        JOIN targets t ON t.id = r.target_id AND t.device_id = removal.device_id AND NOT t.open \
        WHERE removal.state = 'removed' OR t.state IN ('failed', 'cancelled', 'not_applicable')";
    REMOVE = "DELETE FROM seat_reasons WHERE target_id IN (SELECT given.id FROM {rows $1 id blob})";
    GIVE_BACK = "UPDATE seats SET state = 'reclaiming', reason = $1, since = $2 \
        WHERE id IN (SELECT given.id FROM {rows $3 id blob}) AND state IN ('assigning', 'assigned') \
          AND NOT EXISTS (SELECT 1 FROM seat_reasons r WHERE r.seat_id = seats.id) RETURNING app_id";
    WITHOUT_REASON = "SELECT {columns} FROM seats WHERE app_id = $1 AND state IN ('assigning', 'assigned') \
        AND NOT EXISTS (SELECT 1 FROM seat_reasons r WHERE r.seat_id = seats.id) ORDER BY since, id LIMIT $2";
}
