//! `quartermaster backup` and `restore`: database, keys, certificates and configuration in one archive.
//!
//! What it is not: the archive does not hold the packages, only the list of them, so that a restore can say which are
//! missing. It depends on neither database engine, so a restore may change it.
//!
//! The archive is a zip: `tables/*.jsonl` ([`qm_db::dump`]), `files/*`, `content.jsonl` and, last, `manifest.json` with
//! the digest of every other entry. A restore reads it twice: all of it before anything is changed, then to restore.

mod archive;
mod create;
mod files;
mod restore;

pub use create::{Backup, create, run as backup};
pub use restore::{Restore, Restored, restore, run as run_restore};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the archive's own form.
const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
const CONTENT: &str = "content.jsonl";

/// What an archive is and holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// The version of the program that wrote it.
    program: String,
    /// RFC 3339.
    created_at: String,
    /// The engine that the rows come from; for people.
    engine: String,
    /// The steps of the schema's history that the database had gone through.
    schema: Vec<i64>,
    /// Every other entry by its name.
    entries: BTreeMap<String, Entry>,
}

/// One entry of an archive.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// Of what is in it, in hexadecimal.
    sha256: String,
    /// How many rows, for a table.
    rows: Option<u64>,
}

/// A package or icon that belongs to the database.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct ContentLine {
    sha256: String,
    /// Bytes; `None` where it was missing already.
    size: Option<u64>,
}

/// The entry of a table.
fn table_entry(table: &str) -> String {
    format!("tables/{table}.jsonl")
}
