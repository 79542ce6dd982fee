//! The contract of every module, exercised on SQLite and, where a server is named, on PostgreSQL.

#![expect(
    clippy::unwrap_used,
    reason = "a step that fails, fails the test, in helpers too"
)]
#![expect(clippy::print_stdout, reason = "a failure tells on which engine")]

mod admin;
mod catalogue;
mod database;
mod deployments;
mod devices;
mod enrollment;
mod fixtures;
mod groups;
mod jobs;
mod management;
mod outages;
mod rollout;
mod seats;
