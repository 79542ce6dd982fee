//! SyncML 1.2 messages of a Windows management session: one tree, two codecs (XML and WBXML), with limits.
//!
//! What it is not: it knows no session rules, no CSP and no HTTP. Bytes in, [`Message`] out, and back.
//! Unknown elements and codes survive as data or are skipped; broken input is an error, never a panic.
//!
//! Start with [`Message`].

mod message;

pub use message::*;
