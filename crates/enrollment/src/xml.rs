//! A small tree of hostile XML, and a writer that escapes once.

use crate::{DecodeError, XmlError};
use quick_xml::{
    NsReader, Writer, XmlVersion,
    events::{BytesDecl, BytesEnd, BytesRef, BytesStart, BytesText, Event},
    name::ResolveResult,
};

/// An element with its text and children. No `Debug`: it may hold a password.
pub(crate) struct Element {
    namespace: String,
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    /// Reads a body within the limits.
    pub(crate) fn parse(body: &[u8], limit: usize) -> Result<Self, XmlError> {
        if body.len() > limit {
            let size = body.len();
            return Err(XmlError::TooLarge { size, limit });
        }
        let text = std::str::from_utf8(body).map_err(|_| XmlError::NotUtf8)?;
        let text = text.trim_start_matches('\u{FEFF}');
        if text.trim().is_empty() {
            return Err(XmlError::Empty);
        }
        parse(text)
    }

    /// Whether it is this element; a namespace may carry one `/` too many.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace.trim_end_matches('/') == namespace
    }

    /// The children of that name.
    pub(crate) fn children<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Self> {
        self.children
            .iter()
            .filter(move |child| child.is(namespace, name))
    }

    /// All children.
    pub(crate) fn all_children(&self) -> &[Self] {
        &self.children
    }

    /// The child of that name, which may be there once.
    pub(crate) fn optional(&self, namespace: &str, name: &'static str) -> Result<Option<&Self>, DecodeError> {
        let mut found = self.children.iter().filter(|child| child.is(namespace, name));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(DecodeError::Duplicate(name)),
            (first, None) => Ok(first),
        }
    }

    /// The child of that name, which must be there once.
    pub(crate) fn required(&self, namespace: &str, name: &'static str) -> Result<&Self, DecodeError> {
        self.optional(namespace, name)?.ok_or(DecodeError::Missing(name))
    }

    /// The text of the child of that name, where it is not empty.
    pub(crate) fn optional_text(
        &self,
        namespace: &str,
        name: &'static str,
    ) -> Result<Option<&str>, DecodeError> {
        let child = self.optional(namespace, name)?;
        Ok(child.map(Self::text).filter(|text| !text.is_empty()))
    }

    /// Local name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The text without the white space around it.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// An attribute by its local name: clients write it with and without a prefix.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        attributes
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
    }
}

fn parse(text: &str) -> Result<Element, XmlError> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.resolver_mut().set_max_namespace_bindings(MAX_BINDINGS);
    let mut tree = Tree::default();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|_| XmlError::Malformed)?;
        match event {
            Event::Start(tag) | Event::Empty(tag) => tree.open(element(&namespace, &tag)?)?,
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => tree.text(&resolve(&reference)?)?,
            Event::Decl(declaration) => tree.declaration(&declaration)?,
            Event::DocType(_) => return Err(XmlError::Forbidden("a document type")),
            Event::PI(_) => return Err(XmlError::Forbidden("a processing instruction")),
            Event::Comment(_) => {}
            Event::Eof => return tree.finish(),
        }
    }
}

fn element(namespace: &ResolveResult<'_>, tag: &BytesStart<'_>) -> Result<Element, XmlError> {
    let namespace = match namespace {
        ResolveResult::Bound(namespace) => namespace.into_inner().to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(_) => return Err(XmlError::Malformed),
    };
    Ok(Element {
        namespace,
        name: tag.local_name().into_inner().to_owned(),
        attributes: attributes(tag)?,
        children: Vec::new(),
        text: String::new(),
    })
}

fn attributes(tag: &BytesStart<'_>) -> Result<Vec<(String, String)>, XmlError> {
    let mut attributes = Vec::new();
    for (index, attribute) in tag.attributes().enumerate() {
        if index == MAX_ATTRIBUTES {
            return Err(XmlError::Limit("attributes"));
        }
        let attribute = attribute.map_err(|_| XmlError::Malformed)?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| XmlError::Malformed)?;
        check_characters(&value)?;
        let name = attribute.key.local_name().into_inner().to_owned();
        attributes.push((name, value.into_owned()));
    }
    Ok(attributes)
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| XmlError::Malformed)? {
        return Ok(character.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(reference)
        .map(str::to_owned)
        .ok_or(XmlError::Malformed)
}

fn check_characters(text: &str) -> Result<(), XmlError> {
    if text.chars().all(is_legal) {
        Ok(())
    } else {
        Err(XmlError::Malformed)
    }
}

/// The characters that XML 1.0 allows.
fn is_legal(character: char) -> bool {
    !matches!(character, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}')
}

/// The elements that are open, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), XmlError> {
        self.elements += 1;
        if self.root.is_some() {
            return Err(XmlError::Malformed);
        }
        if self.elements > MAX_ELEMENTS {
            return Err(XmlError::Limit("elements"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(XmlError::Limit("depth"));
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), XmlError> {
        let element = self.open.pop().ok_or(XmlError::Malformed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        check_characters(text)?;
        match self.open.last_mut() {
            Some(element) if element.text.len() + text.len() > MAX_TEXT => Err(XmlError::Limit("text")),
            Some(element) => {
                element.text.push_str(text);
                Ok(())
            }
            None if text.trim().is_empty() => Ok(()),
            None => Err(XmlError::Malformed),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
        if self.elements > 0 {
            return Err(XmlError::Malformed);
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
            Some(_) => Err(XmlError::NotUtf8),
        }
    }

    fn finish(self) -> Result<Element, XmlError> {
        match (self.root, self.open.as_slice()) {
            (Some(root), []) => Ok(root),
            _ => Err(XmlError::Malformed),
        }
    }
}

/// Writes elements without white space between them.
pub(crate) struct XmlWriter(Writer<Vec<u8>>);

impl XmlWriter {
    /// The bytes of a document.
    pub(crate) fn document(write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let mut writer = Self(Writer::new(Vec::new()));
        write(&mut writer);
        writer.0.into_inner()
    }

    /// An element with elements inside.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.event(Event::Start(start(name, attributes)));
        content(self);
        self.event(Event::End(BytesEnd::new(name)));
        self
    }

    /// An element with text inside.
    pub(crate) fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) -> &mut Self {
        self.element(name, attributes, |writer| {
            writer.event(Event::Text(BytesText::new(&legal(text))));
        })
    }

    /// An element with nothing inside.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Self {
        self.event(Event::Empty(start(name, attributes)));
        self
    }

    fn event(&mut self, event: Event<'_>) {
        self.0
            .write_event(event)
            .expect("writing to memory does not fail");
    }
}

fn start<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    let mut tag = BytesStart::new(name);
    for (key, value) in attributes {
        // A reader would make blanks of them anyway.
        let line = value.replace(['\t', '\r', '\n'], " ");
        tag.push_attribute((*key, legal(&line).as_str()));
    }
    tag
}

/// Replaces what XML cannot carry.
fn legal(text: &str) -> String {
    let replace = |character| {
        if is_legal(character) {
            character
        } else {
            '\u{FFFD}'
        }
    };
    text.chars().map(replace).collect()
}

const MAX_DEPTH: usize = 32;
const MAX_ATTRIBUTES: usize = 32;
const MAX_BINDINGS: usize = 128;
const MAX_ELEMENTS: usize = 2000;
const MAX_TEXT: usize = 96 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Option<XmlError> {
        Element::parse(text.as_bytes(), 256 * 1024).err()
    }

    #[test]
    fn reads_text_in_all_its_forms() {
        let text = "\u{FEFF}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><a>\r\n x &amp; &#x79;<![CDATA[<z>]]> </a>";
        let root = Element::parse(text.as_bytes(), 1024).unwrap();
        assert_eq!(root.text(), "x & y<z>");
    }

    #[test]
    fn matches_by_namespace_and_not_by_prefix() {
        let root = Element::parse(
            br#"<q:a xmlns:q="urn:x/" xmlns="urn:y"><b q:T=" 1 "/></q:a>"#,
            1024,
        )
        .unwrap();
        assert!(root.is("urn:x", "a") && !root.is("urn:y", "a"));
        let child = root.required("urn:y", "b").unwrap();
        assert_eq!(child.attribute("T"), Some("1"));
        assert_eq!(root.required("urn:y", "c").err(), Some(DecodeError::Missing("c")));
    }

    #[test]
    fn refuses_what_may_hide_an_attack() {
        let doctype = r#"<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>"#;
        assert_eq!(error(doctype), Some(XmlError::Forbidden("a document type")));
        assert_eq!(
            error("<?php x?><a/>"),
            Some(XmlError::Forbidden("a processing instruction"))
        );
        let nested = format!("{}{}", "<a>".repeat(33), "</a>".repeat(33));
        assert_eq!(error(&nested), Some(XmlError::Limit("depth")));
        let wide = format!("<a>{}</a>", "<b/>".repeat(2000));
        assert_eq!(error(&wide), Some(XmlError::Limit("elements")));
        let long = format!("<a>{}</a>", "x".repeat(MAX_TEXT + 1));
        assert_eq!(error(&long), Some(XmlError::Limit("text")));
        let many: Vec<_> = (0..33).map(|index| format!("a{index}=\"\"")).collect();
        let many = many.join(" ");
        assert_eq!(
            error(&format!("<a {many}/>")),
            Some(XmlError::Limit("attributes"))
        );
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        for bad in [
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>text",
            "<p:a/>",
            "<a>&b;</a>",
            "<a>&#0;</a>",
            "<a>&#x1;</a>",
            "<a b=1/>",
            "<a b=\"1\" b=\"2\"/>",
            "<a>\u{1}</a>",
            "<a b=\"&#11;\"/>",
            "<a><?xml version=\"1.0\"?></a>",
        ] {
            assert_eq!(error(bad), Some(XmlError::Malformed), "{bad}");
        }
        assert_eq!(error(" \r\n"), Some(XmlError::Empty));
        assert_eq!(
            error("<?xml version=\"1.0\" encoding=\"utf-16\"?><a/>"),
            Some(XmlError::NotUtf8)
        );
        let too_large = Element::parse(b"<aaaa/>", 5).err();
        assert_eq!(too_large, Some(XmlError::TooLarge { size: 7, limit: 5 }));
        assert_eq!(Element::parse(b"<a>\xFF</a>", 99).err(), Some(XmlError::NotUtf8));
    }

    #[test]
    fn writes_every_character_so_that_it_is_read_back() {
        let hostile = "<&>\"'&amp;]]> \u{1F600}";
        let bytes = XmlWriter::document(|writer| {
            writer.text("a", &[("b", hostile)], hostile);
        });
        let root = Element::parse(&bytes, 1024).unwrap();
        assert_eq!((root.text(), root.attribute("b")), (hostile, Some(hostile)));
    }

    #[test]
    fn writes_a_replacement_for_what_xml_cannot_carry() {
        let bytes = XmlWriter::document(|writer| {
            writer.text("a", &[("b", "x\ny\0")], "z\u{FFFE}\u{1B}");
        });
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "<a b=\"x y\u{FFFD}\">z\u{FFFD}\u{FFFD}</a>"
        );
    }
}
