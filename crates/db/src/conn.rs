//! A connection of either engine and the few ways to run a statement on it.

use crate::{
    connections::{Lent, Transaction, breaks_connection, guarded, is_silence},
    dialect::{Engine, postgres_arguments, sqlite_arguments},
    error::DbError,
    outage::Outage,
    param::Param,
    row::{Cells, Row},
    sql::Sql,
};
use sqlx::{Postgres, Sqlite, postgres::PgRow, sqlite::SqliteRow};

/// A connection that functions which only read take. A [`crate::Tx`] can be used as one.
pub struct Conn {
    link: Link,
    statements: u32,
    failed: bool,
    again: bool,
    outage: Option<Outage>,
}

/// What the statements go through: a connection for reading or a transaction.
pub(crate) enum Link {
    Sqlite(Lent<Sqlite>),
    SqliteTx(Transaction<Sqlite>),
    Postgres(Lent<Postgres>),
    PostgresTx(Transaction<Postgres>),
}

enum Driver<'c> {
    Sqlite(&'c mut Lent<Sqlite>),
    Postgres(&'c mut Lent<Postgres>),
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
            again: false,
            outage: None,
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

    /// Whether a statement failed because of other transactions or a broken connection, so that running the whole again
    /// may help.
    pub(crate) const fn again(&self) -> bool {
        self.again
    }

    /// What kept the database from carrying out a statement.
    pub(crate) const fn outage(&self) -> Option<Outage> {
        self.outage
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
        let result = self.run(sql, params).await;
        self.note(sql.name, result)
    }

    /// Every row of the answer.
    pub(crate) async fn all<T>(
        &mut self,
        sql: &'static Sql,
        params: &[Param<'_>],
        read: impl Fn(Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        self.statements += 1;
        let mut result = self.fetch(sql, params).await;
        if let (Link::Postgres(lent), Err(Failure::Driver(error))) = (&mut self.link, &result)
            && breaks_connection(error)
            && !is_silence(error)
        {
            // Reading changes nothing: on another connection it may be done once more.
            result = match lent.renew().await {
                Ok(()) => self.fetch(sql, params).await,
                Err(error) => Err(Failure::Driver(error)),
            };
        }
        self.note(sql.name, result)?.rows(sql.name, read)
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

    async fn run(&mut self, sql: &'static Sql, params: &[Param<'_>]) -> Result<u64, Failure> {
        self.link.driver()?.execute(sql, params).await
    }

    async fn fetch(&mut self, sql: &'static Sql, params: &[Param<'_>]) -> Result<Fetched, Failure> {
        self.link.driver()?.fetch(sql, params).await
    }

    /// Runs statements that control the transaction, in one trip.
    pub(crate) async fn run_raw(&mut self, text: &'static str) -> Result<(), DbError> {
        self.statements += 1;
        let result = match self.link.driver() {
            Ok(driver) => driver.run_raw(text).await,
            Err(error) => Err(error.into()),
        };
        self.note("savepoint", result)
    }

    /// The statement that failed was undone.
    pub(crate) const fn forgive(&mut self) {
        self.failed = false;
        self.again = false;
    }

    fn note<T>(&mut self, statement: &'static str, result: Result<T, Failure>) -> Result<T, DbError> {
        result.map_err(|failure| match failure {
            Failure::Ours(error) => error,
            Failure::Driver(source) => {
                self.failed = true;
                self.again = breaks_connection(&source) && !is_silence(&source);
                let error = DbError::from_driver(statement, source);
                self.again |= matches!(error, DbError::Contended(_));
                self.outage = error.outage().or(self.outage);
                error
            }
        })
    }
}

impl Link {
    fn driver(&mut self) -> Result<Driver<'_>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(lent) => Driver::Sqlite(lent),
            Self::SqliteTx(transaction) => Driver::Sqlite(transaction.lent()?),
            Self::Postgres(lent) => Driver::Postgres(lent),
            Self::PostgresTx(transaction) => Driver::Postgres(transaction.lent()?),
        })
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
    async fn run_raw(self, text: &'static str) -> Result<(), Failure> {
        match self {
            Self::Sqlite(lent) => {
                let done = sqlx::raw_sql(text).execute(lent.begin()?).await;
                lent.ended(done)?;
            }
            Self::Postgres(lent) => {
                let watch = lent.watch();
                let done = guarded(watch.as_deref(), sqlx::raw_sql(text).execute(lent.begin()?)).await;
                lent.ended(done)?;
            }
        }
        Ok(())
    }

    async fn execute(self, sql: &'static Sql, params: &[Param<'_>]) -> Result<u64, Failure> {
        Ok(match self {
            Self::Sqlite(lent) => {
                let arguments = sqlite_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Sqlite), arguments);
                let done = query.execute(lent.begin()?).await;
                lent.ended(done)?.rows_affected()
            }
            Self::Postgres(lent) => {
                let arguments = postgres_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Postgres), arguments);
                let watch = lent.watch();
                let done = guarded(watch.as_deref(), query.execute(lent.begin()?)).await;
                lent.ended(done)?.rows_affected()
            }
        })
    }

    async fn fetch(self, sql: &'static Sql, params: &[Param<'_>]) -> Result<Fetched, Failure> {
        Ok(match self {
            Self::Sqlite(lent) => {
                let arguments = sqlite_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Sqlite), arguments);
                let rows = query.fetch_all(lent.begin()?).await;
                Fetched::Sqlite(lent.ended(rows)?)
            }
            Self::Postgres(lent) => {
                let arguments = postgres_arguments(sql.name, params)?;
                let query = sqlx::query_with(sql.text(Engine::Postgres), arguments);
                let watch = lent.watch();
                let rows = guarded(watch.as_deref(), query.fetch_all(lent.begin()?)).await;
                Fetched::Postgres(lent.ended(rows)?)
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
