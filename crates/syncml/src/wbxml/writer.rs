//! Elements as WBXML tokens.

use super::{bytes::push_integer, header, token};
use crate::{
    tag::Tag,
    text::{is_space, tidy},
    write::{Sink, is_element_name},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::collections::BTreeMap;

/// Collects the body and the string table.
#[derive(Default)]
pub(super) struct Writer {
    body: Vec<u8>,
    page: u8,
    table: Vec<u8>,
    offsets: BTreeMap<String, usize>,
}

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(header::OURS.len() + 5 + self.table.len() + self.body.len());
        out.extend_from_slice(&header::OURS);
        push_integer(&mut out, self.table.len());
        out.extend_from_slice(&self.table);
        out.extend_from_slice(&self.body);
        out
    }

    fn tag(&mut self, tag: Tag, flags: u8) {
        if tag.page() != self.page {
            self.page = tag.page();
            self.body.extend_from_slice(&[token::SWITCH_PAGE, self.page]);
        }
        self.body.push(tag.id() | flags);
    }

    fn string(&mut self, text: &str) {
        // Tidied text holds no zero, which would end the string.
        self.body.push(token::STR_I);
        self.body.extend_from_slice(tidy(text).as_bytes());
        self.body.push(0);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.body.push(token::OPAQUE);
        push_integer(&mut self.body, bytes.len());
        self.body.extend_from_slice(bytes);
    }

    /// A token followed by the place of a name in the string table.
    fn literal(&mut self, token: u8, name: &str) {
        let offset = self.offset(name);
        self.body.push(token);
        push_integer(&mut self.body, offset);
    }

    fn offset(&mut self, name: &str) -> usize {
        if let Some(offset) = self.offsets.get(name) {
            return *offset;
        }
        let offset = self.table.len();
        self.table.extend_from_slice(name.as_bytes());
        self.table.push(0);
        self.offsets.insert(name.to_owned(), offset);
        offset
    }

    fn end(&mut self) {
        self.body.push(token::END);
    }
}

impl Sink for Writer {
    fn open(&mut self, tag: Tag) {
        self.tag(tag, token::CONTENT);
    }

    fn close(&mut self, _tag: Tag) {
        self.end();
    }

    fn empty(&mut self, tag: Tag) {
        self.tag(tag, 0);
    }

    fn leaf(&mut self, tag: Tag, text: &str) {
        if text.is_empty() {
            return self.empty(tag);
        }
        self.open(tag);
        self.string(text);
        self.end();
    }

    fn number(&mut self, tag: Tag, number: u64) {
        self.leaf(tag, &number.to_string());
    }

    fn data(&mut self, text: &str, binary: bool) {
        let Some(bytes) = Some(text).filter(|_| binary).and_then(base64_bytes) else {
            return self.leaf(Tag::Data, text);
        };
        self.open(Tag::Data);
        self.bytes(&bytes);
        self.end();
    }

    /// The namespace of original errors stays out: nothing here depends on declarations.
    fn open_body(&mut self, _with_errors: bool) {
        self.open(Tag::SyncBody);
    }

    fn failure(&mut self, code: u16, original_error: &str) {
        self.tag(Tag::Data, token::CONTENT | token::ATTRIBUTES);
        self.literal(token::LITERAL, "msft:originalerror");
        self.string(original_error);
        self.end();
        self.string(&code.to_string());
        self.end();
    }

    fn unknown(&mut self, name: &str, cmd_id: &str) {
        if !is_element_name(name) {
            return;
        }
        match Tag::from_name(name) {
            Tag::Other => self.literal(token::LITERAL | token::CONTENT, name),
            tag => self.open(tag),
        }
        if !cmd_id.is_empty() {
            self.leaf(Tag::CmdID, cmd_id);
        }
        self.end();
    }
}

/// The bytes that base64 text stands for; white space in it does not count.
fn base64_bytes(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.chars().filter(|c| !is_space(*c)).collect();
    BASE64.decode(dense).ok()
}
