//! SQLite and PostgreSQL behind one API: connections, transactions, migrations, and one module of plain functions
//! for each kind of record.
//!
//! What it is not: it decides nothing. State moves, applicability and retries are decided elsewhere; here they are
//! stored, guarded in the `WHERE` clause against whoever else wants to move the same row.
//!
//! Start with [`Db`]: [`Db::read`] gives a [`Conn`] for reading, [`Db::begin`] a [`Tx`] for writing, and [`run!`]
//! runs a transaction again when PostgreSQL asks for it. Functions that only read take `&mut Conn`, functions that
//! write take `&mut Tx`; a `&mut Tx` serves as both.
//!
//! Every SQL text is declared once with `sql!` (see `sql.rs`) and runs on both engines. What has to differ is a
//! `{word}` in the text that `dialect.rs` fills in. Tests prepare every text on both engines and look at its plan.

pub mod api_tokens;
pub mod apps;
pub mod audit;
mod batches;
pub mod certificates;
pub mod clock;
pub mod commands;
mod conn;
mod connections;
mod db;
pub mod deployments;
pub mod device_apps;
pub mod devices;
mod dialect;
pub mod dump;
pub mod enrollment_tokens;
mod error;
pub mod exchanges;
pub mod groups;
pub mod idempotency;
pub mod jobs;
pub mod licenses;
mod migrations;
mod open;
mod outage;
pub mod packages;
mod paging;
mod param;
mod row;
pub mod seats;
pub mod selection;
pub mod sessions;
pub mod settings;
mod sole;
mod sql;
pub mod store_circuit;
pub mod store_status;
pub mod targets;
#[cfg(feature = "test-support")]
pub mod test_support;
pub mod unused_content;
mod watch;

pub use batches::Batches;
pub use conn::Conn;
pub use db::{Attempts, Db, Tx};
pub use dialect::Engine;
pub use error::DbError;
pub use outage::Outage;
pub use sole::SoleServer;
