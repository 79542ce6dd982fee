//! Commands that administrators queued for devices.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    paging,
    param::{Rows, params},
    row::{Row, to_json},
    sql::sql,
};
use qm_core::{
    CommandId, DeviceId, Page, PageRequest, Timestamp,
    command::{Command, CommandResult, CommandState},
};

/// Stores a new command.
pub async fn insert(tx: &mut Tx, command: &Command) -> Result<(), DbError> {
    let c = command;
    let params = params![
        c.id,
        c.device_id,
        c.verb,
        &c.uri,
        c.format.as_deref(),
        c.media_type.as_deref(),
        c.data.as_deref(),
        c.state,
        c.status,
        to_json(&c.results),
        c.created_at,
        c.attempts,
        c.sent_at,
        c.finished_at,
        c.expires_at,
    ];
    tx.execute(&INSERT, params).await.map(|_| ())
}

/// One command.
pub async fn find(conn: &mut Conn, id: CommandId) -> Result<Option<Command>, DbError> {
    conn.optional(&FIND, params![id], read).await
}

/// A device's commands, newest first.
pub async fn list(conn: &mut Conn, device: DeviceId, page: PageRequest) -> Result<Page<Command>, DbError> {
    let commands = conn
        .all(
            &LIST,
            params![device, paging::before(page), paging::rows(page)],
            read,
        )
        .await?;
    Ok(paging::cut(commands, page, |command| command.id.0))
}

/// What waits for a device: oldest first, those that left `suspect` times without an answer after all others.
pub async fn queued(
    conn: &mut Conn,
    device: DeviceId,
    suspect: i64,
    limit: u32,
) -> Result<Vec<Command>, DbError> {
    conn.all(&QUEUED, params![device, limit, suspect], read).await
}

/// How many commands wait for a device.
pub async fn count_queued(conn: &mut Conn, device: DeviceId) -> Result<i64, DbError> {
    conn.one(&COUNT_QUEUED, params![device], |row| row.get("n")).await
}

/// Notes that queued commands have left.
pub async fn mark_sent(tx: &mut Tx, ids: &[CommandId], at: Timestamp) -> Result<u64, DbError> {
    tx.execute(&MARK_SENT, params![at, Rows::of(ids.iter().map(|id| (*id,)))])
        .await
}

/// Puts commands back that were sent and will not be answered. What must not run twice, and what left `most` times, is
/// given up instead.
pub async fn requeue(tx: &mut Tx, ids: &[CommandId], most: i64, at: Timestamp) -> Result<u64, DbError> {
    let ids = Rows::of(ids.iter().map(|id| (*id,)));
    tx.execute(&REQUEUE, params![most, at, ids]).await
}

/// Puts back what a device was sent and has not answered, but for what must not run twice: its answer may still come.
/// What left `most` times is given up instead.
pub async fn requeue_unanswered(
    tx: &mut Tx,
    device: DeviceId,
    most: i64,
    at: Timestamp,
) -> Result<u64, DbError> {
    tx.execute(&REQUEUE_UNANSWERED, params![most, at, device]).await
}

/// Stores the answer to a command; whether it was still open.
pub async fn finish(
    tx: &mut Tx,
    id: CommandId,
    state: CommandState,
    status: Option<i64>,
    results: &[CommandResult],
    at: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx
        .execute(&FINISH, params![id, state, status, to_json(&results), at])
        .await?
        > 0)
}

/// Takes back what a device has not answered; how many commands that were.
pub async fn cancel_for_device(tx: &mut Tx, device: DeviceId, at: Timestamp) -> Result<u64, DbError> {
    tx.execute(&CANCEL_FOR_DEVICE, params![device, at]).await
}

/// Gives up at most `limit` commands whose time is over; how many that were.
pub async fn expire(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&EXPIRE, params![now, limit]).await
}

/// Removes at most `limit` commands that were finished before `before`.
pub async fn purge_finished(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE_FINISHED, params![before, limit]).await
}

fn read(row: Row<'_>) -> Result<Command, DbError> {
    Ok(Command {
        id: row.get("id")?,
        device_id: row.get("device_id")?,
        verb: row.get("verb")?,
        uri: row.get("uri")?,
        format: row.optional("format")?,
        media_type: row.optional("media_type")?,
        data: row.optional("data")?,
        state: row.get("state")?,
        status: row.optional("status")?,
        results: row.json("results")?,
        created_at: row.get("created_at")?,
        attempts: row.get("attempts")?,
        sent_at: row.optional("sent_at")?,
        finished_at: row.optional("finished_at")?,
        expires_at: row.get("expires_at")?,
    })
}

sql! {
    columns "id, device_id, verb, uri, format, media_type, data, state, status, results, created_at, attempts, \
             sent_at, finished_at, expires_at";
    INSERT = "INSERT INTO commands ({columns}) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    FIND = "SELECT {columns} FROM commands WHERE id = $1";
    LIST = "SELECT {columns} FROM commands WHERE device_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    QUEUED = "SELECT {columns} FROM commands WHERE device_id = $1 AND finished_at IS NULL AND state = 'queued' \
        ORDER BY attempts >= $3, id LIMIT $2";
    COUNT_QUEUED = "SELECT count(*) AS n FROM commands \
        WHERE device_id = $1 AND finished_at IS NULL AND state = 'queued'";
    MARK_SENT = "UPDATE commands SET state = 'sent', sent_at = $1, attempts = attempts + 1 \
        WHERE id IN (SELECT given.id FROM {rows $2 id blob}) AND state = 'queued'";
    REQUEUE = "UPDATE commands SET \
          state = CASE WHEN verb = 'exec' OR attempts >= $1 THEN 'failed' ELSE 'queued' END, \
          finished_at = CASE WHEN verb = 'exec' OR attempts >= $1 THEN $2 ELSE finished_at END \
        WHERE id IN (SELECT given.id FROM {rows $3 id blob}) AND finished_at IS NULL AND state = 'sent'";
    REQUEUE_UNANSWERED = "UPDATE commands SET \
          state = CASE WHEN attempts >= $1 THEN 'failed' ELSE 'queued' END, \
          finished_at = CASE WHEN attempts >= $1 THEN $2 ELSE finished_at END \
        WHERE device_id = $3 AND finished_at IS NULL AND state = 'sent' AND verb <> 'exec'";
    FINISH = "UPDATE commands SET state = $2, status = $3, results = $4, finished_at = $5 \
        WHERE id = $1 AND finished_at IS NULL";
    CANCEL_FOR_DEVICE = "UPDATE commands SET state = 'cancelled', finished_at = $2 \
        WHERE device_id = $1 AND finished_at IS NULL";
    EXPIRE = "UPDATE commands SET state = 'failed', finished_at = $1 WHERE finished_at IS NULL AND id IN \
        (SELECT id FROM commands WHERE expires_at <= $1 AND finished_at IS NULL ORDER BY expires_at LIMIT $2)";
    PURGE_FINISHED = "DELETE FROM commands WHERE id IN (SELECT id FROM commands \
        WHERE finished_at IS NOT NULL AND finished_at < $1 ORDER BY finished_at LIMIT $2)";
}
