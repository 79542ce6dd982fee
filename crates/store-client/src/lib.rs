//! The REST client of the Microsoft Store for Business management service: tokens, the twelve operations, what may
//! be repeated and what may not, and the download of packages and artwork from the content network.
//!
//! What it is not: it keeps no catalogue and no ledger of seats, stores nothing and decides nothing about devices.
//! The HTTP clients are the caller's; [`api_client`] and [`content_client`] set what this crate relies on.
//!
//! Start with [`StoreClient`]. Each operation is one method; lists come as a [`Walk`] over all pages. [`StoreError`]
//! says what went wrong, and [`StoreError::is_transient`] whether waiting may help. Operations that change seats never
//! repeat themselves when an answer was lost: they end with [`StoreError::Ambiguous`], and reading the seat decides.
//!
//! The service is described in prose only, and its published pages disagree with its answers. So answers are read
//! leniently: any casing of names, numbers as text, missing and unknown fields, unknown values of enumerations.

mod answer;
mod backoff;
mod classify;
mod client;
mod config;
mod content;
mod error;
mod image;
mod operation;
mod pace;
mod paging;
mod products;
mod seats;
mod token;
mod transport;

#[cfg(test)]
mod tests;

pub use backoff::RetryPolicy;
pub use classify::{Class, Outcome, classify};
pub use client::{StoreClient, api_client, content_client};
pub use config::{ConfigError, StoreConfig};
pub use content::{Download, DownloadError, Resume, Validators};
pub use error::{AnswerProblem, NotTheService, StoreError};
pub use image::{Image, MAX_IMAGE_BYTES};
pub use operation::Operation;
pub use paging::{InventoryQuery, Walk};
pub use qm_store_model::{
    AlternateId, BulkResult, Conflict, DistributionPolicy, FailedSeat, Fault, InventoryEntry,
    InventoryStatus, License, LicenseType, LocalizedDetails, Missing, PackageArchitecture, PackageFormat,
    PackageSet, Platform, ProductDetails, ProductImage, ProductKey, Seat, SeatAction, SeatState,
    StorePackage, TokenError, Verdict, decode_hash,
};
pub use seats::MAX_BULK_USERS;
