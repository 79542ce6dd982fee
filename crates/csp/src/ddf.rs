//! Device description files: which nodes a CSP has, and which verbs and formats they take (OMA DM DDF 1.2, in the
//! form that Microsoft publishes).
//!
//! [`known_nodes`] holds our own descriptions of the nodes that our builders use. It is small: a node that it lacks
//! is not therefore unknown to Windows. Whole CSPs can be read from files with [`DdfTree::parse`].

mod parse;
#[cfg(test)]
mod tests;

use crate::locuri::{LocUri, Scope, node_names};
use qm_core::command::Verb;
use std::sync::LazyLock;

/// The nodes of one or more CSPs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DdfTree {
    roots: Vec<Root>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    scope: Scope,
    /// The names above `node`.
    path: Vec<String>,
    node: Node,
}

/// One described node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `NodeName`; `None` where the server or the device chooses it.
    pub name: Option<String>,
    /// `DFTitle`: what a chosen name stands for.
    pub title: Option<String>,
    /// `AccessType`: the verbs it takes.
    pub access: Vec<Verb>,
    /// `DFFormat`: `node`, `chr`, `int`, `xml`, …
    pub format: Option<String>,
    /// `Occurrence`.
    pub occurrence: Option<Occurrence>,
    /// `Scope`.
    pub scope: Option<NodeScope>,
    /// `MSFT:OsBuildVersion`: the first Windows that has it, as the file words it; parents' values are not repeated.
    pub since: Option<String>,
    /// The nodes below.
    pub children: Vec<Node>,
}

/// How often a node may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occurrence {
    /// Always once.
    One,
    /// At least once.
    OneOrMore,
    /// Any number of times.
    ZeroOrMore,
    /// At most once.
    ZeroOrOne,
}

/// Whether a node can come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeScope {
    /// Created and removed at run time.
    Dynamic,
    /// Always there.
    Permanent,
}

/// What may be read of a description file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DdfLimits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Levels of elements.
    pub depth: usize,
    /// Nodes described.
    pub nodes: usize,
}

impl Default for DdfLimits {
    /// Several times what the largest published file needs.
    fn default() -> Self {
        Self {
            bytes: 8 << 20,
            depth: 64,
            nodes: 50_000,
        }
    }
}

/// Why a text is no description that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DdfError {
    /// Beyond one of the [`DdfLimits`].
    #[error("the description is larger than allowed")]
    TooLarge,
    /// Not well-formed, or with entities of its own.
    #[error("the description is no well-formed XML near byte {position}")]
    Malformed {
        /// Where, in bytes from the start of the document.
        position: u64,
    },
    /// Ends inside an element.
    #[error("the description ends too early")]
    Truncated,
    /// The document's element is not `MgmtTree`.
    #[error("the document is no MgmtTree")]
    NotDdf,
    /// A top-level node does not say where it belongs, or has no name.
    #[error("a top-level node lacks its NodeName or Path")]
    NoPath,
}

/// Why a command does not fit the description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DdfViolation {
    /// No such node in this scope.
    #[error("the node is not described in this scope")]
    UnknownNode,
    /// The node does not take the verb.
    #[error("the node does not take {verb}; it takes {}", join(allowed))]
    Verb {
        /// What was to be done.
        verb: Verb,
        /// What could be.
        allowed: Vec<Verb>,
    },
    /// The payload has another format.
    #[error("the node's format is {expected}, not {given}")]
    Format {
        /// The node's.
        expected: String,
        /// The command's; `chr` where it names none.
        given: String,
    },
    /// `?list=StructData` on something other than a Get.
    #[error("?list=StructData only goes with get")]
    Query,
}

impl DdfTree {
    /// Reads a description file: with or without byte order mark, DOCTYPE and Microsoft's extensions. Nothing that
    /// the DOCTYPE names is fetched or expanded.
    pub fn parse(xml: &str, limits: DdfLimits) -> Result<Self, DdfError> {
        parse::parse(xml, limits)
    }

    /// Adds the nodes of another tree.
    pub fn merge(&mut self, other: Self) {
        self.roots.extend(other.roots);
    }

    /// The node that a LocURI names. Where a fixed and a chosen name both fit, the fixed one wins.
    pub fn find(&self, uri: &LocUri) -> Option<&Node> {
        let names: Vec<_> = node_names(uri.as_str()).collect();
        self.roots
            .iter()
            .filter(|root| root.scope == uri.scope())
            .find_map(|root| {
                let (above, below) = names.split_at_checked(root.path.len())?;
                let inside = root
                    .path
                    .iter()
                    .zip(above)
                    .all(|(a, b)| a.eq_ignore_ascii_case(b));
                if inside { root.node.descend(below) } else { None }
            })
    }

    /// Checks what is about to be sent. `format` is the command's `Meta/Format`.
    pub fn check(&self, verb: Verb, uri: &LocUri, format: Option<&str>) -> Result<(), DdfViolation> {
        let node = self.find(uri).ok_or(DdfViolation::UnknownNode)?;
        if !node.access.contains(&verb) {
            return Err(DdfViolation::Verb {
                verb,
                allowed: node.access.clone(),
            });
        }
        if uri.is_struct_data() && verb != Verb::Get {
            return Err(DdfViolation::Query);
        }
        match verb {
            Verb::Get | Verb::Delete => Ok(()),
            Verb::Add | Verb::Replace | Verb::Exec => node.check_format(verb, format),
        }
    }
}

impl Node {
    fn descend<N: AsRef<str>>(&self, names: &[N]) -> Option<&Self> {
        let (first, rest) = names.split_first()?;
        if self
            .name
            .as_ref()
            .is_some_and(|name| !name.eq_ignore_ascii_case(first.as_ref()))
        {
            return None;
        }
        if rest.is_empty() {
            return Some(self);
        }
        let (fixed, chosen): (Vec<_>, Vec<_>) = self.children.iter().partition(|child| child.name.is_some());
        fixed
            .into_iter()
            .chain(chosen)
            .find_map(|child| child.descend(rest))
    }

    fn check_format(&self, verb: Verb, format: Option<&str>) -> Result<(), DdfViolation> {
        let Some(expected) = self.format.as_deref() else {
            return Ok(());
        };
        let fits = match (format, expected) {
            (Some(given), _) if given.eq_ignore_ascii_case(expected) => true,
            // A node without a value of its own may still take an argument.
            (Some(given), "null") => verb == Verb::Exec && given != "node",
            (Some(_), _) => false,
            (None, _) => matches!(expected, "chr" | "node" | "null"),
        };
        let violation = || DdfViolation::Format {
            expected: expected.to_owned(),
            given: format.unwrap_or("chr").to_owned(),
        };
        if fits { Ok(()) } else { Err(violation()) }
    }
}

/// Our descriptions of the nodes that our builders use (`schemas/csp` in the repository).
pub fn known_nodes() -> &'static DdfTree {
    static KNOWN: LazyLock<DdfTree> = LazyLock::new(|| {
        let mut tree = DdfTree::default();
        for file in EMBEDDED {
            tree.merge(
                DdfTree::parse(file, DdfLimits::default())
                    .expect("the embedded descriptions are well-formed"),
            );
        }
        tree
    });
    &KNOWN
}

fn join(verbs: &[Verb]) -> String {
    verbs
        .iter()
        .map(|verb| verb.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

const EMBEDDED: &[&str] = &[
    include_str!("../../../schemas/csp/EnterpriseModernAppManagement.xml"),
    include_str!("../../../schemas/csp/DMClient.xml"),
    include_str!("../../../schemas/csp/DevDetail.xml"),
    include_str!("../../../schemas/csp/DeviceStatus.xml"),
];
