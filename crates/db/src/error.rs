//! What can go wrong between the server and its database.

use crate::outage::Outage;
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
    /// Another server works on the same SQLite file.
    #[error(
        "another server runs on this database (it holds {}): stop it first; several servers need PostgreSQL",
        .0.display()
    )]
    InUse(std::path::PathBuf),
    /// A database that was to be new holds something.
    #[error(
        "there is a database already, and it is not overwritten: name another file, or create an empty database"
    )]
    NotEmpty,
    /// A table of a dump is not as this program writes it.
    #[error("the rows of the table {0} are not as this program writes them")]
    ForeignDump(String),
    /// It cannot be used at the moment. Nothing of what was asked for is stored.
    #[error("the database is not available: {0}")]
    Unavailable(Outage, #[source] sqlx::Error),
    /// The connection was lost in the middle of a commit.
    #[error(
        "the connection to the database was lost while it stored this: it may be stored or not, so look before you \
         ask again"
    )]
    Uncertain(#[source] sqlx::Error),
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
        if let Some(outage) = Outage::of(&source) {
            return Self::Unavailable(outage, source);
        }
        let sqlx::Error::Database(error) = &source else {
            return Self::Query { statement, source };
        };
        match error.kind() {
            ErrorKind::UniqueViolation => Self::Conflict {
                constraint: error.constraint().unwrap_or(error.message()).to_owned(),
            },
            ErrorKind::ForeignKeyViolation => Self::MissingReference(source),
            _ if is_contention(error.code().as_deref().unwrap_or_default()) => Self::Contended(source),
            _ => Self::Query { statement, source },
        }
    }

    /// While a connection is made, whatever is reported means that the database cannot be used.
    pub(crate) fn from_connecting(source: sqlx::Error) -> Self {
        Self::Unavailable(Outage::of(&source).unwrap_or(Outage::Unreachable), source)
    }

    /// A commit failed: without a word of the database itself nobody knows whether it took place.
    pub(crate) fn from_commit(source: sqlx::Error) -> Self {
        match Self::from_driver("commit", source) {
            Self::Unavailable(Outage::Lost | Outage::Silent | Outage::Unreachable, source) => {
                Self::Uncertain(source)
            }
            other => other,
        }
    }

    /// What keeps the database from being used, where that is what went wrong.
    pub const fn outage(&self) -> Option<Outage> {
        match self {
            Self::Unavailable(outage, _) => Some(*outage),
            Self::Uncertain(_) => Some(Outage::Lost),
            _ => None,
        }
    }

    /// Whether what was asked for may be stored nevertheless.
    pub const fn may_be_stored(&self) -> bool {
        matches!(self, Self::Uncertain(_))
    }

    /// Whether the same may work a moment later.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Contended(_)) || self.outage().is_some()
    }
}

/// Serialization failure, deadlock, lock timeout; SQLite's LOCKED.
fn is_contention(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03" | "6" | "262")
}
