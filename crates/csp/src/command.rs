//! What a builder hands to the session.

use qm_core::command::Verb;
use qm_syncml::{Command, Edit, Item, Meta};
use std::fmt;

/// One command for one node, without a `CmdID` yet.
#[derive(Clone, PartialEq, Eq)]
pub struct CspCommand {
    /// What to do.
    pub verb: Verb,
    /// The node: a LocURI.
    pub uri: String,
    /// `Meta/Format`.
    pub format: Option<String>,
    /// `Meta/Type`.
    pub media_type: Option<String>,
    /// The payload, not yet escaped for SyncML. May be a license: never logged.
    pub data: Option<String>,
}

impl CspCommand {
    /// Reads a node.
    pub fn get(uri: impl Into<String>) -> Self {
        Self::bare(Verb::Get, uri.into())
    }
    /// Removes a node and all below it.
    pub fn delete(uri: impl Into<String>) -> Self {
        Self::bare(Verb::Delete, uri.into())
    }
    /// Creates an interior node.
    pub fn add_node(uri: impl Into<String>) -> Self {
        Self {
            format: Some("node".to_owned()),
            ..Self::bare(Verb::Add, uri.into())
        }
    }
    /// Overwrites a leaf.
    pub fn replace(uri: impl Into<String>, format: &str, data: impl Into<String>) -> Self {
        Self::carrying(Verb::Replace, uri.into(), format, data.into())
    }
    /// Runs a node with an argument.
    pub fn exec(uri: impl Into<String>, format: &str, data: impl Into<String>) -> Self {
        Self::carrying(Verb::Exec, uri.into(), format, data.into())
    }

    /// The SyncML command, with one item.
    pub fn into_syncml(self, cmd_id: String) -> Command {
        let meta = Meta {
            format: self.format,
            media_type: self.media_type,
            ..Meta::default()
        };
        let item = Item {
            meta,
            data: self.data,
            ..Item::target(self.uri)
        };
        let edit = Edit {
            cmd_id,
            items: vec![item],
            ..Edit::default()
        };
        match self.verb {
            Verb::Get => Command::Get(edit),
            Verb::Add => Command::Add(edit),
            Verb::Replace => Command::Replace(edit),
            Verb::Delete => Command::Delete(edit),
            Verb::Exec => Command::Exec(edit),
        }
    }

    fn bare(verb: Verb, uri: String) -> Self {
        Self {
            verb,
            uri,
            format: None,
            media_type: None,
            data: None,
        }
    }

    fn carrying(verb: Verb, uri: String, format: &str, data: String) -> Self {
        Self {
            format: Some(format.to_owned()),
            media_type: Some("text/plain".to_owned()),
            data: Some(data),
            ..Self::bare(verb, uri)
        }
    }
}

/// Shows the payload's length only: it may be a license or a signed link.
impl fmt::Debug for CspCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CspCommand")
            .field("verb", &self.verb)
            .field("uri", &self.uri)
            .field("format", &self.format)
            .field("media_type", &self.media_type)
            .field("data_bytes", &self.data.as_ref().map(String::len))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_syncml_with_the_meta_on_its_item() {
        let command = CspCommand::replace("./Vendor/MSFT/X", "int", "1").into_syncml("7".to_owned());
        let Command::Replace(edit) = command else {
            panic!("{command:?}")
        };
        assert_eq!(edit.cmd_id, "7");
        assert!(edit.meta.is_empty());
        let [item] = edit.items.as_slice() else {
            panic!("{:?}", edit.items)
        };
        assert_eq!(item.target.as_deref(), Some("./Vendor/MSFT/X"));
        assert_eq!(item.meta.format.as_deref(), Some("int"));
        assert_eq!(item.meta.media_type.as_deref(), Some("text/plain"));
        assert_eq!(item.data.as_deref(), Some("1"));
    }

    #[test]
    fn every_verb_becomes_its_own_element() {
        for (verb, name) in Verb::ALL.iter().zip(["Get", "Add", "Replace", "Delete", "Exec"]) {
            let command = CspCommand {
                verb: *verb,
                ..CspCommand::get("./DevInfo/Man")
            };
            assert_eq!(command.into_syncml("1".to_owned()).name(), name);
        }
    }

    #[test]
    fn debug_hides_the_payload() {
        let shown = format!(
            "{:?}",
            CspCommand::exec("./Vendor/MSFT/X", "xml", "<License Content='abc'/>")
        );
        assert!(!shown.contains("License"), "{shown}");
        assert!(shown.contains("24"), "{shown}");
    }
}
