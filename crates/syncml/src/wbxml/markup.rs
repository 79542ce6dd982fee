//! Elements inside `Data`, written out as the XML they stand for.

use super::reader::Start;
use crate::{
    tag::NAMESPACES,
    text::{push_attribute, push_escaped},
};

/// The text of the content of one `Data`.
pub(super) struct Markup<'a> {
    out: String,
    open: Vec<Open<'a>>,
}

struct Open<'a> {
    name: &'a str,
    page: Option<u8>,
}

impl<'a> Markup<'a> {
    /// Content that begins with text.
    pub(super) fn new(text: &str) -> Self {
        let mut markup = Self {
            out: String::new(),
            open: Vec::new(),
        };
        markup.text(text);
        markup
    }

    pub(super) fn text(&mut self, text: &str) {
        push_escaped(&mut self.out, text);
    }

    pub(super) fn open(&mut self, start: &Start<'a>, empty: bool) {
        let page = start.tag.map(crate::tag::Tag::page);
        self.out.push('<');
        self.out.push_str(start.name);
        // The code page implies a namespace, which the text has to say.
        if let Some(page) = page.filter(|_| self.open.last().map(|parent| parent.page) != Some(page)) {
            self.attribute("xmlns", NAMESPACES[usize::from(page)]);
        }
        for (name, value) in &start.attributes {
            self.attribute(name, value);
        }
        if empty {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.open.push(Open {
                name: start.name,
                page,
            });
        }
    }

    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.out.extend(["</", open.name, ">"]);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn into_text(self) -> String {
        self.out
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.extend([" ", name, "=\""]);
        push_attribute(&mut self.out, value);
        self.out.push('"');
    }
}
