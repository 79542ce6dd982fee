//! A throw-away PostgreSQL server that tests may stop and start, and a way to it that can be cut.
//!
//! What it is not: it knows nothing of our schema, and servers that are already there are not touched.
//!
//! Start with [`Cluster::start`]; [`Way`] stands between a client and any server.

mod cluster;
mod way;

pub use cluster::{Cluster, Stop};
pub use way::{Cut, Way};
