//! XML documents to be written: a tree whose texts and attribute values are escaped once, on output.

use quick_xml::escape::escape;

/// An element with attributes and either children or text.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    text: String,
    children: Vec<Node>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "builders take what they are given, mostly temporaries"
)]
impl Node {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            text: String::new(),
            children: Vec::new(),
        }
    }

    pub(crate) fn attribute(mut self, name: &'static str, value: impl ToString) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    pub(crate) fn text(mut self, text: impl ToString) -> Self {
        self.text = text.to_string();
        self
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The whole document in UTF-8, with its declaration.
    pub(crate) fn document(&self) -> Vec<u8> {
        let mut out = String::from(DECLARATION);
        self.write(&mut out);
        out.into_bytes()
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.extend([" ", name, "=\"", &escape(value.as_str()), "\""]);
        }
        out.push('>');
        out.push_str(&escape(self.text.as_str()));
        for child in &self.children {
            child.write(out);
        }
        out.extend(["</", self.name, ">"]);
    }
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_values_once() {
        let document = Node::new("A")
            .attribute("b", "x \"&\" y")
            .child(Node::new("C").text("1 < 2"))
            .document();
        let text = String::from_utf8(document).unwrap();
        assert!(
            text.ends_with("<A b=\"x &quot;&amp;&quot; y\"><C>1 &lt; 2</C></A>"),
            "{text}"
        );
    }
}
