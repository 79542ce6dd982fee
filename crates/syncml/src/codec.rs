//! The two encodings and the limits that both keep.

use crate::{DecodeError, Message, read::read_message, wbxml, write::write_message, xml};

/// How a message is encoded on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/vnd.syncml.dm+xml`.
    Xml,
    /// `application/vnd.syncml.dm+wbxml`.
    Wbxml,
}

impl Encoding {
    /// By a `Content-Type`; parameters and case do not matter.
    pub fn from_media_type(text: &str) -> Option<Self> {
        let media_type = text.split(';').next().unwrap_or_default().trim();
        [Self::Xml, Self::Wbxml].into_iter().find(|e| media_type.eq_ignore_ascii_case(e.media_type()))
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/vnd.syncml.dm+xml",
            Self::Wbxml => "application/vnd.syncml.dm+wbxml",
        }
    }
}

/// What a message may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Elements inside each other.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 * 1024 * 1024, depth: 16, elements: 100_000 }
    }
}

/// Reads a message. Unknown elements are skipped or kept as [`crate::Command::Unknown`].
pub fn decode(encoding: Encoding, bytes: &[u8], limits: &Limits) -> Result<Message, DecodeError> {
    if bytes.len() > limits.bytes {
        return Err(DecodeError::Limit("bytes"));
    }
    match encoding {
        Encoding::Xml => {
            let text = xml::to_text(bytes)?;
            read_message(&mut xml::Source::new(&text, *limits))
        }
        Encoding::Wbxml => read_message(&mut wbxml::Source::new(bytes, *limits)?),
    }
}

/// Writes a message. Characters that XML 1.0 cannot hold are left out, line ends become LF.
pub fn encode(encoding: Encoding, message: &Message) -> Vec<u8> {
    match encoding {
        Encoding::Xml => {
            let mut sink = xml::Sink::new(message.has_original_errors());
            write_message(&mut sink, message);
            sink.finish()
        }
        Encoding::Wbxml => {
            let mut sink = wbxml::Sink::new(message.has_original_errors());
            write_message(&mut sink, message);
            sink.finish()
        }
    }
}
