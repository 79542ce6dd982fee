//! Opening a database: connections with the settings that each engine needs, and an up-to-date schema.

use crate::{
    connections::Connections, db::EnginePools, error::DbError, migrations, outage::Outage, watch::Watch,
};
use sqlx::{
    Connection, Executor, SqliteConnection, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, str::FromStr, sync::Arc, time::Duration};

/// What a database's URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    File(&'a Path),
    Memory,
    Postgres,
}

impl<'a> Address<'a> {
    pub(crate) fn parse(url: &'a str) -> Result<Self, DbError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres);
        }
        match url.strip_prefix("sqlite:") {
            Some(":memory:" | "//:memory:") => Ok(Self::Memory),
            Some(path) => Ok(Self::File(Path::new(path.strip_prefix("//").unwrap_or(path)))),
            None => Err(DbError::BadUrl("neither sqlite: nor postgres:")),
        }
    }
}

/// Opens what the address names.
pub(crate) async fn open(url: &str) -> Result<EnginePools, DbError> {
    match Address::parse(url)? {
        Address::File(path) => open_file(path).await,
        Address::Memory => open_memory().await,
        Address::Postgres => open_postgres(url).await,
    }
}

/// One writing connection and several reading ones on a file, which is made if it is missing.
pub(crate) async fn open_file(path: &Path) -> Result<EnginePools, DbError> {
    if path.as_os_str().is_empty() {
        return Err(DbError::BadUrl("no file is named"));
    }
    private_file(path)?;
    let options = sqlite_options().filename(path);
    let writer = sqlite_pool(options.clone().pragma("cache_size", "-65536"), 1).await?;
    migrations::bring_up_sqlite(&writer).await?;
    let readers = options.pragma("query_only", "ON").pragma("cache_size", "-16384");
    let readers = sqlite_pool(readers, READERS).await?;
    Ok(EnginePools::Sqlite {
        writer: Connections::new(writer, Some(Duration::MAX), None),
        readers: Connections::new(readers, Some(Duration::MAX), None),
    })
}

/// A connection of one's own to a file that is there, for reading.
pub(crate) async fn existing_file(path: &Path) -> Result<SqliteConnection, DbError> {
    let options = sqlite_options()
        .filename(path)
        .create_if_missing(false)
        .pragma("query_only", "ON");
    SqliteConnection::connect_with(&options)
        .await
        .map_err(DbError::from_connecting)
}

/// A connection of one's own to a new file.
pub(crate) async fn new_file(path: &Path) -> Result<SqliteConnection, DbError> {
    private_file(path)?;
    SqliteConnection::connect_with(&sqlite_options().filename(path))
        .await
        .map_err(DbError::from_connecting)
}

/// A database in memory has one connection, for everything.
async fn open_memory() -> Result<EnginePools, DbError> {
    let options = sqlite_options()
        .in_memory(true)
        .journal_mode(SqliteJournalMode::Memory);
    let writer = sqlite_pool(options, 1).await?;
    migrations::bring_up_sqlite(&writer).await?;
    Ok(EnginePools::Sqlite {
        readers: Connections::new(writer.clone(), None, None),
        writer: Connections::new(writer, None, None),
    })
}

fn sqlite_options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENT_CACHE)
        .pragma("mmap_size", "268435456")
        .pragma("temp_store", "MEMORY")
        .pragma("journal_size_limit", "67108864")
}

async fn sqlite_pool(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, DbError> {
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(SQLITE_TURN)
        // A connection to a file does not go stale; asking it costs as much as a statement.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None);
    pool.connect_with(options).await.map_err(DbError::from_connecting)
}

/// Licenses are in the database, so a new file is for its owner only. SQLite gives its companions the same mode.
fn private_file(path: &Path) -> Result<(), DbError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(DbError::Unavailable(Outage::NoFile, sqlx::Error::Io(error)))
        }
        _ => Ok(()),
    }
}

async fn open_postgres(url: &str) -> Result<EnginePools, DbError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| DbError::BadUrl("a part of the postgres: address is malformed"))?
        .application_name("quartermaster")
        .statement_cache_capacity(STATEMENT_CACHE);
    let watch = Arc::new(Watch::new(options.clone()));
    // A pool would wait for a server that is not there, and then not know why it waited.
    watch.ask().await.map_err(DbError::from_connecting)?;
    let writers = postgres_pool(&watch)
        .connect_with(options.clone())
        .await
        .map_err(DbError::from_connecting)?;
    migrations::bring_up_postgres(&writers).await?;
    let readers = postgres_pool(&watch).connect_lazy_with(options);
    let watched = || Some(Arc::clone(&watch));
    Ok(EnginePools::Postgres {
        writers: Connections::new(writers, Some(TRUSTED_FOR), watched()),
        readers: Connections::new(readers, Some(TRUSTED_FOR), watched()),
        watch,
    })
}

fn postgres_pool(watch: &Arc<Watch>) -> PgPoolOptions {
    let watch = Arc::clone(watch);
    PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(POSTGRES_TURN)
        .test_before_acquire(false)
        .before_acquire(move |connection, usage| {
            let doubtful = usage.idle_for > TRUSTED_FOR || watch.broke_within(usage.idle_for);
            Box::pin(async move {
                if doubtful {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(POSTGRES_SETTINGS).await.map(|_| ()) })
        })
}

/// Our statements are short: compiling them to machine code costs more than running them.
const POSTGRES_SETTINGS: &str =
    "SET jit = off; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'";
/// For reading, and as many again for writing.
const POSTGRES_CONNECTIONS: u32 = 10;
/// A connection used this recently is not asked whether it still lives.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
const STATEMENT_CACHE: usize = 256;
/// How long another program may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a connection may be waited for: behind other writers, of which SQLite lets one work at a time …
const SQLITE_TURN: Duration = Duration::from_secs(15);
/// … and until a server gives one. Devices must not be kept waiting for a server that is away.
const POSTGRES_TURN: Duration = Duration::from_secs(5);
