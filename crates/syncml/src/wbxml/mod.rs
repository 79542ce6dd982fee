//! SyncML as WBXML 1.1 to 1.3 (WAP-192), public identifiers of SyncML 1.0 to 1.2.

mod bytes;
mod header;
mod markup;
mod reader;
mod writer;

use crate::{DecodeError, Limits, Message, read, write};

/// Reads WBXML.
pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Message, DecodeError> {
    read::message(reader::Elements::new(bytes, limits)?, limits)
}

/// Writes WBXML 1.2 in UTF-8; a string table only where names without tokens need it.
pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut writer = writer::Writer::default();
    write::message(&mut writer, message);
    writer.into_bytes()
}

/// Global tokens (section 7.1): they mean the same on every code page.
mod token {
    pub(super) const SWITCH_PAGE: u8 = 0x00;
    pub(super) const END: u8 = 0x01;
    pub(super) const ENTITY: u8 = 0x02;
    pub(super) const STR_I: u8 = 0x03;
    /// As a tag id: with the two flags below also LITERAL_C, LITERAL_A and LITERAL_AC.
    pub(super) const LITERAL: u8 = 0x04;
    pub(super) const PI: u8 = 0x43;
    pub(super) const STR_T: u8 = 0x83;
    pub(super) const OPAQUE: u8 = 0xC3;
    /// The bits of a tag token below its flags; 0 to 3 there are global tokens.
    pub(super) const TAG_ID: u8 = 0x3F;
    /// The tag has content.
    pub(super) const CONTENT: u8 = 0x40;
    /// The tag has attributes.
    pub(super) const ATTRIBUTES: u8 = 0x80;
}
