//! SyncML 1.2 messages of a Windows management session: one tree, two codecs (XML and WBXML), with limits.
//!
//! What it is not: it knows no session rules, no CSP and no HTTP. Bytes in, [`Message`] out, and back.
//! Unknown elements and codes survive as data or are skipped; broken input is an error, never a panic.
//!
//! Both codecs share one reading of the protocol: `read` builds the tree from whatever opens, closes and fills
//! elements, `write` walks the tree in the order of the DTD. `xml` and `wbxml` only know their notation, `tag`
//! holds the vocabulary with its WBXML code pages, `text` the characters that XML 1.0 allows.
//!
//! Reading is lenient where devices differ (prefixes, namespaces, the order of children, `Type` beside `Meta`),
//! writing is strict. In the tree line ends are LF, and binary data is base64 text under the format `bin`.
//!
//! Start with [`Message`], [`decode`] and [`encode`].

mod encoding;
mod error;
mod limits;
mod message;
mod read;
mod redact;
mod shortcuts;
mod tag;
mod text;
mod wbxml;
mod write;
mod xml;

pub use encoding::Encoding;
pub use error::{DecodeError, WbxmlFault};
pub use limits::Limits;
pub use message::*;

/// Reads one document. A plain function of the bytes: no input makes it panic or allocate beyond `limits`.
pub fn decode(encoding: Encoding, bytes: &[u8], limits: &Limits) -> Result<Message, DecodeError> {
    if bytes.len() > limits.bytes {
        return Err(DecodeError::TooLarge { limit: limits.bytes });
    }
    match encoding {
        Encoding::Xml => xml::decode(bytes, limits),
        Encoding::Wbxml => wbxml::decode(bytes, limits),
    }
}

/// Writes one document. Characters that XML 1.0 forbids are left out, line ends become LF.
pub fn encode(encoding: Encoding, message: &Message) -> Vec<u8> {
    match encoding {
        Encoding::Xml => xml::encode(message),
        Encoding::Wbxml => wbxml::encode(message),
    }
}
