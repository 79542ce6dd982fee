//! Uploads to a real server process: broken off, survived by nobody, without room, and large.

mod broken_off;
mod full;
mod memory;
mod site;
