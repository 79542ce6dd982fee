//! XML, read as a tree that forgets nothing the rules ask about, and written.
//!
//! Shared by SOAP, provisioning documents, SyncML, payloads and package manifests. No DOCTYPE, no entities.

use quick_xml::{
    NsReader, XmlVersion,
    escape::{escape, resolve_predefined_entity},
    events::{BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Namespace; empty where it has none.
    pub(crate) namespace: String,
    /// Local name.
    pub(crate) name: String,
    /// Attributes but `xmlns`.
    pub(crate) attributes: Vec<Attribute>,
    /// All character data, joined, not trimmed.
    pub(crate) text: String,
    /// Whether some of it came as CDATA.
    pub(crate) cdata: bool,
    /// Child elements.
    pub(crate) children: Vec<Element>,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Why bytes are no document; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no usable XML: {0}")]
pub(crate) struct XmlError(pub(crate) String);

impl Element {
    /// Reads a whole document: UTF-8, with or without byte order mark.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, XmlError> {
        let text = std::str::from_utf8(bytes).map_err(malformed)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = NsReader::from_str(text);
        let mut tree = Tree::default();
        loop {
            let (namespace, event) = reader.read_resolved_event().map_err(malformed)?;
            let namespace = bound(&namespace)?;
            match event {
                Event::Start(tag) => {
                    let element = element(&reader, &tag, namespace)?;
                    tree.open(element)?;
                }
                Event::Empty(tag) => {
                    let element = element(&reader, &tag, namespace)?;
                    tree.open(element)?;
                    tree.close();
                }
                Event::End(_) => tree.close(),
                Event::Text(text) => tree.text(&text.xml10_content(), false)?,
                Event::CData(text) => tree.text(&text.xml10_content(), true)?,
                Event::GeneralRef(reference) => tree.text(&resolve(&reference)?, false)?,
                Event::DocType(_) => return Err(malformed("a DOCTYPE")),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
                Event::Eof => return tree.finish(),
            }
        }
    }

    /// Whether it is this element.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }
    /// The first child of that name, in the same namespace as this element.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.child_in(&self.namespace, name)
    }
    /// The first child of that namespace and name.
    pub(crate) fn child_in(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(namespace, name))
    }
    /// All children of that local name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
    /// Walks down by names in the element's own namespace.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }
    /// The trimmed text of a child.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
    /// An attribute without namespace.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_in("", name)
    }
    /// An attribute.
    pub(crate) fn attribute_in(&self, namespace: &str, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name && attribute.namespace == namespace)
            .map(|attribute| attribute.value.as_str())
    }
    /// The names of its children, for messages to people.
    pub(crate) fn child_names(&self) -> Vec<&str> {
        self.children.iter().map(|child| child.name.as_str()).collect()
    }
}

/// A document being written. Everything is escaped once, here.
#[derive(Debug, Default)]
pub(crate) struct Writer(String);

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }
    /// An element with content.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        content: impl FnOnce(&mut Self),
    ) {
        self.tag(name, attributes);
        self.0.push('>');
        content(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }
    /// An element without attributes, with text.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.text_with(name, &[], text);
    }
    /// An element with attributes and text.
    pub(crate) fn text_with(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.element(name, attributes, |xml| xml.0.push_str(&escape(text)));
    }
    /// An element without content.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.0.push_str("/>");
    }
    /// Markup that is escaped already.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }
    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            self.0.push(' ');
            self.0.push_str(key);
            self.0.push_str("=\"");
            self.0.push_str(&escape(*value));
            self.0.push('"');
        }
    }
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), XmlError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS || self.open.len() >= MAX_DEPTH {
            return Err(malformed("too many elements"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(malformed("two root elements"));
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) {
        let Some(done) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            None => self.root = Some(done),
        }
    }

    fn text(&mut self, text: &str, cdata: bool) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(element) => {
                element.text.push_str(text);
                element.cdata |= cdata;
            }
            None if text.trim().is_empty() => {}
            None => return Err(malformed("text outside the root element")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, XmlError> {
        if !self.open.is_empty() {
            return Err(malformed("it ends inside an element"));
        }
        self.root.ok_or_else(|| malformed("nothing in it"))
    }
}

fn element(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>, namespace: String) -> Result<Element, XmlError> {
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(malformed)?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (resolved, name) = reader.resolver().resolve_attribute(attribute.key);
        attributes.push(Attribute {
            namespace: bound(&resolved)?,
            name: name.into_inner().to_owned(),
            value: attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(malformed)?
                .into_owned(),
        });
    }
    Ok(Element {
        namespace,
        name: tag.local_name().into_inner().to_owned(),
        attributes,
        ..Element::default()
    })
}

fn bound(namespace: &ResolveResult<'_>) -> Result<String, XmlError> {
    match namespace {
        ResolveResult::Bound(Namespace(name)) => Ok((*name).to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(prefix) => Err(malformed(format!("the prefix `{prefix:?}` is not declared"))),
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    match reference.resolve_char_ref().map_err(malformed)? {
        Some(character) => Ok(character.into()),
        None => resolve_predefined_entity(reference)
            .map(str::to_owned)
            .ok_or_else(|| malformed("an entity that XML does not define")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "called by name in `map_err`")]
fn malformed(problem: impl ToString) -> XmlError {
    XmlError(problem.to_string())
}

const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_keeps_namespaces_attributes_and_text() {
        let root = Element::parse(
            b"<a:r xmlns:a='urn:a' xmlns='urn:b' k='1 &amp; 2' a:k='3'><c> x &lt; y</c><a:c/></a:r>",
        )
        .unwrap();
        assert!(root.is("urn:a", "r"));
        assert_eq!(
            (root.attribute("k"), root.attribute_in("urn:a", "k")),
            (Some("1 & 2"), Some("3"))
        );
        assert_eq!(root.child_in("urn:b", "c").unwrap().text, " x < y");
        assert!(root.child("c").unwrap().text.is_empty());
    }

    #[test]
    fn cdata_is_remembered() {
        let root = Element::parse(b"<r><a><![CDATA[x]]></a><b>x</b></r>").unwrap();
        assert_eq!(
            (root.child("a").unwrap().cdata, root.child("b").unwrap().cdata),
            (true, false)
        );
    }

    #[test]
    fn rejects_what_is_no_single_document() {
        for bad in [
            "",
            "x",
            "<a>",
            "<a/><b/>",
            "<a/>x",
            "<p:a/>",
            "<!DOCTYPE a><a/>",
            "<a>&b;</a>",
        ] {
            assert!(Element::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut xml = Writer::new();
        xml.element("a", &[("k", "<\"&>")], |xml| xml.text("b", "1 < 2 & \"3\""));
        let root = Element::parse(xml.finish().as_bytes()).unwrap();
        assert_eq!(root.attribute("k"), Some("<\"&>"));
        assert_eq!(root.child("b").unwrap().text, "1 < 2 & \"3\"");
    }
}
