//! The database as the rest of the server holds it: handles for reading, named transactions for writing.

use crate::{
    conn::{Conn, Link},
    connections::{Connections, Transaction},
    dialect::Engine,
    error::DbError,
    open,
    outage::Outage,
    settings,
    watch::Watch,
};
use sqlx::{Postgres, Sqlite};
use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A database; clones share its connections.
#[derive(Clone)]
pub struct Db(Arc<Pools>);

/// The connections of one database.
pub(crate) struct Pools {
    pub(crate) engine: EnginePools,
    /// What kept a transaction from being stored, until a write succeeds that was made to find out.
    hindrance: Mutex<Option<Outage>>,
    /// The folder of a database that lives as long as this value.
    #[cfg(feature = "test-support")]
    pub(crate) _folder: Option<tempfile::TempDir>,
}

pub(crate) enum EnginePools {
    /// One connection that writes and several that read.
    Sqlite {
        writer: Arc<Connections<Sqlite>>,
        readers: Arc<Connections<Sqlite>>,
    },
    Postgres {
        writers: Arc<Connections<Postgres>>,
        readers: Arc<Connections<Postgres>>,
        watch: Arc<Watch>,
    },
}

impl Db {
    /// Opens `sqlite:PATH` (made if it is missing), `sqlite::memory:` or `postgres://…` and brings its schema up to
    /// date. A schema newer than this program is refused.
    pub async fn connect(url: &str) -> Result<Self, DbError> {
        open::open(url).await.map(Self::from_pools)
    }

    pub(crate) fn from_pools(engine: EnginePools) -> Self {
        Self(Arc::new(Pools {
            engine,
            hindrance: Mutex::default(),
            #[cfg(feature = "test-support")]
            _folder: None,
        }))
    }

    #[cfg(feature = "test-support")]
    pub(crate) fn in_folder(engine: EnginePools, folder: tempfile::TempDir) -> Self {
        Self(Arc::new(Pools {
            engine,
            hindrance: Mutex::default(),
            _folder: Some(folder),
        }))
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self.0.engine {
            EnginePools::Sqlite { .. } => Engine::Sqlite,
            EnginePools::Postgres { .. } => Engine::Postgres,
        }
    }

    /// A connection for reading. Statements on it see each the newest committed state.
    pub async fn read(&self) -> Result<Conn, DbError> {
        let waiting = Instant::now();
        let link = match &self.0.engine {
            EnginePools::Sqlite { readers, .. } => readers.acquire().await.map(Link::Sqlite),
            EnginePools::Postgres { readers, .. } => readers.acquire().await.map(Link::Postgres),
        };
        metrics::histogram!("db_pool_wait_seconds", "use" => "read").record(waiting.elapsed());
        link.map(Conn::new).map_err(DbError::from_connecting)
    }

    /// A transaction for writing; dropping it undoes it. `name` labels its metrics: `deployment.create`.
    pub async fn begin(&self, name: &'static str) -> Result<Tx, DbError> {
        let waiting = Instant::now();
        let link = match &self.0.engine {
            EnginePools::Sqlite { writer, .. } => Transaction::begin(writer).await.map(Link::SqliteTx),
            EnginePools::Postgres { writers, .. } => Transaction::begin(writers).await.map(Link::PostgresTx),
        };
        metrics::histogram!("db_pool_wait_seconds", "use" => "write").record(waiting.elapsed());
        let link = link.map_err(|error| self.hindered(DbError::from_connecting(error)))?;
        Ok(Tx {
            db: self.clone(),
            conn: Some(Conn::new(link)),
            name,
            part: Part::None,
            started: Instant::now(),
        })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbError> {
        crate::settings::find(&mut self.read().await?, "ping")
            .await
            .map(|_| ())
    }

    /// Whether the database can do its work: it answers, and where a transaction could not be stored, whether that has
    /// passed. The error tells as exactly as can be found out what is wrong.
    pub async fn check(&self) -> Result<(), DbError> {
        if let Err(error) = self.ping().await {
            return Err(self.explained(error).await);
        }
        if self.hindrance().is_some() {
            self.try_to_write().await?;
            *self.lock_hindrance() = None;
        }
        Ok(())
    }

    /// A pool only knows that it waited in vain; a connection of one's own tells why.
    async fn explained(&self, error: DbError) -> DbError {
        match &self.0.engine {
            EnginePools::Postgres { watch, .. } => match watch.ask().await {
                Err(reason) => DbError::from_connecting(reason),
                Ok(()) => error,
            },
            EnginePools::Sqlite { .. } => error,
        }
    }

    /// Stores and removes a text that needs new pages: what fits into used ones would tell nothing.
    async fn try_to_write(&self) -> Result<(), DbError> {
        let mut tx = self.begin("check.write").await?;
        settings::set(&mut tx, PROBE, &"-".repeat(PROBE_BYTES)).await?;
        tx.commit().await?;
        let mut tx = self.begin("check.clear").await?;
        settings::delete(&mut tx, PROBE).await?;
        tx.commit().await
    }

    /// What hinders writing, as far as is known.
    pub fn hindrance(&self) -> Option<Outage> {
        *self.lock_hindrance()
    }

    fn note_hindrance(&self, outage: Option<Outage>) {
        if let Some(outage) = outage.filter(|outage| outage.hinders_writing()) {
            *self.lock_hindrance() = Some(outage);
        }
    }

    fn hindered(&self, error: DbError) -> DbError {
        self.note_hindrance(error.outage());
        error
    }

    fn lock_hindrance(&self) -> std::sync::MutexGuard<'_, Option<Outage>> {
        self.0.hindrance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        match &self.0.engine {
            EnginePools::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            EnginePools::Postgres { writers, readers, .. } => {
                readers.close().await;
                writers.close().await;
            }
        }
    }

    #[cfg(feature = "test-support")]
    pub(crate) fn pools(&self) -> &EnginePools {
        &self.0.engine
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Db").field(&self.engine()).finish()
    }
}

/// A transaction. Functions that write take `&mut Tx`; those that only read take it too.
pub struct Tx {
    db: Db,
    conn: Option<Conn>,
    name: &'static str,
    part: Part,
    started: Instant,
}

/// Whether there is a savepoint, and whether anything was done behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    None,
    Begun,
    Fresh,
}

impl Tx {
    /// Begins a part that can be undone alone; the part before it is kept.
    pub async fn begin_part(&mut self) -> Result<(), DbError> {
        match self.part {
            Part::None => self.run_raw("SAVEPOINT part").await?,
            Part::Begun => self.run_raw("RELEASE SAVEPOINT part; SAVEPOINT part").await?,
            Part::Fresh => {}
        }
        self.part = Part::Begun;
        Ok(())
    }

    /// Undoes what was done since [`Self::begin_part`], also after a statement that the database refused: the transaction
    /// goes on as if it had not been tried. Without a part, nothing.
    pub async fn undo_part(&mut self) -> Result<(), DbError> {
        if self.part == Part::None {
            return Ok(());
        }
        self.run_raw("ROLLBACK TO SAVEPOINT part").await?;
        self.forgive();
        self.part = Part::Fresh;
        Ok(())
    }

    /// Makes everything done in it permanent. After a statement that the database refused, nothing is: PostgreSQL
    /// could not do otherwise, so SQLite does the same.
    pub async fn commit(mut self) -> Result<(), DbError> {
        let Some(conn) = self.conn.take() else {
            return Ok(());
        };
        let statements = conn.statements();
        if conn.failed() {
            self.db.note_hindrance(conn.outage());
            self.record("failed", statements);
            return Err(DbError::Aborted);
        }
        let committed = match conn.into_link() {
            Link::SqliteTx(transaction) => {
                let committed = transaction.commit().await;
                committed.map_err(|error| DbError::from_driver("commit", error))
            }
            Link::PostgresTx(transaction) => transaction.commit().await.map_err(DbError::from_commit),
            Link::Sqlite(_) | Link::Postgres(_) => Ok(()),
        };
        self.record(if committed.is_ok() { "committed" } else { "failed" }, statements);
        committed.map_err(|error| self.db.hindered(error))
    }

    fn record(&self, outcome: &'static str, statements: u32) {
        metrics::histogram!("db_transaction_seconds", "name" => self.name, "outcome" => outcome)
            .record(self.started.elapsed());
        metrics::histogram!("db_transaction_statements", "name" => self.name).record(f64::from(statements));
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(conn) = &self.conn {
            self.db.note_hindrance(conn.outage());
            self.record("rolled_back", conn.statements());
        }
    }
}

impl Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        self.conn
            .as_ref()
            .expect("only commit, which consumes the transaction, takes the connection")
    }
}
impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn
            .as_mut()
            .expect("only commit, which consumes the transaction, takes the connection")
    }
}

/// The attempts of one [`run!`](crate::run): counts them, and says whether another one makes sense.
pub struct Attempts {
    name: &'static str,
    made: u32,
}

impl Attempts {
    /// No attempt made yet.
    pub const fn new(name: &'static str) -> Self {
        Self { name, made: 0 }
    }

    /// Starts the next attempt, a little later each time.
    pub async fn begin(&mut self, db: &Db) -> Result<Tx, DbError> {
        if self.made > 0 {
            tracing::debug!(
                db.transaction = self.name,
                db.attempt = self.made + 1,
                "transaction is tried again"
            );
            metrics::counter!("db_transaction_retries_total", "name" => self.name).increment(1);
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(self.made - 1)).await;
        }
        self.made += 1;
        db.begin(self.name).await
    }

    /// Commits what succeeded and rolls back what failed. `None` asks for another attempt. A commit whose answer was lost
    /// is not tried again: it may have been stored.
    pub async fn end<T, E: From<DbError>>(&self, tx: Tx, result: Result<T, E>) -> Option<Result<T, E>> {
        let more = self.made < MOST_ATTEMPTS;
        match result {
            Ok(value) => match tx.commit().await {
                Err(DbError::Contended(_)) if more => None,
                committed => Some(committed.map(|()| value).map_err(E::from)),
            },
            Err(_) if more && tx.again() => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Runs a transaction, and runs it again where PostgreSQL found that it lost against another one (serialization
/// failure, deadlock, lock timeout) or where its connection broke before the commit, a few times at most. Commits if the
/// body is `Ok`, undoes everything if not.
///
/// The body is an `async` block with `tx: &mut Tx` in scope that may run several times: it must change nothing outside
/// the database. `?` and `return` leave the body. The error type is any that is `From<DbError>`.
///
/// ```
/// # async fn example(db: qm_db::Db, key: &str) -> Result<bool, qm_db::DbError> {
/// qm_db::run!(db, "settings.set", |tx| {
///     let known = qm_db::settings::find(tx, key).await?.is_some();
///     qm_db::settings::set(tx, key, "on").await?;
///     Ok(known)
/// })
/// # }
/// ```
#[macro_export]
macro_rules! run {
    ($db:expr, $name:expr, |$tx:ident| $body:expr) => {{
        let mut attempts = $crate::Attempts::new($name);
        loop {
            match attempts.begin(&$db).await {
                ::core::result::Result::Err(error) => {
                    break ::core::result::Result::Err(::core::convert::From::from(error));
                }
                ::core::result::Result::Ok(mut transaction) => {
                    let result = {
                        let $tx = &mut transaction;
                        async { $body }.await
                    };
                    if let ::core::option::Option::Some(done) = attempts.end(transaction, result).await {
                        break done;
                    }
                }
            }
        }
    }};
}

/// What is written to find out whether writing works.
const PROBE: &str = "check.write";
const PROBE_BYTES: usize = 64 * 1024;
const MOST_ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(4);
