//! What the Microsoft Store for Business management service answers: bytes and JSON in, records out.
//!
//! The service is described in prose only, and its published pages disagree with its answers. So answers are read
//! leniently: any casing of names, numbers as text, missing and unknown fields, unknown values of enumerations.
//!
//! What it is not: it opens no connection and repeats nothing; that is `store-client`, which hands these types on. Start
//! with [`lenient::Fields`], by which everything is read, and [`InventoryEntry`].

mod bulk;
pub mod dates;
mod fault;
mod grant;
mod hash;
pub mod lenient;
mod model;
mod package;
mod page;

pub use bulk::{BulkResult, FailedSeat, SeatAction, Verdict, seat_in_state};
pub use fault::{Conflict, Fault, Missing};
pub use grant::{Grant, TokenError};
pub use hash::decode_hash;
pub use model::{
    AlternateId, DistributionPolicy, InventoryEntry, InventoryStatus, License, LicenseType, LocalizedDetails,
    ProductDetails, ProductImage, ProductKey, Seat, SeatState,
};
pub use package::{PackageArchitecture, PackageFormat, PackageSet, Platform, StorePackage};
pub use page::Page;
