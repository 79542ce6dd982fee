//! Why an operation of the synchronization failed.

use crate::circuit::trouble_of;
use qm_content::ContentError;
use qm_core::{AppId, PackageId, Timestamp};
use qm_db::DbError;
use qm_package::PackageError;
use qm_store_client::{DownloadError, StoreError};

/// Why an operation of the synchronization failed. The texts are for administrators.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The content store failed, or the bytes are not those announced.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The content network failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// All or most of the inventory is gone at once, which is taken for a fault of the Store.
    #[error(
        "the Store's inventory lists {missing} of {known} known products no more, which is taken for a fault of the \
         Store; none of them was removed. If they are really gone there is nothing to do: a complete walk at least 12 \
         hours later removes those that it misses too and that the Store disowns when asked for them one by one"
    )]
    GreatLoss {
        /// Products that are missing and not removed.
        missing: usize,
        /// Products of the catalogue.
        known: usize,
    },
    /// The Store failed again and again, or lets nobody in: nothing is asked until a moment that is known.
    #[error("the Store is left alone for now, because of this: {reason}")]
    LeftAlone {
        /// When it is asked again.
        retry_at: Timestamp,
        /// What went wrong last.
        reason: String,
    },
    /// The package is listed without an address.
    #[error("the Store offers no download of `{0}` to this organization")]
    NoAddress(String),
    /// The Store has no license for the content.
    #[error("the Store has no offline license for content `{0}`; check that the app is licensed offline")]
    NoLicense(String),
    /// The app or package did not come from the Store.
    #[error("this app or package did not come from the Store; upload what is missing")]
    NotFromStore,
    /// Seats of an app that has none.
    #[error("the app is not licensed online and has no seats")]
    NotOnline,
    /// The package is no longer listed.
    #[error("the Store no longer lists `{0}`; synchronize the catalogue, then choose again")]
    PackageGone(String),
    /// The Store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such app.
    #[error("there is no app {0}")]
    UnknownApp(AppId),
    /// The app has no such package.
    #[error("the app has no package {0}")]
    UnknownPackage(PackageId),
    /// What came is no package that devices can use.
    #[error("what the Store delivered as `{full_name}` cannot be used and was not kept: {source}")]
    Unreadable {
        /// As listed.
        full_name: String,
        /// Why.
        source: PackageError,
    },
    /// Another package came than listed.
    #[error("the Store delivered `{found}` in place of `{expected}`")]
    WrongPackage {
        /// As listed.
        expected: String,
        /// What the file says.
        found: String,
    },
}

impl SyncError {
    /// Whether the same may succeed later with nothing changed on our side: such a job is worth repeating.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Content(error) => !matches!(error, ContentError::Location(_)),
            Self::Database(error) => error.may_pass(),
            Self::Download(error) => error.is_transient(),
            Self::GreatLoss { .. }
            | Self::LeftAlone { .. }
            | Self::Unreadable {
                source: PackageError::Io(_),
                ..
            } => true,
            Self::Store(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether asking the Store for something else is pointless, too.
    pub(crate) fn concerns_connection(&self) -> bool {
        matches!(self, Self::Store(error) if trouble_of(error).is_some())
    }
}
