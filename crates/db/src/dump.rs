//! All rows of a database as JSON, the same from either engine and for either engine: what a backup is made of.
//!
//! A row is a JSON array of its cells in the order of the columns: numbers, texts, `null`, bytes in hexadecimal. The
//! databases themselves write and read the arrays, so a row is never held here but as its line of text.

use crate::{
    dialect::Engine,
    error::DbError,
    migrations,
    open::{self, Address},
    outage::Outage,
};
use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, Postgres, Row as _, SqliteConnection, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    io,
    path::{Path, PathBuf},
    str::FromStr as _,
};

/// Most tables, each after those it refers to.
const TABLES: [&str; 23] = [
    "devices",
    "device_apps",
    "certificates",
    "enrollment_tokens",
    "enrollment_replies",
    "sessions",
    "commands",
    "exchanges",
    "device_groups",
    "group_members",
    "apps",
    "packages",
    "package_frameworks",
    "licenses",
    "seats",
    "deployments",
    "target_counts",
    "targets",
    "seat_reasons",
    "jobs",
    "api_tokens",
    "audit_entries",
    "idempotency_keys",
];

/// A connection of one's own in a transaction; what is not committed was never there.
enum Link {
    Sqlite(SqliteConnection),
    Postgres(Transaction<'static, Postgres>),
}

/// A column and the kind of its cells, in the engine's word.
struct Column {
    name: String,
    kind: String,
}

impl Link {
    const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    async fn run(&mut self, sql: String) -> Result<(), DbError> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => connection.execute(sql).await.map(|_| ()),
            Self::Postgres(transaction) => transaction.execute(sql).await.map(|_| ()),
        }
        .map_err(|error| DbError::from_driver("dump", error))
    }

    /// The tables there are, without those of the engine and of the migrator.
    async fn tables(&mut self) -> Result<Vec<String>, DbError> {
        let sqlite =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
        let postgres = "SELECT CAST(relname AS TEXT) FROM pg_class \
            WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind = 'r' ORDER BY 1";
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sqlite).fetch_all(connection).await,
            Self::Postgres(transaction) => sqlx::query_scalar(postgres).fetch_all(&mut **transaction).await,
        }
        .map_err(|error| DbError::from_driver("dump.tables", error))
    }

    async fn columns(&mut self, table: &str) -> Result<Vec<Column>, DbError> {
        let sqlite = "SELECT name, type FROM pragma_table_info($1) ORDER BY cid";
        let postgres = "SELECT CAST(attname AS TEXT), format_type(atttypid, atttypmod) FROM pg_attribute \
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let found: Vec<(String, String)> = match self {
            Self::Sqlite(connection) => sqlx::query_as(sqlite).bind(table).fetch_all(connection).await,
            Self::Postgres(transaction) => {
                let query = sqlx::query_as(postgres).bind(table);
                query.fetch_all(&mut **transaction).await
            }
        }
        .map_err(|error| DbError::from_driver("dump.columns", error))?;
        let column = |(name, kind): (String, String)| Column {
            name,
            kind: kind.to_lowercase(),
        };
        Ok(found.into_iter().map(column).collect())
    }

    async fn close(self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(transaction) => transaction.rollback().await,
        }
        .map_err(|error| DbError::from_driver("dump.close", error))
    }
}

/// A database at one moment, while others go on writing.
pub struct Snapshot {
    link: Link,
    versions: Vec<i64>,
}

impl Snapshot {
    /// Takes a snapshot. The schema is left as it is.
    pub async fn take(url: &str) -> Result<Self, DbError> {
        let mut link = match Address::parse(url)? {
            Address::Memory => return Err(DbError::BadUrl("a database in memory is in no other process")),
            Address::File(path) => {
                let mut link = Link::Sqlite(open::existing_file(path).await?);
                // The first read fixes what the transaction sees.
                link.run("BEGIN".to_owned()).await?;
                link
            }
            Address::Postgres => Link::Postgres(transaction(url, READING).await?),
        };
        let sql = "SELECT version FROM _sqlx_migrations ORDER BY version";
        let versions = match &mut link {
            Link::Sqlite(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
            Link::Postgres(transaction) => sqlx::query_scalar(sql).fetch_all(&mut **transaction).await,
        }
        .map_err(|error| DbError::from_driver("dump.versions", error))?;
        migrations::check_known(&versions)?;
        Ok(Self { link, versions })
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        self.link.engine()
    }

    /// The steps of the schema's history that the database has gone through.
    pub fn versions(&self) -> &[i64] {
        &self.versions
    }

    /// The tables that this database has, each after those it refers to.
    pub async fn tables(&mut self) -> Result<Vec<&'static str>, DbError> {
        let there = self.link.tables().await?;
        Ok(tables()
            .filter(|table| there.iter().any(|name| name == table))
            .collect())
    }

    /// Gives every row of a table to `each`, one line of JSON at a time, the names of the columns before them. How many
    /// rows there were.
    pub async fn rows(
        &mut self,
        table: &str,
        mut each: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, DumpError> {
        let columns = self.link.columns(table).await?;
        let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        each(&serde_json::Value::from(names).to_string())?;
        let sql = AssertSqlSafe(reading(self.link.engine(), table, &columns));
        let failed = |error| DumpError::Database(DbError::from_driver("dump.rows", error));
        let mut count = 0;
        match &mut self.link {
            Link::Sqlite(connection) => {
                let mut rows = sqlx::query(sql).fetch(connection);
                while let Some(row) = rows.try_next().await.map_err(failed)? {
                    each(row.try_get(0).map_err(failed)?)?;
                    count += 1;
                }
            }
            Link::Postgres(transaction) => {
                let mut rows = sqlx::query(sql).fetch(&mut **transaction);
                while let Some(row) = rows.try_next().await.map_err(failed)? {
                    each(row.try_get(0).map_err(failed)?)?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    /// Lets go of the snapshot.
    pub async fn close(self) -> Result<(), DbError> {
        self.link.close().await
    }
}

/// Why rows could not be written out.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Where the rows go to.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// A new database that is filled from a dump. Nothing of it is there until [`finish`](Self::finish), whatever happens to
/// this process: an embedded one is a file beside its place until then, the other a single transaction.
pub struct Loader {
    link: Link,
    /// Where an embedded one will be.
    place: Option<PathBuf>,
}

impl Loader {
    /// Makes a database as it was after these steps of the schema's history; there must be none.
    pub async fn begin(url: &str, versions: &[i64]) -> Result<Self, DbError> {
        migrations::check_known(versions)?;
        let (mut link, place) = match Address::parse(url)? {
            Address::Memory => return Err(DbError::BadUrl("a database in memory is gone with this process")),
            Address::File(path) if path.exists() => return Err(DbError::NotEmpty),
            Address::File(path) => (new_file(path, versions).await?, Some(path.to_owned())),
            Address::Postgres => (new_schema(url, versions).await?, None),
        };
        // What the steps themselves put in is in the dump as well.
        let there = link.tables().await?;
        for table in tables().filter(|table| there.iter().any(|name| name == table)) {
            link.run(format!("DELETE FROM {table}")).await?;
        }
        Ok(Self { link, place })
    }

    /// How the rows of a table are stored. `header` is the line of column names.
    pub async fn table(&mut self, table: &str, header: &str) -> Result<TableLoader<'_>, DbError> {
        let given: Vec<String> =
            serde_json::from_str(header).map_err(|_| DbError::ForeignDump(table.to_owned()))?;
        let known = self.link.columns(table).await?;
        let column = |name: String| {
            let of_table = known.iter().find(|column| column.name == name);
            of_table
                .map(|column| Column {
                    name,
                    kind: column.kind.clone(),
                })
                .ok_or_else(|| DbError::ForeignDump(table.to_owned()))
        };
        let columns: Vec<_> = given.into_iter().map(column).collect::<Result<_, _>>()?;
        let insert = writing(self.link.engine(), table, &columns);
        Ok(TableLoader {
            link: &mut self.link,
            insert,
        })
    }

    /// Brings the schema up to date and makes everything permanent.
    pub async fn finish(self) -> Result<(), DbError> {
        let failed = |error| DbError::from_driver("load.finish", error);
        match self.link {
            Link::Sqlite(mut connection) => {
                connection.execute("COMMIT").await.map_err(failed)?;
                migrations::bring_sqlite_to(&mut connection, &migrations::known()).await?;
                connection.close().await.map_err(failed)?;
            }
            Link::Postgres(mut transaction) => {
                migrations::bring_postgres_to(&mut transaction, &migrations::known()).await?;
                transaction.commit().await.map_err(failed)?;
            }
        }
        match self.place {
            Some(place) => std::fs::rename(unfinished(&place), &place).map_err(no_file),
            None => Ok(()),
        }
    }
}

/// A new file beside its place; what a killed process left there is nobody's.
async fn new_file(place: &Path, versions: &[i64]) -> Result<Link, DbError> {
    let path = unfinished(place);
    remove_file(&path)?;
    let mut connection = open::new_file(&path).await?;
    migrations::bring_sqlite_to(&mut connection, versions).await?;
    let mut link = Link::Sqlite(connection);
    link.run("BEGIN".to_owned()).await?;
    Ok(link)
}

/// The tables of a new database, in the transaction that will fill them.
async fn new_schema(url: &str, versions: &[i64]) -> Result<Link, DbError> {
    let mut link = Link::Postgres(transaction(url, "BEGIN").await?);
    if !link.tables().await?.is_empty() {
        return Err(DbError::NotEmpty);
    }
    if let Link::Postgres(transaction) = &mut link {
        migrations::bring_postgres_to(transaction, versions).await?;
    }
    Ok(link)
}

/// Where an embedded database is while it is filled.
fn unfinished(place: &Path) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}

/// Stores rows of one table.
pub struct TableLoader<'l> {
    link: &'l mut Link,
    insert: String,
}

impl TableLoader<'_> {
    /// Stores some rows, given as a JSON array of their lines.
    pub async fn store(&mut self, rows: &str) -> Result<(), DbError> {
        let sql = AssertSqlSafe(self.insert.clone());
        match self.link {
            Link::Sqlite(connection) => sqlx::query(sql).bind(rows).execute(connection).await.map(|_| ()),
            Link::Postgres(transaction) => {
                let query = sqlx::query(sql).bind(rows);
                query.execute(&mut **transaction).await.map(|_| ())
            }
        }
        .map_err(|error| DbError::from_driver("load", error))
    }
}

/// The tables that came with later steps, and those that nothing refers to.
const LATER: [&str; 4] = ["settings", "store_circuit", "store_status", "unused_content"];

/// Every table, each after those it refers to.
pub fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().chain(LATER)
}

const READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A transaction on a connection of its own.
async fn transaction(url: &str, begin: &'static str) -> Result<Transaction<'static, Postgres>, DbError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| DbError::BadUrl("a part of the postgres: address is malformed"))?;
    let one = PgPoolOptions::new().max_connections(1).connect_with(options);
    let pool = one.await.map_err(DbError::from_connecting)?;
    pool.begin_with(begin).await.map_err(DbError::from_connecting)
}

/// One text cell for each row: the array of its cells.
fn reading(engine: Engine, table: &str, columns: &[Column]) -> String {
    let cell = |column: &Column| match column.kind.as_str() {
        "blob" => format!("hex(\"{}\")", column.name),
        "bytea" => format!("encode(\"{}\", 'hex')", column.name),
        _ => format!("\"{}\"", column.name),
    };
    let cells: Vec<_> = columns.iter().map(cell).collect();
    match engine {
        // `hex` makes an empty text of a null.
        Engine::Sqlite => {
            let cells = columns
                .iter()
                .zip(cells)
                .map(|(column, cell)| match column.kind.as_str() {
                    "blob" => format!("iif(\"{0}\" IS NULL, NULL, {cell})", column.name),
                    _ => cell,
                });
            format!(
                "SELECT json_array({}) FROM \"{table}\"",
                cells.collect::<Vec<_>>().join(", ")
            )
        }
        Engine::Postgres => format!(
            "SELECT CAST(json_build_array({}) AS TEXT) FROM \"{table}\"",
            cells.join(", ")
        ),
    }
}

/// Rows from one parameter: the array of their arrays.
fn writing(engine: Engine, table: &str, columns: &[Column]) -> String {
    let names: Vec<_> = columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let cell = |(index, column): (usize, &Column)| match (engine, column.kind.as_str()) {
        (Engine::Sqlite, "blob") => format!("unhex(value ->> {index})"),
        (Engine::Sqlite, _) => format!("value ->> {index}"),
        (Engine::Postgres, "bytea") => format!("decode(given.v ->> {index}, 'hex')"),
        (Engine::Postgres, kind) => format!("CAST(given.v ->> {index} AS {kind})"),
    };
    let cells: Vec<_> = columns.iter().enumerate().map(cell).collect();
    let source = match engine {
        Engine::Sqlite => "json_each($1)",
        Engine::Postgres => "json_array_elements(CAST($1 AS json)) AS given(v)",
    };
    format!(
        "INSERT INTO \"{table}\" ({}) SELECT {} FROM {source}",
        names.join(", "),
        cells.join(", ")
    )
}

/// Removes an embedded database that was only half filled.
pub fn discard(url: &str) -> Result<(), DbError> {
    match Address::parse(url)? {
        Address::File(place) => remove_file(&unfinished(place)),
        Address::Memory | Address::Postgres => Ok(()),
    }
}

/// With what the engine has put beside it.
fn remove_file(path: &Path) -> Result<(), DbError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(Path::new(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(no_file(error)),
            _ => {}
        }
    }
    Ok(())
}

fn no_file(error: io::Error) -> DbError {
    DbError::Unavailable(Outage::NoFile, sqlx::Error::Io(error))
}

#[cfg(test)]
mod tests;
