//! Opening a database: connections with the settings that each engine needs, and an up-to-date schema.

use crate::{db::EnginePools, error::DbError, migrations, readers::Readers};
use sqlx::{
    Connection, Executor, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, str::FromStr, time::Duration};

/// Opens what the address names.
pub(crate) async fn open(url: &str) -> Result<EnginePools, DbError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return open_postgres(url).await;
    }
    match url.strip_prefix("sqlite:") {
        Some(":memory:" | "//:memory:") => open_memory().await,
        Some(path) => open_file(Path::new(path.strip_prefix("//").unwrap_or(path))).await,
        None => Err(DbError::BadUrl("neither sqlite: nor postgres:")),
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
    let readers = Readers::new(sqlite_pool(readers, READERS).await?, Some(Duration::MAX));
    Ok(EnginePools::Sqlite { writer, readers })
}

/// A database in memory has one connection, for everything.
async fn open_memory() -> Result<EnginePools, DbError> {
    let options = sqlite_options()
        .in_memory(true)
        .journal_mode(SqliteJournalMode::Memory);
    let writer = sqlite_pool(options, 1).await?;
    migrations::bring_up_sqlite(&writer).await?;
    Ok(EnginePools::Sqlite {
        readers: Readers::new(writer.clone(), None),
        writer,
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
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection to a file does not go stale; asking it costs as much as a statement.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None);
    pool.connect_with(options)
        .await
        .map_err(|error| DbError::from_driver("open", error))
}

/// Licenses are in the database, so a new file is for its owner only. SQLite gives its companions the same mode.
fn private_file(path: &Path) -> Result<(), DbError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(DbError::Unavailable(sqlx::Error::Io(error)))
        }
        _ => Ok(()),
    }
}

async fn open_postgres(url: &str) -> Result<EnginePools, DbError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| DbError::BadUrl("a part of the postgres: address is malformed"))?
        .application_name("quartermaster")
        .statement_cache_capacity(STATEMENT_CACHE);
    let writers: PgPool = postgres_pool()
        .connect_with(options.clone())
        .await
        .map_err(unreachable)?;
    migrations::bring_up_postgres(&writers).await?;
    let readers = postgres_pool().connect_lazy_with(options);
    Ok(EnginePools::Postgres {
        writers,
        readers: Readers::new(readers, Some(TRUSTED_FOR)),
    })
}

fn postgres_pool() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, usage| {
            Box::pin(async move {
                if usage.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(POSTGRES_SETTINGS).await.map(|_| ()) })
        })
}

/// While connecting, whatever the server says means that it cannot be used.
fn unreachable(error: sqlx::Error) -> DbError {
    DbError::Unavailable(error)
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
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);
