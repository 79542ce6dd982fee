//! Why a use case refuses.

use qm_db::DbError;

/// Why a use case of the admin API refuses.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// Nothing with this id.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What was looked for: `device`, `app`, …
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// A value cannot be used.
    #[error("{field}: {problem}")]
    Invalid {
        /// The field of the request.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// It contradicts how things stand.
    #[error("{0}")]
    Conflict(String),
    /// More bytes than allowed.
    #[error("the upload is larger than the limit of {limit} bytes (limits.upload_bytes)")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// An uploaded file is no usable package or license.
    #[error("{file}: {problem}")]
    Package {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No room for the file.
    #[error(
        "there is no room left where packages are stored (content.url); make room, then upload again: nothing was stored"
    )]
    Full,
    /// Too many wrong tokens came from this address.
    #[error(transparent)]
    TooManyFailures(#[from] crate::TooManyFailures),
    /// The database is out of reach.
    #[error(transparent)]
    Unavailable(#[from] DbError),
    /// Something that should not happen.
    #[error("{0}")]
    Internal(String),
}

impl UseCaseError {
    /// Nothing of this kind with this id.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are Copy and read better without a borrow"
    )]
    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound {
            what,
            id: id.to_string(),
        }
    }

    /// A field's value cannot be used.
    pub(crate) fn invalid(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            problem: problem.into(),
        }
    }
}
