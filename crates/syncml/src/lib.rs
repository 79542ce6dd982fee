//! SyncML 1.2 messages of a Windows management session: one tree, two encodings (XML and WBXML), with limits.
//!
//! What it is not: it knows no session rules, no CSP and no HTTP. Bytes in, [`Message`] out, and back. Unknown elements
//! and codes survive as data or are skipped; broken input is an error, never a panic.
//!
//! Start with [`decode`], [`encode`] and [`Message`]. Inside, `xml` and `wbxml` turn bytes into tokens and back; `read`
//! and `write` are the only places that know the structure of a message, for both encodings.

mod codec;
mod error;
mod message;
mod read;
mod tag;
mod wbxml;
mod write;
mod xml;

#[cfg(test)]
mod tests;

pub use codec::{Encoding, Limits, decode, encode};
pub use error::DecodeError;
pub use message::*;
