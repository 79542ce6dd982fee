//! Devices.

pub mod apps;
pub mod commands;
pub mod delete;
pub mod exchanges;
pub mod find;
pub mod list;
