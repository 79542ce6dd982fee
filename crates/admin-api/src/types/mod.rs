//! What goes in and out of `/api/v1`, shared with the command-line client. Times are RFC 3339 UTC, ids UUIDs.

mod app;
mod deployment;
mod device;
mod list;

pub use app::*;
pub use deployment::*;
pub use device::*;
pub use list::*;
