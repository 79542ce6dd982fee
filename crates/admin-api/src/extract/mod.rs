//! How handlers read requests: roles, bodies, queries and paths, each with its problem document.

mod caller;
mod idempotency;
mod input;
mod log;

pub use caller::{Admin, Operator, Viewer};
pub use idempotency::Once;
pub use input::{Body, Params, Segment, page};
pub use log::log_request;
