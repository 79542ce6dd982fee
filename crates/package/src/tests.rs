//! Whole packages and bundles, made here and read back.

mod build;
mod bundles;
mod inspecting;
mod maps;
mod memory;
mod mutations;
mod signatures;
mod structure;
