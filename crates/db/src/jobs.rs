//! Background work as rows with leases: whoever holds the token may finish, anybody may take over an expired lease.

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
    JobId, Page, PageRequest, Timestamp,
    job::{JobKind, JobState, LeasedJob},
};
use uuid::Uuid;

/// A job to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Primary key.
    pub id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// What it is about; one queued job for each (kind, key).
    pub key: String,
    /// Particulars.
    pub payload: String,
    /// Not before this moment.
    pub run_at: Timestamp,
    /// Now.
    pub created_at: Timestamp,
}

/// A job as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Primary key.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// What it is about.
    pub key: String,
    /// Particulars.
    pub payload: String,
    /// Where it stands.
    pub state: JobState,
    /// Attempts so far.
    pub attempts: i64,
    /// Not before this moment.
    pub run_at: Timestamp,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was finished or given up.
    pub finished_at: Option<Timestamp>,
}

/// A worker's request for work.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Jobs of these kinds.
    pub kinds: &'a [JobKind],
    /// Now.
    pub now: Timestamp,
    /// Until when the leases last.
    pub lease_until: Timestamp,
    /// The proof of the leases: a fresh random number.
    pub token: Uuid,
    /// At most this many.
    pub limit: u32,
}

/// Queues a job. If one of the same kind and key is queued already, that one stays, is due at the earlier of both
/// moments, and its id is the answer.
pub async fn enqueue(tx: &mut Tx, job: &NewJob) -> Result<JobId, DbError> {
    tx.one(&ENQUEUE, &row(job), |row| row.get("id")).await
}

/// Queues a job unless one of the same kind and key is queued or running: for work that repeats. Whether it was queued.
pub async fn ensure(tx: &mut Tx, job: &NewJob) -> Result<bool, DbError> {
    Ok(tx.execute(&ENSURE, &row(job)).await? > 0)
}

/// Leases due jobs, the longest due first: queued ones, unless a job of the same kind and key is running, and running
/// ones whose lease is over.
pub async fn claim(tx: &mut Tx, claim: Claim<'_>) -> Result<Vec<LeasedJob>, DbError> {
    let kinds = Rows::of(claim.kinds.iter().map(|kind| (*kind,)));
    tx.all(
        &CLAIM,
        params![claim.token, claim.lease_until, claim.now, claim.limit, kinds],
        read_leased,
    )
    .await
}

/// When there will be something to claim, as far as is known now: for workers to sleep until then. It may be past.
pub async fn next_due(conn: &mut Conn, kinds: &[JobKind]) -> Result<Option<Timestamp>, DbError> {
    let kinds = Rows::of(kinds.iter().map(|kind| (*kind,)));
    conn.one(&NEXT_DUE, params![kinds], |row| row.optional("at"))
        .await
}

/// Ends a job well; `false` if the lease was lost.
pub async fn finish(tx: &mut Tx, lease: &LeasedJob, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx
        .execute(&FINISH, params![lease.id, lease.lease_token, now])
        .await?
        > 0)
}

/// Queues a job again after a failure; `false` if the lease was lost. Where a job of the same kind and key was queued
/// meanwhile, that one does the work and this one is done.
pub async fn retry_at(
    tx: &mut Tx,
    lease: &LeasedJob,
    run_at: Timestamp,
    error: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx
        .execute(
            &RETRY_AT,
            params![lease.id, lease.lease_token, run_at, error, now],
        )
        .await?
        > 0)
}

/// Queues a job again that could not be begun: the attempt does not count. `false` if the lease was lost.
pub async fn postpone(
    tx: &mut Tx,
    lease: &LeasedJob,
    run_at: Timestamp,
    why: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    tx.execute(&UNCOUNT, params![lease.id, lease.lease_token]).await?;
    retry_at(tx, lease, run_at, why, now).await
}

/// Makes every queued job of these kinds due; how many had a later time.
pub async fn hurry(tx: &mut Tx, kinds: &[JobKind], now: Timestamp) -> Result<u64, DbError> {
    let kinds = Rows::of(kinds.iter().map(|kind| (*kind,)));
    tx.execute(&HURRY, params![now, kinds]).await
}

/// Gives a job up; `false` if the lease was lost.
pub async fn dead(tx: &mut Tx, lease: &LeasedJob, error: &str, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx
        .execute(&DEAD, params![lease.id, lease.lease_token, error, now])
        .await?
        > 0)
}

/// Prolongs a lease; `false` if it was lost.
pub async fn renew(tx: &mut Tx, lease: &LeasedJob, until: Timestamp) -> Result<bool, DbError> {
    Ok(tx
        .execute(&RENEW, params![lease.id, lease.lease_token, until])
        .await?
        > 0)
}

/// Ends every lease, so that whatever was under way can be claimed at once: for the only server of a database, when
/// it starts. How many leases there were.
pub async fn end_leases(tx: &mut Tx, now: Timestamp) -> Result<u64, DbError> {
    tx.execute(&END_LEASES, params![now]).await
}

/// One job.
pub async fn find(conn: &mut Conn, id: JobId) -> Result<Option<Job>, DbError> {
    conn.optional(&FIND, params![id], read).await
}

/// The newest job of a kind and key.
pub async fn newest(conn: &mut Conn, kind: JobKind, key: &str) -> Result<Option<Job>, DbError> {
    conn.optional(&NEWEST, params![kind, key], read).await
}

/// The jobs that were given up, newest first.
pub async fn list_dead(conn: &mut Conn, page: PageRequest) -> Result<Page<Job>, DbError> {
    let jobs = conn
        .all(
            &LIST_DEAD,
            params![paging::before(page), paging::rows(page)],
            read,
        )
        .await?;
    Ok(paging::cut(jobs, page, |job| job.id.0))
}

/// Removes at most `limit` jobs that ended before `before`.
pub async fn purge_finished(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    tx.execute(&PURGE_FINISHED, params![before, limit]).await
}

fn row(job: &NewJob) -> [Param<'_>; 6] {
    cells![
        job.id,
        job.kind,
        &job.key,
        &job.payload,
        job.run_at,
        job.created_at
    ]
}

fn read_leased(row: Row<'_>) -> Result<LeasedJob, DbError> {
    Ok(LeasedJob {
        id: row.get("id")?,
        kind: row.get("kind")?,
        key: row.get("key")?,
        payload: row.get("payload")?,
        attempts: row.get("attempts")?,
        lease_token: row.get("lease_token")?,
        lease_until: row.get("lease_until")?,
    })
}

fn read(row: Row<'_>) -> Result<Job, DbError> {
    Ok(Job {
        id: row.get("id")?,
        kind: row.get("kind")?,
        key: row.get("key")?,
        payload: row.get("payload")?,
        state: row.get("state")?,
        attempts: row.get("attempts")?,
        run_at: row.get("run_at")?,
        error: row.optional("error")?,
        created_at: row.get("created_at")?,
        finished_at: row.optional("finished_at")?,
    })
}

sql! {
    columns "id, kind, key, payload, state, attempts, run_at, error, created_at, finished_at";
    ENQUEUE = "INSERT INTO jobs (id, kind, key, payload, run_at, created_at, state, attempts) \
        VALUES ($1, $2, $3, $4, $5, $6, 'queued', 0) \
        ON CONFLICT (kind, key) WHERE state = 'queued' DO UPDATE SET \
          run_at = CASE WHEN excluded.run_at < jobs.run_at THEN excluded.run_at ELSE jobs.run_at END \
        RETURNING id";
    ENSURE = "INSERT INTO jobs (id, kind, key, payload, run_at, created_at, state, attempts) \
        SELECT $1, $2, $3, $4, $5, $6, 'queued', 0 WHERE NOT EXISTS \
          (SELECT 1 FROM jobs r WHERE r.kind = $2 AND r.key = $3 AND r.state = 'running') \
        ON CONFLICT (kind, key) WHERE state = 'queued' DO NOTHING";
    CLAIM = "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_token = $1, lease_until = $2 \
        WHERE id IN (SELECT j.id FROM jobs j WHERE j.kind IN (SELECT given.kind FROM {rows $5 kind text}) \
          AND ((j.state = 'queued' AND j.run_at <= $3 AND NOT EXISTS (SELECT 1 FROM jobs r \
              WHERE r.kind = j.kind AND r.key = j.key AND r.state = 'running')) \
            OR (j.state = 'running' AND j.lease_until <= $3)) \
          ORDER BY j.run_at, j.id LIMIT $4 {skip_locked}) \
        AND (state = 'queued' OR (state = 'running' AND lease_until <= $3)) \
        RETURNING id, kind, key, payload, attempts, lease_token, lease_until";
    NEXT_DUE = "SELECT min(due.at) AS at FROM ( \
          SELECT kind, run_at AS at FROM jobs WHERE state = 'queued' \
          UNION ALL SELECT kind, lease_until AS at FROM jobs WHERE state = 'running') AS due \
        WHERE due.kind IN (SELECT given.kind FROM {rows $1 kind text})";
    FINISH = "UPDATE jobs SET state = 'done', finished_at = $3, error = NULL, lease_token = NULL, lease_until = NULL \
        WHERE id = $1 AND lease_token = $2 AND state = 'running'";
    RETRY_AT = "UPDATE jobs SET state = CASE WHEN EXISTS (SELECT 1 FROM jobs q \
            WHERE q.kind = jobs.kind AND q.key = jobs.key AND q.state = 'queued') THEN 'done' ELSE 'queued' END, \
          finished_at = CASE WHEN EXISTS (SELECT 1 FROM jobs q \
            WHERE q.kind = jobs.kind AND q.key = jobs.key AND q.state = 'queued') THEN CAST($5 AS BIGINT) END, \
          run_at = $3, error = $4, lease_token = NULL, lease_until = NULL \
        WHERE id = $1 AND lease_token = $2 AND state = 'running'";
    UNCOUNT = "UPDATE jobs SET attempts = attempts - 1 WHERE id = $1 AND lease_token = $2 AND state = 'running'";
    HURRY = "UPDATE jobs SET run_at = $1 WHERE state = 'queued' AND run_at > $1 \
        AND kind IN (SELECT given.kind FROM {rows $2 kind text})";
    DEAD = "UPDATE jobs SET state = 'dead', finished_at = $4, error = $3, lease_token = NULL, lease_until = NULL \
        WHERE id = $1 AND lease_token = $2 AND state = 'running'";
    RENEW = "UPDATE jobs SET lease_until = $3 WHERE id = $1 AND lease_token = $2 AND state = 'running'";
    END_LEASES = "UPDATE jobs SET lease_until = $1 WHERE state = 'running' AND lease_until > $1";
    FIND = "SELECT {columns} FROM jobs WHERE id = $1";
    NEWEST = "SELECT {columns} FROM jobs WHERE kind = $1 AND key = $2 ORDER BY id DESC LIMIT 1";
    LIST_DEAD = "SELECT {columns} FROM jobs WHERE state = 'dead' AND id < $1 ORDER BY id DESC LIMIT $2";
    PURGE_FINISHED = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs \
        WHERE finished_at IS NOT NULL AND finished_at < $1 ORDER BY finished_at LIMIT $2)";
}
