//! SyncML as XML 1.0.

mod reader;
mod text;
mod writer;

use crate::{DecodeError, Limits, Message, read, write};

/// Reads XML: UTF-8, or UTF-16 with a byte order mark or recognizable by its first character.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Message, DecodeError> {
    let text = text::document(bytes)?;
    read::message(reader::Elements::new(&text, limits), limits)
}

/// Writes XML: UTF-8, no declaration, no white space between elements.
pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut writer = writer::Writer::with_capacity(512 + 256 * message.body.len());
    write::message(&mut writer, message);
    writer.into_bytes()
}
