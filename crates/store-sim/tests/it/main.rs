//! The service over real HTTP: every operation, every fault.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that uses them")]

mod answers;
mod content;
mod paging;
mod products;
mod seats;
mod support;
mod token;
mod wire;
