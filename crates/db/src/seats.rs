//! The seat ledger: who holds a seat of which app.

pub(crate) mod reasons;

pub use reasons::{add_reason, add_reasons, needed_until, reasons_of, release, without_reason};

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    paging,
    param::{Param, Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{
    AppId, Page, PageRequest, SeatId, Timestamp,
    seat::{Seat, SeatState},
};
use std::collections::BTreeMap;

/// Which seats a list shows; everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeatFilter {
    /// Of this app.
    pub app_id: Option<AppId>,
    /// Of this user, in lower case.
    pub upn: Option<String>,
}

/// A user's seat of an app, whatever its state.
pub async fn find(conn: &mut Conn, app: AppId, upn: &str) -> Result<Option<Seat>, DbError> {
    conn.optional(&FIND, params![app, upn], read).await
}

/// One seat.
pub async fn find_by_id(conn: &mut Conn, id: SeatId) -> Result<Option<Seat>, DbError> {
    conn.optional(&FIND_BY_ID, params![id], read).await
}

/// The given users' seats of an app, in no particular order.
pub async fn find_many(conn: &mut Conn, app: AppId, upns: &[String]) -> Result<Vec<Seat>, DbError> {
    conn.all(
        &FIND_MANY,
        params![app, Rows::of(upns.iter().map(|upn| (upn,)))],
        read,
    )
    .await
}

/// The seats that match, newest first.
pub async fn list(conn: &mut Conn, filter: &SeatFilter, page: PageRequest) -> Result<Page<Seat>, DbError> {
    let (before, rows) = (paging::before(page), paging::rows(page));
    let seats = match (filter.app_id, &filter.upn) {
        (None, None) => conn.all(&LIST, params![before, rows], read).await?,
        (Some(app), None) => conn.all(&LIST_OF_APP, params![before, rows, app], read).await?,
        (None, Some(upn)) => conn.all(&LIST_OF_USER, params![before, rows, upn], read).await?,
        (Some(app), Some(upn)) => {
            conn.all(&LIST_OF_BOTH, params![before, rows, app, upn], read)
                .await?
        }
    };
    Ok(paging::cut(seats, page, |seat| seat.id.0))
}

/// Every seat of an app, in no particular order: what a reconciliation compares with.
pub async fn all_of_app(conn: &mut Conn, app: AppId) -> Result<Vec<Seat>, DbError> {
    conn.all(&ALL_OF_APP, params![app], read).await
}

/// At most `limit` seats of an app in one state, those that are in it longest first.
pub async fn in_state(
    conn: &mut Conn,
    app: AppId,
    state: SeatState,
    limit: u32,
) -> Result<Vec<Seat>, DbError> {
    conn.all(&IN_STATE, params![app, state, limit], read).await
}

/// The apps with seats to assign or to give back.
pub async fn apps_with_work(conn: &mut Conn) -> Result<Vec<AppId>, DbError> {
    conn.all(&APPS_WITH_WORK, params![], |row| row.get("app_id"))
        .await
}

/// How many seats of an app are in which state.
pub async fn counts(conn: &mut Conn, app: AppId) -> Result<BTreeMap<SeatState, i64>, DbError> {
    let counts = conn
        .all(&COUNTS, params![app], |row| {
            Ok((row.get("state")?, row.get("n")?))
        })
        .await?;
    Ok(counts.into_iter().collect())
}

/// Stores a seat, or gives the user's seat of that app the state, reason, date and attempts of this one. Answers with
/// the seat as it is stored now: an existing one keeps its id.
pub async fn upsert(tx: &mut Tx, seat: &Seat) -> Result<Seat, DbError> {
    let s = seat;
    tx.one(
        &UPSERT,
        params![s.id, s.app_id, &s.upn, s.state, &s.reason, s.since, s.attempts],
        read,
    )
    .await
}

/// Stores those of the seats whose user has none of that app, all in one statement; how many those were.
pub async fn insert_missing(tx: &mut Tx, seats: &[Seat]) -> Result<u64, DbError> {
    if seats.is_empty() {
        return Ok(0);
    }
    let rows = Rows::of(
        seats
            .iter()
            .map(|s| (s.id, s.app_id, &s.upn, s.state, &s.reason, s.since, s.attempts)),
    );
    tx.execute(&INSERT_MISSING, params![rows]).await
}

/// Moves a seat out of the expected state; whether it was in that state. Attempts are counted anew, unless it is only wanted
/// otherwise from now on: then what the calls so far have done is as unknown as before.
pub async fn set_state(
    tx: &mut Tx,
    id: SeatId,
    expected: SeatState,
    new: SeatState,
    reason: &str,
    at: Timestamp,
) -> Result<bool, DbError> {
    Ok(tx
        .execute(&SET_STATE, params![id, expected, new, reason, at])
        .await?
        > 0)
}

/// Moves many seats out of the expected state, keeping their reasons, and tells which were in it.
pub async fn set_state_many(
    tx: &mut Tx,
    ids: &[SeatId],
    expected: SeatState,
    new: SeatState,
    at: Timestamp,
) -> Result<Vec<SeatId>, DbError> {
    tx.all(&SET_STATE_MANY, params![expected, new, at, ids_of(ids)], |row| {
        row.get("id")
    })
    .await
}

/// Words why seats are held, for people.
pub async fn set_reason(tx: &mut Tx, ids: &[SeatId], reason: &str) -> Result<(), DbError> {
    tx.execute(&SET_REASON, params![reason, ids_of(ids)])
        .await
        .map(|_| ())
}

/// The Store has answered: there is no call of unknown outcome for these seats, though their state stays.
pub async fn answered(tx: &mut Tx, ids: &[SeatId]) -> Result<(), DbError> {
    if ids.is_empty() {
        return Ok(());
    }
    tx.execute(&ANSWERED, params![ids_of(ids)]).await.map(|_| ())
}

/// Counts one more call to the Store for each of the seats, before it is made: until [`set_state`] or [`answered`], its
/// outcome is unknown.
pub async fn count_attempt(tx: &mut Tx, ids: &[SeatId]) -> Result<(), DbError> {
    tx.execute(&COUNT_ATTEMPT, params![ids_of(ids)]).await.map(|_| ())
}

fn ids_of(ids: &[SeatId]) -> Param<'static> {
    Rows::of(ids.iter().map(|id| (*id,))).into()
}

fn read(row: Row<'_>) -> Result<Seat, DbError> {
    Ok(Seat {
        id: row.get("id")?,
        app_id: row.get("app_id")?,
        upn: row.get("upn")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        since: row.get("since")?,
        attempts: row.get("attempts")?,
    })
}

const COLUMNS: &str = "id, app_id, upn, state, reason, since, attempts";

sql! {
    columns COLUMNS;
    FIND = "SELECT {columns} FROM seats WHERE app_id = $1 AND upn = $2";
    FIND_BY_ID = "SELECT {columns} FROM seats WHERE id = $1";
    FIND_MANY = "SELECT {columns} FROM seats WHERE app_id = $1 \
        AND upn IN (SELECT given.upn FROM {rows $2 upn text})";
    LIST = "SELECT {columns} FROM seats WHERE id < $1 ORDER BY id DESC LIMIT $2";
    LIST_OF_APP = "SELECT {columns} FROM seats WHERE app_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2";
    LIST_OF_USER = "SELECT {columns} FROM seats WHERE upn = $3 AND id < $1 ORDER BY id DESC LIMIT $2";
    LIST_OF_BOTH = "SELECT {columns} FROM seats WHERE app_id = $3 AND upn = $4 AND id < $1 ORDER BY id DESC LIMIT $2";
    ALL_OF_APP = "SELECT {columns} FROM seats WHERE app_id = $1";
    IN_STATE = "SELECT {columns} FROM seats WHERE app_id = $1 AND state = $2 ORDER BY since, id LIMIT $3";
    APPS_WITH_WORK = "SELECT app_id FROM seats WHERE state = 'assigning' \
        UNION SELECT app_id FROM seats WHERE state = 'reclaiming'";
    COUNTS = "SELECT state, count(*) AS n FROM seats WHERE app_id = $1 GROUP BY state";
    UPSERT = "INSERT INTO seats ({columns}) VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (app_id, upn) DO UPDATE SET state = excluded.state, reason = excluded.reason, \
          since = excluded.since, attempts = excluded.attempts RETURNING {columns}";
    INSERT_MISSING = "INSERT INTO seats ({columns}) SELECT {columns given} FROM {rows $1 id blob, app_id blob, \
        upn text, state text, reason text, since bigint, attempts bigint} WHERE TRUE \
        ON CONFLICT (app_id, upn) DO NOTHING";
    SET_STATE = "UPDATE seats SET state = $3, reason = $4, since = $5, attempts = CASE WHEN $2 IN ('assigning', 'reclaiming') \
          AND $3 IN ('assigning', 'reclaiming') THEN attempts ELSE 0 END WHERE id = $1 AND state = $2";
    SET_STATE_MANY = "UPDATE seats SET state = $2, since = $3, attempts = CASE WHEN $1 IN ('assigning', 'reclaiming') \
          AND $2 IN ('assigning', 'reclaiming') THEN attempts ELSE 0 END WHERE state = $1 \
        AND id IN (SELECT given.id FROM {rows $4 id blob}) RETURNING id";
    SET_REASON = "UPDATE seats SET reason = $1 WHERE id IN (SELECT given.id FROM {rows $2 id blob})";
    ANSWERED = "UPDATE seats SET attempts = 0 WHERE id IN (SELECT given.id FROM {rows $1 id blob})";
    COUNT_ATTEMPT = "UPDATE seats SET attempts = attempts + 1 WHERE id IN (SELECT given.id FROM {rows $1 id blob})";
}
