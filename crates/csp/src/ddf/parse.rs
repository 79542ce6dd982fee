//! From the text of a description file to its tree.

use super::{DdfError, DdfLimits, DdfTree, Node, NodeScope, Occurrence, Root};
use crate::locuri::{node_names, scope_of};
use qm_core::command::Verb;
use quick_xml::{
    Reader,
    escape::resolve_predefined_entity,
    events::{BytesRef, Event},
};

pub(super) fn parse(xml: &str, limits: DdfLimits) -> Result<DdfTree, DdfError> {
    if xml.len() > limits.bytes {
        return Err(DdfError::TooLarge);
    }
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{FEFF}'));
    let mut parser = Parser::new(limits);
    loop {
        let malformed = DdfError::Malformed {
            position: reader.buffer_position(),
        };
        match reader.read_event().map_err(|_| malformed.clone())? {
            Event::Start(element) => parser.open(element.local_name().as_ref())?,
            Event::Empty(element) => {
                parser.open(element.local_name().as_ref())?;
                parser.close()?;
            }
            Event::End(_) => parser.close()?,
            Event::Text(text) => parser.text(&text.xml10_content()),
            Event::CData(text) => parser.text(&text.xml10_content()),
            Event::GeneralRef(entity) if parser.wants_text() => {
                let mut buffer = [0; 4];
                parser.text(resolve(&entity, &mut buffer).ok_or(malformed)?);
            }
            Event::Eof => return parser.finish(),
            // Above all the DOCTYPE: whatever it declares stays unused.
            _ => {}
        }
    }
}

/// Character references and the five predefined entities.
fn resolve<'a>(entity: &'a BytesRef<'_>, buffer: &'a mut [u8; 4]) -> Option<&'a str> {
    match entity.resolve_char_ref() {
        Ok(Some(c)) => Some(c.encode_utf8(buffer)),
        Ok(None) => resolve_predefined_entity(entity),
        Err(_) => None,
    }
}

struct Parser {
    limits: DdfLimits,
    open: Vec<Tag>,
    drafts: Vec<Draft>,
    text: String,
    count: usize,
    tree: DdfTree,
    seen_root: bool,
}

#[derive(Default)]
struct Draft {
    node: Node,
    path: Option<String>,
}

/// The elements that matter, known by their place: a `Node` inside somebody's extension is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Access,
    Applicability,
    Build,
    Flag,
    Format,
    Node,
    NodeName,
    Occurrence,
    Other,
    Path,
    Properties,
    Scope,
    Title,
    Tree,
}

impl Parser {
    fn new(limits: DdfLimits) -> Self {
        Self {
            limits,
            open: Vec::new(),
            drafts: Vec::new(),
            text: String::new(),
            count: 0,
            tree: DdfTree::default(),
            seen_root: false,
        }
    }

    fn open(&mut self, name: &str) -> Result<(), DdfError> {
        let tag = Tag::below(self.open.last().copied(), name);
        if self.open.len() >= self.limits.depth {
            return Err(DdfError::TooLarge);
        }
        match tag {
            Tag::Other if self.open.is_empty() => return Err(DdfError::NotDdf),
            Tag::Tree => self.seen_root = true,
            Tag::Node => self.begin_node()?,
            Tag::Flag => self.flag(name),
            _ => self.text.clear(),
        }
        self.open.push(tag);
        Ok(())
    }

    fn begin_node(&mut self) -> Result<(), DdfError> {
        self.count += 1;
        if self.count > self.limits.nodes {
            return Err(DdfError::TooLarge);
        }
        self.drafts.push(Draft::default());
        Ok(())
    }

    /// An empty element inside one of the lists of properties.
    fn flag(&mut self, name: &str) {
        let (Some(list), Some(draft)) = (self.open.last(), self.drafts.last_mut()) else {
            return;
        };
        let node = &mut draft.node;
        match list {
            Tag::Access => node.access.extend(verb(name)),
            Tag::Format => node.format = Some(name.to_ascii_lowercase()),
            Tag::Occurrence => node.occurrence = occurrence(name),
            Tag::Scope => node.scope = node_scope(name),
            _ => {}
        }
    }

    fn wants_text(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Tag::NodeName | Tag::Path | Tag::Title | Tag::Build)
        )
    }

    fn text(&mut self, text: &str) {
        if self.wants_text() {
            self.text.push_str(text);
        }
    }

    fn close(&mut self) -> Result<(), DdfError> {
        let Some(tag) = self.open.pop() else { return Ok(()) };
        if tag == Tag::Node {
            return self.end_node();
        }
        let Some(draft) = self.drafts.last_mut() else {
            return Ok(());
        };
        let text = || Some(self.text.trim().to_owned()).filter(|text| !text.is_empty());
        match tag {
            Tag::NodeName => draft.node.name = text(),
            Tag::Path => draft.path = text(),
            Tag::Title => draft.node.title = text(),
            Tag::Build => draft.node.since = text(),
            _ => {}
        }
        Ok(())
    }

    fn end_node(&mut self) -> Result<(), DdfError> {
        let Some(Draft { node, path }) = self.drafts.pop() else {
            return Ok(());
        };
        if let Some(parent) = self.drafts.last_mut() {
            parent.node.children.push(node);
            return Ok(());
        }
        let path = path.filter(|_| node.name.is_some()).ok_or(DdfError::NoPath)?;
        let names = node_names(&path).filter(|name| !name.is_empty() && name != ".");
        let root = Root {
            scope: scope_of(&path),
            path: names.map(Into::into).collect(),
            node,
        };
        self.tree.roots.push(root);
        Ok(())
    }

    fn finish(self) -> Result<DdfTree, DdfError> {
        match (self.open.is_empty(), self.seen_root) {
            (false, _) => Err(DdfError::Truncated),
            (true, false) => Err(DdfError::NotDdf),
            (true, true) => Ok(self.tree),
        }
    }
}

impl Tag {
    fn below(parent: Option<Self>, name: &str) -> Self {
        match (parent, name) {
            (None, "MgmtTree") => Self::Tree,
            (Some(Self::Tree | Self::Node), "Node") => Self::Node,
            (Some(Self::Node), "NodeName") => Self::NodeName,
            (Some(Self::Node), "Path") => Self::Path,
            (Some(Self::Node), "DFProperties") => Self::Properties,
            (Some(Self::Properties), "AccessType") => Self::Access,
            (Some(Self::Properties), "Applicability") => Self::Applicability,
            (Some(Self::Properties), "DFFormat") => Self::Format,
            (Some(Self::Properties), "DFTitle") => Self::Title,
            (Some(Self::Properties), "Occurrence") => Self::Occurrence,
            (Some(Self::Properties), "Scope") => Self::Scope,
            (Some(Self::Applicability), "OsBuildVersion") => Self::Build,
            (Some(Self::Access | Self::Format | Self::Occurrence | Self::Scope), _) => Self::Flag,
            _ => Self::Other,
        }
    }
}

/// `Copy` exists in the standard, but no Windows client has it.
fn verb(name: &str) -> Option<Verb> {
    name.to_ascii_lowercase().parse().ok()
}

fn occurrence(name: &str) -> Option<Occurrence> {
    match name {
        "One" => Some(Occurrence::One),
        "OneOrMore" | "OneOrN" => Some(Occurrence::OneOrMore),
        "ZeroOrMore" | "ZeroOrN" => Some(Occurrence::ZeroOrMore),
        "ZeroOrOne" => Some(Occurrence::ZeroOrOne),
        _ => None,
    }
}

fn node_scope(name: &str) -> Option<NodeScope> {
    match name {
        "Dynamic" => Some(NodeScope::Dynamic),
        "Permanent" => Some(NodeScope::Permanent),
        _ => None,
    }
}
