//! Small XML documents for `Data`, written by an XML writer so that every value is escaped exactly once.

use quick_xml::{
    Writer,
    events::{BytesEnd, BytesStart, Event},
};
use std::borrow::Cow;

/// An element: its name, attributes and children, in the order they are written.
pub(crate) struct Element<'a> {
    name: &'static str,
    attributes: Vec<(&'static str, Cow<'a, str>)>,
    children: Vec<Element<'a>>,
}

impl<'a> Element<'a> {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }
    /// Characters that XML 1.0 cannot hold are left out of the value.
    pub(crate) fn attribute(mut self, name: &'static str, value: &'a str) -> Self {
        let value = if value.chars().all(is_xml_char) {
            Cow::Borrowed(value)
        } else {
            value.chars().filter(|c| is_xml_char(*c)).collect()
        };
        self.attributes.push((name, value));
        self
    }
    pub(crate) fn attribute_if(self, condition: bool, name: &'static str, value: &'a str) -> Self {
        if condition {
            self.attribute(name, value)
        } else {
            self
        }
    }
    pub(crate) fn child(mut self, child: Element<'a>) -> Self {
        self.children.push(child);
        self
    }

    /// The document as text, without a declaration.
    pub(crate) fn to_text(&self) -> String {
        let mut writer = Writer::new(Vec::new());
        self.write(&mut writer).expect("a vector takes every byte");
        String::from_utf8_lossy(&writer.into_inner()).into_owned()
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, value)| (*name, value.as_ref()));
        let start = BytesStart::new(self.name).with_attributes(attributes);
        if self.children.is_empty() {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        for child in &self.children {
            child.write(writer)?;
        }
        writer.write_event(Event::End(BytesEnd::new(self.name)))
    }
}

/// `Char` of XML 1.0, production 2; surrogates are no `char`.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}
