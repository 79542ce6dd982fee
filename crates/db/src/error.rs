//! What can go wrong between the server and its database.

use sqlx::error::ErrorKind;

/// A failure of the database layer, one variant for each cause that a caller treats differently.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A statement of the transaction had failed before it was to be committed.
    #[error("a statement of the transaction failed, so nothing of it was stored")]
    Aborted,
    /// The address is no database address.
    #[error(
        "the database address is not understood ({0}): use sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME"
    )]
    BadUrl(&'static str),
    /// The server or file cannot be reached, or no connection became free in time.
    #[error("the database is not available: check that it runs and that the address is right")]
    Unavailable(#[source] sqlx::Error),
    /// Others changed the same rows at the same time; the whole transaction may be tried again.
    #[error("the transaction lost against another one; try again")]
    Contended(#[source] sqlx::Error),
    /// A row with the same unique values exists.
    #[error("such a row exists already ({constraint})")]
    Conflict {
        /// The constraint (PostgreSQL) or its columns (SQLite), for logs.
        constraint: String,
    },
    /// The row refers to another one that does not exist.
    #[error("a row that this one refers to does not exist")]
    MissingReference(#[source] sqlx::Error),
    /// A stored value that no version of this program writes.
    #[error("column {column} read by {statement} is corrupt: {reason}")]
    Corrupt {
        /// The statement that read it.
        statement: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
    /// The text holds a NUL character, which PostgreSQL cannot store.
    #[error("a text with a NUL character cannot be stored")]
    NulInText,
    /// The database was written by a newer version of this program.
    #[error(
        "the database has schema version {found}, this program knows versions up to {known}: run a newer version"
    )]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// A migration was applied that reads differently now.
    #[error("schema version {0} of the database was made by other statements than those of this program")]
    ForeignSchema(i64),
    /// A migration failed.
    #[error("the database's schema could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// Anything else; a defect here or in the database.
    #[error("statement {statement} failed")]
    Query {
        /// The statement's name.
        statement: &'static str,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
}

impl DbError {
    /// Sorts what a driver reports about `statement`.
    pub(crate) fn from_driver(statement: &'static str, source: sqlx::Error) -> Self {
        match &source {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(source),
            sqlx::Error::Database(error) => match error.kind() {
                ErrorKind::UniqueViolation => Self::Conflict {
                    constraint: error.constraint().unwrap_or(error.message()).to_owned(),
                },
                ErrorKind::ForeignKeyViolation => Self::MissingReference(source),
                _ => match classify(error.code().as_deref().unwrap_or_default()) {
                    Class::Contended => Self::Contended(source),
                    Class::Unavailable => Self::Unavailable(source),
                    Class::Other => Self::Query { statement, source },
                },
            },
            _ => Self::Query { statement, source },
        }
    }
}

enum Class {
    Contended,
    Unavailable,
    Other,
}

/// SQLSTATEs have five characters, SQLite's extended result codes are numbers of up to four digits.
fn classify(code: &str) -> Class {
    match code {
        // Serialization failure, deadlock, lock timeout; SQLite's BUSY, LOCKED and BUSY_SNAPSHOT.
        "40001" | "40P01" | "55P03" | "5" | "6" | "517" => Class::Contended,
        // Too many connections, shutting down, starting up; SQLite's CANTOPEN, IOERR and FULL.
        "53300" | "57P01" | "57P02" | "57P03" | "14" | "10" | "13" => Class::Unavailable,
        _ if code.len() == 5 && code.starts_with("08") => Class::Unavailable,
        _ => Class::Other,
    }
}
