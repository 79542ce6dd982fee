//! The Store service.

pub mod status;
pub mod sync;
