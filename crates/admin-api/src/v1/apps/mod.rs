//! The catalogue.

pub mod find;
pub mod icon;
pub mod list;
pub mod upload;
