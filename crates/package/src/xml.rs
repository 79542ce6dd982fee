//! XML documents from outside as a small tree, within limits: no DOCTYPE, no entities, bounded depth and count.

use quick_xml::{
    NsReader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
    name::ResolveResult,
};
use std::borrow::Cow;

/// What is wrong with an XML document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlFault {
    /// Neither UTF-8 nor UTF-16 with a byte order mark.
    #[error("is neither UTF-8 nor UTF-16 text")]
    Encoding,
    /// A document type declaration: no package or license has one, and it is where attacks on parsers live.
    #[error("declares a DOCTYPE, which is not allowed here")]
    Doctype,
    /// An entity that XML itself does not define.
    #[error("uses the undeclared entity `{0}`")]
    Entity(String),
    /// More than `MAX_DEPTH` levels.
    #[error("is nested deeper than {MAX_DEPTH} elements")]
    TooDeep,
    /// More than `MAX_ELEMENTS` elements or `MAX_ATTRIBUTES` attributes on one.
    #[error("has more than {MAX_ELEMENTS} elements, or more than {MAX_ATTRIBUTES} attributes on one of them")]
    TooMany,
    /// Not XML; the text is the parser's.
    #[error("is not well-formed XML: {0}")]
    Malformed(String),
}

/// An element with its local name; attributes without prefix only.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// In the namespace of the document's root: extensions with the same local name are not.
    native: bool,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The first child of this name in the root's namespace.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children
            .iter()
            .find(|child| child.native && child.name == name)
    }
    /// All children of this name in the root's namespace.
    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children_of_any_namespace(name).filter(|child| child.native)
    }
    /// All children of this name, whatever extension they belong to.
    pub(crate) fn children_of_any_namespace<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
    /// An attribute's value, entities resolved.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
    /// The text of a child, trimmed; `None` where it is absent or empty.
    pub(crate) fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(|child| child.text.trim())
            .filter(|text| !text.is_empty())
    }
    /// Whether a child says `true` (or `1`).
    pub(crate) fn child_flag(&self, name: &str) -> bool {
        self.child_text(name).is_some_and(is_true)
    }
}

/// A boolean of XML Schema, case ignored.
pub(crate) fn is_true(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}

/// Reads a whole document.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, XmlFault> {
    let text = decode(bytes)?;
    let mut reader = NsReader::from_str(&text);
    let mut tree = Tree::default();
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(malformed)?;
        match event {
            Event::Start(tag) => tree.open(&tag, &namespace)?,
            Event::Empty(tag) => {
                tree.open(&tag, &namespace)?;
                tree.close();
            }
            Event::End(_) => tree.close(),
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => tree.text(&resolve(&reference)?)?,
            Event::DocType(_) => return Err(XmlFault::Doctype),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => return tree.finish(),
        }
    }
}

/// The text of a document in the encodings that occur: UTF-8, or UTF-16 with a byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, XmlFault> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        all => utf8(all),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, XmlFault> {
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|_| XmlFault::Encoding)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, XmlFault> {
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return Err(XmlFault::Encoding);
    };
    char::decode_utf16(pairs.iter().copied().map(unit))
        .collect::<Result<String, _>>()
        .map(Cow::Owned)
        .map_err(|_| XmlFault::Encoding)
}

/// The elements that are open, outermost first, and the finished root.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    root_namespace: Option<String>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, tag: &BytesStart<'_>, namespace: &ResolveResult<'_>) -> Result<(), XmlFault> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(XmlFault::TooMany);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(XmlFault::TooDeep);
        }
        let namespace = match namespace {
            ResolveResult::Bound(bound) => Some(bound.into_inner()),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
        };
        if self.open.is_empty() {
            if self.root.is_some() {
                return Err(malformed("there is more than one root element"));
            }
            self.root_namespace = namespace.map(str::to_owned);
        }
        let native = namespace == self.root_namespace.as_deref();
        self.open.push(element(tag, native)?);
        Ok(())
    }

    fn close(&mut self) {
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            None => self.root = Some(done),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), XmlFault> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed("there is text outside the root element")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, XmlFault> {
        if let Some(unclosed) = self.open.last() {
            return Err(malformed(format!("`{}` is never closed", unclosed.name)));
        }
        self.root.ok_or_else(|| malformed("there is no root element"))
    }
}

fn element(tag: &BytesStart<'_>, native: bool) -> Result<Element, XmlFault> {
    let mut attributes = Vec::new();
    for (index, attribute) in tag.attributes().enumerate() {
        if index >= MAX_ATTRIBUTES {
            return Err(XmlFault::TooMany);
        }
        let attribute = attribute.map_err(malformed)?;
        let key = attribute.key.into_inner();
        if key != "xmlns" && attribute.key.prefix().is_none() {
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(malformed)?;
            attributes.push((key.to_owned(), value.into_owned()));
        }
    }
    Ok(Element {
        name: tag.local_name().into_inner().to_owned(),
        native,
        attributes,
        ..Element::default()
    })
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlFault> {
    match reference.resolve_char_ref().map_err(malformed)? {
        Some(character) => Ok(character.into()),
        None => resolve_predefined_entity(reference)
            .map(str::to_owned)
            .ok_or_else(|| XmlFault::Entity(reference.to_string())),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "called by name in `map_err`")]
fn malformed(problem: impl ToString) -> XmlFault {
    XmlFault::Malformed(problem.to_string())
}

/// Deepest nesting; manifests use about ten levels.
const MAX_DEPTH: usize = 64;
/// Most elements of a document; manifests have some hundreds.
const MAX_ELEMENTS: usize = 50_000;
/// Most attributes of an element; finding a repeated one takes quadratic time.
const MAX_ATTRIBUTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_attributes_and_text() {
        let root = parse(
            b"<r xmlns='urn:a' xmlns:x='urn:b' a='1 &amp; 2' x:b='no'>\
              <x:c>other</x:c><c> a &lt;<![CDATA[ & b]]></c><f>True</f><!-- -->\n</r>",
        )
        .unwrap();
        assert_eq!((root.attribute("a"), root.attribute("b")), (Some("1 & 2"), None));
        assert_eq!(root.child_text("c"), Some("a < & b"));
        assert!(root.child_flag("f") && !root.child_flag("c"));
        assert_eq!(root.children("c").count(), 1);
        assert_eq!(root.children_of_any_namespace("c").count(), 2);
    }

    #[test]
    fn reads_utf_16_with_a_byte_order_mark() {
        let text: Vec<u8> = "\u{feff}<é/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(parse(&text).unwrap().name, "é");
        assert_eq!(parse(&text[..5]).unwrap_err(), XmlFault::Encoding);
        assert_eq!(parse(b"\xef\xbb\xbf<a/>").unwrap().name, "a");
        assert_eq!(parse(b"<a>\xff</a>").unwrap_err(), XmlFault::Encoding);
    }

    #[test]
    fn rejects_what_is_no_single_tree() {
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>text",
            "<a b='1' b='2'/>",
            "<a b='&x;'/>",
        ] {
            assert!(
                matches!(parse(bad.as_bytes()), Err(XmlFault::Malformed(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn rejects_the_usual_attacks() {
        let bomb = "<!DOCTYPE a [<!ENTITY b 'ccc'>]><a>&b;</a>";
        assert_eq!(parse(bomb.as_bytes()).unwrap_err(), XmlFault::Doctype);
        assert_eq!(
            parse(b"<a>&b;</a>").unwrap_err(),
            XmlFault::Entity("b".to_owned())
        );
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert_eq!(parse(deep.as_bytes()).unwrap_err(), XmlFault::TooDeep);
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert_eq!(parse(wide.as_bytes()).unwrap_err(), XmlFault::TooMany);
        let attributes: String =
            (0..=MAX_ATTRIBUTES).fold(String::new(), |all, n| all + &format!(" a{n}=''"));
        assert_eq!(
            parse(format!("<a{attributes}/>").as_bytes()).unwrap_err(),
            XmlFault::TooMany
        );
    }
}
