//! The vocabulary of Quartermaster: ids, time, randomness, secrets, and the records that the other
//! crates exchange, with the legal moves of their states.
//!
//! What it is not: it does no I/O, knows no database, no wire format and no HTTP. A type belongs here
//! when two crates that may not see each other have to talk about the same thing.
//!
//! Start with [`deployment`] (the states an app goes through on its way to a device), then [`device`]
//! and [`app`]. [`Clock`] and [`Rng`] are passed as parameters everywhere; nothing in the workspace
//! reads the system clock or a global random source by itself.

pub mod access;
pub mod app;
pub mod architecture;
pub mod circuit;
pub mod client;
pub mod command;
pub mod deployment;
pub mod device;
pub mod digest;
pub mod enrollment;
pub mod failures;
pub mod group;
pub mod hresult;
pub mod id;
pub mod job;
pub mod page;
pub mod rng;
pub mod seat;
pub mod secret;
pub mod session;
pub mod text_enum;
pub mod time;
pub mod version;

pub use architecture::Architecture;
pub use client::ClientNetwork;
pub use digest::Sha256;
pub use failures::FailureLimit;
pub use hresult::HResult;
pub use id::*;
pub use page::{BadPage, Page, PageRequest};
pub use rng::Rng;
pub use secret::Secret;
pub use time::{Clock, Timestamp};
pub use version::Version;
