//! What can go wrong with stored content.

use crate::LocationError;
use qm_core::Sha256;
use std::{io, path::PathBuf};

/// Why content could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The setting names no place to store in.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The file system said no.
    #[error("the content store could not use `{}`: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No room is left.
    #[error(
        "the content folder is full (`{}`); free some space or give it a larger disk. Nothing half-written is kept, and \
         it is tried again",
        path.display()
    )]
    Full {
        /// Where.
        path: PathBuf,
    },
    /// Other bytes than announced.
    #[error("the content has the SHA-256 digest {actual}, not {expected} as announced; transfer it again")]
    Digest {
        /// Announced.
        expected: Sha256,
        /// Received.
        actual: Sha256,
    },
    /// More or fewer bytes than announced.
    #[error("the content has {actual} bytes, not {expected} as announced; transfer it again")]
    Size {
        /// Announced.
        expected: u64,
        /// Received.
        actual: u64,
    },
    /// An earlier write failed or was given up half-way, so what is there cannot be trusted.
    #[error("an earlier write of this content did not finish; start again")]
    Interrupted,
    /// Another task or server is at work on the same partial download.
    #[error("the download `{key}` is already under way")]
    Busy {
        /// The partial download's key.
        key: String,
    },
}
