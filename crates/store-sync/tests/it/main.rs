//! The synchronization against a simulated Store, on SQLite and a temporary folder.

mod catalogue;
mod content;
mod seats;
mod setup;
