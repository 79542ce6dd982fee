//! Packages and images by their SHA-256: a folder that is written atomically and served in ranges.
//!
//! [`ContentStore`] keeps the bytes. What is stored is complete and synced to the disk, or not there at all:
//! a [`ContentWriter`] that is dropped, or a crash, leaves nothing behind. A [`Partial`] is the exception on
//! purpose: a download that goes on after a restart. Memory use is constant, whatever the size.
//!
//! [`LinkSigner`] makes the addresses that devices get: `/content/{sha256}/{file name}?exp=…&sig=…`, good
//! until they expire and for nothing else. [`range`] reads the headers of RFC 9110 that a download needs.
//!
//! What it is not: it knows neither HTTP frameworks nor the database, and does not look into packages
//! (`qm-package` does, over [`ContentStore::path`]). It counts no references: who deletes has to know.

pub mod error;
mod files;
pub mod link;
mod location;
mod partial;
pub mod range;
mod sink;
mod space;
mod store;
mod stream;
mod writer;

#[cfg(test)]
mod tests;

pub use error::ContentError;
pub use link::{LinkError, LinkSigner};
pub use location::{LocationError, folder};
pub use partial::Partial;
pub use store::ContentStore;
pub use stream::Content;
pub use writer::{CompleteContent, ContentWriter, Stored};
