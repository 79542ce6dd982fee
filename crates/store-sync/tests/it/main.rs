//! The synchronization against a simulated Store, on SQLite and a temporary folder.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod catalogue;
mod content;
mod seats;
mod setup;
