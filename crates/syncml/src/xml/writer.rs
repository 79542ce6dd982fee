//! Elements as XML text.

use crate::{
    tag::{NAMESPACES, Tag},
    text::{push_attribute, push_escaped},
    write::{Sink, is_element_name},
};

/// Collects the document.
pub(super) struct Writer {
    out: String,
}

impl Writer {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            out: String::with_capacity(bytes),
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// A start tag up to its attributes.
    fn begin(&mut self, tag: Tag) {
        self.out.push('<');
        self.out.push_str(tag.name());
        if tag.page() == 1 || tag == Tag::SyncML {
            self.out.push_str(" xmlns=\"");
            self.out.push_str(NAMESPACES[usize::from(tag.page())]);
            self.out.push('"');
        }
    }
}

impl Sink for Writer {
    fn open(&mut self, tag: Tag) {
        self.begin(tag);
        self.out.push('>');
    }

    fn close(&mut self, tag: Tag) {
        self.out.push_str("</");
        self.out.push_str(tag.name());
        self.out.push('>');
    }

    fn empty(&mut self, tag: Tag) {
        self.begin(tag);
        self.out.push_str("/>");
    }

    fn leaf(&mut self, tag: Tag, text: &str) {
        self.open(tag);
        push_escaped(&mut self.out, text);
        self.close(tag);
    }

    fn number(&mut self, tag: Tag, number: u64) {
        self.open(tag);
        self.out.push_str(&number.to_string());
        self.close(tag);
    }

    fn data(&mut self, text: &str, _binary: bool) {
        self.leaf(Tag::Data, text);
    }

    fn open_body(&mut self, with_errors: bool) {
        self.begin(Tag::SyncBody);
        if with_errors {
            self.out
                .push_str(" xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\"");
        }
        self.out.push('>');
    }

    fn failure(&mut self, code: u16, original_error: &str) {
        self.begin(Tag::Data);
        self.out.push_str(" msft:originalerror=\"");
        push_attribute(&mut self.out, original_error);
        self.out.push_str("\">");
        self.out.push_str(&code.to_string());
        self.close(Tag::Data);
    }

    fn unknown(&mut self, name: &str, cmd_id: &str) {
        if !is_element_name(name) {
            return;
        }
        self.out.extend(["<", name, ">"]);
        if !cmd_id.is_empty() {
            self.leaf(Tag::CmdID, cmd_id);
        }
        self.out.extend(["</", name, ">"]);
    }
}
