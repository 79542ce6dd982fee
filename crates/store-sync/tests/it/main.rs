//! The synchronization against a simulated Store, on a database and a temporary folder.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod cases;
mod catalogue;
mod circuit;
mod connect;
mod content;
mod docs;
mod seats;
mod setup;
