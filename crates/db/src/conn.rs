//! A connection of either engine and the few ways to run a statement on it.

use crate::{
    dialect::{Engine, postgres_arguments, sqlite_arguments},
    error::DbError,
    param::Param,
    readers::Reader,
    row::{Cells, Row},
    sql::Sql,
};
use sqlx::{
    PgConnection, Postgres, Sqlite, SqliteConnection, Transaction, postgres::PgRow, sqlite::SqliteRow,
};

/// A connection that functions which only read take. A [`crate::Tx`] can be used as one.
pub struct Conn {
    link: Link,
    statements: u32,
    failed: bool,
    contended: bool,
}

/// What the statements go through: a connection for reading or a transaction.
pub(crate) enum Link {
    Sqlite(Reader<Sqlite>),
    SqliteTx(Transaction<'static, Sqlite>),
    Postgres(Reader<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

enum Driver<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

enum Fetched {
    Sqlite(Vec<SqliteRow>),
    Postgres(Vec<PgRow>),
}

impl Conn {
    pub(crate) const fn new(link: Link) -> Self {
        Self {
            link,
            statements: 0,
            failed: false,
            contended: false,
        }
    }

    /// Which database this is.
    pub const fn engine(&self) -> Engine {
        match self.link {
            Link::Sqlite(_) | Link::SqliteTx(_) => Engine::Sqlite,
            Link::Postgres(_) | Link::PostgresTx(_) => Engine::Postgres,
        }
    }

    /// How many statements ran on this handle; each is a round trip.
    pub const fn statements(&self) -> u32 {
        self.statements
    }

    /// Whether a statement failed because of other transactions, so that running the whole again may help.
    pub(crate) const fn contended(&self) -> bool {
        self.contended
    }

    /// Whether the database refused a statement. PostgreSQL stores nothing of such a transaction.
    pub(crate) const fn failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn into_link(self) -> Link {
        self.link
    }

    /// Runs a statement that answers nothing; how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: &'static Sql, params: &[Param<'_>]) -> Result<u64, DbError> {
        self.statements += 1;
        let result = self.driver().execute(sql, params).await;
        self.note(sql, result)
    }

    /// Every row of the answer.
    pub(crate) async fn all<T>(
        &mut self,
        sql: &'static Sql,
        params: &[Param<'_>],
        read: impl Fn(Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        self.statements += 1;
        let result = self.driver().fetch(sql, params).await;
        self.note(sql, result)?.rows(sql.name, read)
    }

    /// The first row of the answer, if there is one.
    pub(crate) async fn optional<T>(
        &mut self,
        sql: &'static Sql,
        params: &[Param<'_>],
        read: impl Fn(Row<'_>) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        Ok(self.all(sql, params, read).await?.into_iter().next())
    }

    /// The only row of a statement that always answers with one.
    pub(crate) async fn one<T>(
        &mut self,
        sql: &'static Sql,
        params: &[Param<'_>],
        read: impl Fn(Row<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let row = self.optional(sql, params, read).await?;
        row.ok_or(DbError::Query {
            statement: sql.name,
            source: sqlx::Error::RowNotFound,
        })
    }

    fn driver(&mut self) -> Driver<'_> {
        match &mut self.link {
            Link::Sqlite(reader) => {
                reader.begin();
                Driver::Sqlite(reader)
            }
            Link::SqliteTx(transaction) => Driver::Sqlite(transaction),
            Link::Postgres(reader) => {
                reader.begin();
                Driver::Postgres(reader)
            }
            Link::PostgresTx(transaction) => Driver::Postgres(transaction),
        }
    }

    fn note<T>(&mut self, sql: &'static Sql, result: Result<T, Failure>) -> Result<T, DbError> {
        let result = result.map_err(|failure| match failure {
            Failure::Ours(error) => error,
            Failure::Driver(error) => {
                self.failed = true;
                DbError::from_driver(sql.name, error)
            }
        });
        match &mut self.link {
            _ if matches!(result, Err(DbError::Unavailable(_))) => {}
            Link::Sqlite(reader) => reader.end(),
            Link::Postgres(reader) => reader.end(),
            Link::SqliteTx(_) | Link::PostgresTx(_) => {}
        }
        self.contended |= matches!(result, Err(DbError::Contended(_)));
        result
    }
}

enum Failure {
    Ours(DbError),
    Driver(sqlx::Error),
}
impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Ours(error)
    }
}
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl Driver<'_> {
    async fn execute(self, sql: &'static Sql, params: &[Param<'_>]) -> Result<u64, Failure> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let arguments = sqlite_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Sqlite), arguments);
                query.execute(connection).await?.rows_affected()
            }
            Self::Postgres(connection) => {
                let arguments = postgres_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Postgres), arguments);
                query.execute(connection).await?.rows_affected()
            }
        })
    }

    async fn fetch(self, sql: &'static Sql, params: &[Param<'_>]) -> Result<Fetched, Failure> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let arguments = sqlite_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Sqlite), arguments);
                Fetched::Sqlite(query.fetch_all(connection).await?)
            }
            Self::Postgres(connection) => {
                let arguments = postgres_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Postgres), arguments);
                Fetched::Postgres(query.fetch_all(connection).await?)
            }
        })
    }
}

impl Fetched {
    fn rows<T>(
        self,
        statement: &'static str,
        read: impl Fn(Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        match self {
            Self::Sqlite(rows) => rows
                .iter()
                .map(|row| {
                    read(Row {
                        statement,
                        cells: Cells::Sqlite(row),
                    })
                })
                .collect(),
            Self::Postgres(rows) => rows
                .iter()
                .map(|row| {
                    read(Row {
                        statement,
                        cells: Cells::Postgres(row),
                    })
                })
                .collect(),
        }
    }
}
