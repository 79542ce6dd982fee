//! Groups of devices.

pub mod create;
pub mod list;
pub mod members;
