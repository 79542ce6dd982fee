//! Connections that stay at hand. A pool asks every connection that comes back whether it still lives, which costs as
//! much as a read did; these are only asked after a pause or a fault.

use crate::{outage::Outage, watch::Watch};
use sqlx::{
    Database, Executor as _, PgConnection, Pool, Postgres, Sqlite, SqliteConnection, pool::PoolConnection,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A way to say `BEGIN`, `COMMIT` and `ROLLBACK`.
pub(crate) trait Speak: Database {
    /// What begins a writing transaction.
    const BEGIN: &'static str;
    /// Runs a statement without parameters.
    fn say(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}
impl Speak for Sqlite {
    // A deferred transaction that reads first and writes later can fail at once, whatever the timeout.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    async fn say(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
        connection.execute(sql).await.map(|_| ())
    }
}
impl Speak for Postgres {
    const BEGIN: &'static str = "BEGIN";
    async fn say(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
        connection.execute(sql).await.map(|_| ())
    }
}

/// The connections of one database for one use.
pub(crate) struct Connections<DB: Speak> {
    pool: Pool<DB>,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<(PoolConnection<DB>, Instant)>>,
    trusted_for: Option<Duration>,
    watch: Option<Arc<Watch>>,
    /// When a transaction could not begin last.
    refused: Mutex<Option<Instant>>,
}

/// A connection on loan.
pub(crate) struct Lent<DB: Speak> {
    /// `None` after a broken connection could not be replaced.
    connection: Option<PoolConnection<DB>>,
    owner: Arc<Connections<DB>>,
    trust: Trust,
    _permit: OwnedSemaphorePermit,
}

/// What is known of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Its last statement has ended.
    Sound,
    /// Nobody waited for the end of its last statement.
    Unsure,
    /// It is broken, or in the middle of something that must not go on.
    Broken,
}

impl<DB: Speak> Connections<DB> {
    /// Connections of a pool. After `trusted_for` without use the pool looks after a connection; with `None` it gets
    /// every connection back at once, which it needs where it has other users.
    pub(crate) fn new(pool: Pool<DB>, trusted_for: Option<Duration>, watch: Option<Arc<Watch>>) -> Arc<Self> {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(1);
        let (free, idle) = (Arc::new(Semaphore::new(most)), Mutex::default());
        Arc::new(Self {
            pool,
            free,
            idle,
            trusted_for,
            watch,
            refused: Mutex::default(),
        })
    }

    /// The one used last, as its memory is warm; else one from the pool.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Lent<DB>, sqlx::Error> {
        let patience = self.pool.options().get_acquire_timeout();
        timeout(patience, self.lend())
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn lend(self: &Arc<Self>) -> Result<Lent<DB>, sqlx::Error> {
        let permit = Arc::clone(&self.free).acquire_owned().await;
        let permit = permit.map_err(|_| sqlx::Error::PoolClosed)?;
        let connection = match self.at_hand() {
            Some(connection) => connection,
            None => self.pool.acquire().await?,
        };
        Ok(Lent {
            connection: Some(connection),
            owner: Arc::clone(self),
            trust: Trust::Sound,
            _permit: permit,
        })
    }

    /// Ends all connections, waiting for those on loan.
    pub(crate) async fn close(&self) {
        self.free.close();
        self.lock().clear();
        self.pool.close().await;
    }

    fn at_hand(&self) -> Option<PoolConnection<DB>> {
        let mut idle = self.lock();
        match idle.pop() {
            Some((connection, since)) if self.trusted_for.is_some_and(|time| since.elapsed() <= time) => {
                Some(connection)
            }
            // The others have rested longer still: the pool shall look at them all.
            Some(_) => {
                idle.clear();
                None
            }
            None => None,
        }
    }

    /// A connection was found broken: the others are looked at before they are used again.
    fn distrust(&self) {
        if let Some(watch) = &self.watch {
            watch.found_broken();
            self.lock().clear();
        }
    }

    fn note_refusal(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn refused_since(&self, start: Instant) -> bool {
        let refused = *self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|at| at >= start)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(PoolConnection<DB>, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Speak> Lent<DB> {
    /// The connection, with a statement about to begin: until it has [ended](Self::ended), it is not to be trusted.
    pub(crate) fn begin(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.trust = Trust::Unsure;
        self.connection.as_deref_mut().ok_or(sqlx::Error::PoolTimedOut)
    }

    /// How the statement ended says whether the connection still speaks.
    pub(crate) fn ended<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match &result {
            Err(error) if breaks_connection(error) => {
                self.trust = Trust::Broken;
                self.owner.distrust();
            }
            Ok(_) | Err(sqlx::Error::Database(_)) => self.trust = Trust::Sound,
            Err(_) => {}
        }
        result
    }

    /// A fresh connection instead of a broken one.
    pub(crate) async fn renew(&mut self) -> Result<(), sqlx::Error> {
        drop(self.connection.take().map(PoolConnection::detach));
        self.connection = Some(self.owner.pool.acquire().await?);
        self.trust = Trust::Sound;
        Ok(())
    }

    /// Who gives up statements of a server that has vanished.
    pub(crate) fn watch(&self) -> Option<Arc<Watch>> {
        self.owner.watch.clone()
    }

    fn give_back(&mut self, connection: PoolConnection<DB>) {
        let owner = &self.owner;
        match self.trust {
            Trust::Sound if owner.trusted_for.is_some() && !owner.free.is_closed() => {
                owner.lock().push((connection, Instant::now()));
            }
            Trust::Sound => {}
            Trust::Unsure => drop(tokio::spawn(look_after::<DB>(connection))),
            Trust::Broken => drop(connection.detach()),
        }
    }
}

/// A connection whose last statement nobody saw end: that may have begun a transaction, which must not be left to whoever
/// comes next. Where there was none, SQLite refuses and PostgreSQL warns, and either is an answer.
async fn look_after<DB: Speak>(mut connection: PoolConnection<DB>) {
    match timeout(LAST_WORD, DB::say(&mut connection, "ROLLBACK")).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) if !breaks_connection(&error) => {}
        _ => drop(connection.detach()),
    }
}

impl<DB: Speak> Drop for Lent<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.give_back(connection);
        }
    }
}

/// A transaction; dropping it undoes it.
pub(crate) struct Transaction<DB: Speak> {
    /// Taken by the end.
    lent: Option<Lent<DB>>,
}

impl<DB: Speak> Transaction<DB> {
    /// Begins on a connection, and once more on a fresh one where that turns out to be broken.
    pub(crate) async fn begin(owner: &Arc<Connections<DB>>) -> Result<Self, sqlx::Error> {
        let start = Instant::now();
        let mut lent = owner.acquire().await?;
        // Whoever waited behind one that waited in vain need not wait in vain as well.
        if owner.refused_since(start) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        if let Err(error) = lent.say(DB::BEGIN).await {
            if lent.trust != Trust::Broken || is_silence(&error) {
                owner.note_refusal();
                return Err(error);
            }
            lent.renew().await?;
            lent.say(DB::BEGIN).await?;
        }
        Ok(Self { lent: Some(lent) })
    }

    /// The connection that it is on.
    pub(crate) fn lent(&mut self) -> Result<&mut Lent<DB>, sqlx::Error> {
        self.lent.as_mut().ok_or(sqlx::Error::PoolTimedOut)
    }

    /// Makes it permanent; after an error that is no word of the database itself, nobody knows whether it is.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.lent()?.say("COMMIT").await?;
        // Without this, `drop` would roll back.
        drop(self.lent.take());
        Ok(())
    }
}

impl<DB: Speak> Lent<DB> {
    async fn say(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        let watch = self.watch();
        let connection = self.begin()?;
        let said = guarded(watch.as_deref(), DB::say(connection, sql)).await;
        self.ended(said)
    }
}

/// Runs a statement under the watch, where there is one.
pub(crate) async fn guarded<T>(
    watch: Option<&Watch>,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match watch {
        Some(watch) => watch.over(statement).await,
        None => statement.await,
    }
}

/// Whether no other statement will work on this connection.
pub(crate) fn breaks_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => Outage::of(error) == Some(Outage::Lost),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        _ => false,
    }
}

/// Whether the time for an answer is used up: asking once more would double it.
pub(crate) fn is_silence(error: &sqlx::Error) -> bool {
    Outage::of(error) == Some(Outage::Silent)
}

impl<DB: Speak> Drop for Transaction<DB> {
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take()
            && lent.trust != Trust::Broken
        {
            drop(tokio::spawn(roll_back(lent)));
        }
    }
}

/// SQLite may have rolled back by itself (disk full): that it refuses to do so again is no fault.
async fn roll_back<DB: Speak>(mut lent: Lent<DB>) {
    lent.trust = Trust::Broken;
    let Some(connection) = lent.connection.as_deref_mut() else {
        return;
    };
    if let Ok(Ok(()) | Err(sqlx::Error::Database(_))) =
        timeout(LAST_WORD, DB::say(connection, "ROLLBACK")).await
    {
        lent.trust = Trust::Sound;
    }
}

/// How long a connection may take for its last word.
const LAST_WORD: Duration = Duration::from_secs(5);
