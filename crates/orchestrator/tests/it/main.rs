//! The use cases on both databases; PostgreSQL where a server is named.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod admin;
mod attempts;
mod clocks;
mod commits;
mod device;
mod interrupted;
mod retention;
mod rivals;
mod sessions;
mod store;
