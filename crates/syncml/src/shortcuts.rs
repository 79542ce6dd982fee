//! What a session and a simulated device do with messages again and again.

use crate::{Command, Edit, Header, Item, Meta, Results, Status, StatusCode};

impl Header {
    /// A header of DM 1.2 without credentials.
    pub fn new(
        session_id: impl Into<String>,
        msg_id: u32,
        target: impl Into<String>,
        source: impl Into<String>,
    ) -> Self {
        Self {
            ver_dtd: "1.2".to_owned(),
            ver_proto: "DM/1.2".to_owned(),
            session_id: session_id.into(),
            msg_id,
            target: target.into(),
            source: source.into(),
            ..Self::default()
        }
    }

    /// The server's header in reply: target and source exchanged, the same `SessionID` and, in lock-step, `MsgID`.
    pub fn reply_to(request: &Self) -> Self {
        let (target, source) = (request.source.as_str(), request.target.as_str());
        Self::new(request.session_id.as_str(), request.msg_id, target, source)
    }
}

impl Status {
    /// The status of a header: `CmdRef` 0. `cmd_id` is its own.
    pub fn for_header(cmd_id: impl Into<String>, header: &Header, code: StatusCode) -> Self {
        Self {
            cmd_id: cmd_id.into(),
            msg_ref: header.msg_id,
            cmd_ref: Self::HEADER_REF.to_owned(),
            cmd: "SyncHdr".to_owned(),
            code,
            ..Self::default()
        }
    }

    /// The status of a command that came in the message `msg_ref`. `cmd_id` is its own.
    pub fn for_command(cmd_id: impl Into<String>, msg_ref: u32, command: &Command, code: StatusCode) -> Self {
        Self {
            cmd_id: cmd_id.into(),
            msg_ref,
            cmd_ref: command.cmd_id().to_owned(),
            cmd: command.name().to_owned(),
            code,
            ..Self::default()
        }
    }

    /// Whether it answers a header rather than a command.
    pub fn is_for_header(&self) -> bool {
        self.cmd_ref == Self::HEADER_REF
    }

    const HEADER_REF: &'static str = "0";
}

impl Command {
    /// Sets the command's own `CmdID`; what is inside a group keeps its ids.
    pub fn set_cmd_id(&mut self, id: impl Into<String>) {
        let id = id.into();
        match self {
            Self::Add(c) | Self::Delete(c) | Self::Exec(c) | Self::Get(c) | Self::Replace(c) => c.cmd_id = id,
            Self::Alert(c) => c.cmd_id = id,
            Self::Atomic(c) | Self::Sequence(c) => c.cmd_id = id,
            Self::Results(c) => c.cmd_id = id,
            Self::Status(c) => c.cmd_id = id,
            Self::Unknown { cmd_id, .. } => *cmd_id = id,
        }
    }

    /// The command's items; groups and unknown elements have none.
    pub fn items(&self) -> &[Item] {
        match self {
            Self::Add(c) | Self::Delete(c) | Self::Exec(c) | Self::Get(c) | Self::Replace(c) => &c.items,
            Self::Alert(c) => &c.items,
            Self::Results(c) => &c.items,
            Self::Status(c) => &c.items,
            Self::Atomic(_) | Self::Sequence(_) | Self::Unknown { .. } => &[],
        }
    }

    /// The commands of a group; others have none.
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Atomic(group) | Self::Sequence(group) => &group.commands,
            _ => &[],
        }
    }
}

impl Edit {
    /// The `Meta` that holds for one of its items.
    pub fn item_meta(&self, item: &Item) -> Meta {
        item.meta.or(&self.meta)
    }
}

impl Results {
    /// The `Meta` that holds for one of its items.
    pub fn item_meta(&self, item: &Item) -> Meta {
        item.meta.or(&self.meta)
    }

    /// `MsgRef` with its default, 1.
    pub fn msg_ref(&self) -> u32 {
        self.msg_ref.unwrap_or(1)
    }

    /// `CmdRef` with its default, 1.
    pub fn cmd_ref(&self) -> &str {
        self.cmd_ref.as_deref().unwrap_or("1")
    }
}

impl Meta {
    /// These children, and `fallback`'s where this has none.
    #[must_use]
    pub fn or(&self, fallback: &Self) -> Self {
        let text = |own: &Option<String>, other: &Option<String>| own.as_ref().or(other.as_ref()).cloned();
        Self {
            format: text(&self.format, &fallback.format),
            media_type: text(&self.media_type, &fallback.media_type),
            mark: text(&self.mark, &fallback.mark),
            size: self.size.or(fallback.size),
            next_nonce: text(&self.next_nonce, &fallback.next_nonce),
            max_msg_size: self.max_msg_size.or(fallback.max_msg_size),
            max_obj_size: self.max_obj_size.or(fallback.max_obj_size),
        }
    }
}

impl Item {
    /// An item that names only a source node, as devices send them.
    pub fn source(uri: impl Into<String>) -> Self {
        Self {
            source: Some(uri.into()),
            ..Self::default()
        }
    }

    /// The same with this data.
    #[must_use]
    pub fn with_data(self, data: impl Into<String>) -> Self {
        Self {
            data: Some(data.into()),
            ..self
        }
    }

    /// The same with this format.
    #[must_use]
    pub fn with_format(mut self, format: impl Into<String>) -> Self {
        self.meta.format = Some(format.into());
        self
    }

    /// The same with this type.
    #[must_use]
    pub fn with_type(mut self, media_type: impl Into<String>) -> Self {
        self.meta.media_type = Some(media_type.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{Command, Edit, Group, Header, Item, Meta, Results, Status, StatusCode};

    #[test]
    fn a_reply_goes_back_to_where_the_request_came_from() {
        let request = Header {
            source_name: Some("user".to_owned()),
            ver_dtd: "1.1".to_owned(),
            ..Header::new("1E7", 3, "https://mdm.example/dm", "device-1")
        };
        assert_eq!(
            Header::reply_to(&request),
            Header::new("1E7", 3, "device-1", "https://mdm.example/dm")
        );
    }

    #[test]
    fn a_status_repeats_what_it_answers() {
        let command = Command::Get(Edit {
            cmd_id: "9".to_owned(),
            ..Edit::default()
        });
        let status = Status::for_command("2", 4, &command, StatusCode::OK);
        assert_eq!(
            (status.msg_ref, status.cmd_ref.as_str(), status.cmd.as_str()),
            (4, "9", "Get")
        );
        assert!(!status.is_for_header());
        let status = Status::for_header("1", &Header::new("1", 4, "t", "s"), StatusCode::AUTH_ACCEPTED);
        assert_eq!(
            (status.msg_ref, status.cmd_ref.as_str(), status.cmd.as_str()),
            (4, "0", "SyncHdr")
        );
        assert!(status.is_for_header());
    }

    #[test]
    fn an_items_meta_wins_child_by_child() {
        let edit = Edit {
            meta: Meta {
                media_type: Some("text/plain".to_owned()),
                size: Some(9),
                ..Meta::format("chr")
            },
            ..Edit::default()
        };
        let merged = edit.item_meta(&Item::target("./a").with_format("int"));
        let expected = Meta {
            media_type: Some("text/plain".to_owned()),
            size: Some(9),
            ..Meta::format("int")
        };
        assert_eq!(merged, expected);
        assert_eq!(
            edit.item_meta(&Item::source("./a").with_type("x/y"))
                .media_type
                .as_deref(),
            Some("x/y")
        );
    }

    #[test]
    fn results_without_references_answer_the_first_command() {
        let results = Results::default();
        assert_eq!((results.msg_ref(), results.cmd_ref()), (1, "1"));
        let results = Results {
            msg_ref: Some(3),
            cmd_ref: Some("7".to_owned()),
            ..Results::default()
        };
        assert_eq!((results.msg_ref(), results.cmd_ref()), (3, "7"));
    }

    #[test]
    fn every_command_takes_a_number_and_groups_show_their_children() {
        let mut commands = [
            Command::Add(Edit {
                items: vec![Item::target("./a").with_data("1")],
                ..Edit::default()
            }),
            Command::Alert(crate::Alert::default()),
            Command::Sequence(Group {
                commands: vec![Command::Exec(Edit::default())],
                ..Group::default()
            }),
            Command::Results(Results::default()),
            Command::Status(Status::default()),
            Command::Unknown {
                name: "Put".to_owned(),
                cmd_id: String::new(),
            },
        ];
        for (number, command) in commands.iter_mut().enumerate() {
            command.set_cmd_id(number.to_string());
            assert_eq!(command.cmd_id(), number.to_string());
        }
        assert_eq!(commands[0].items().len(), 1);
        assert_eq!(commands[2].children().len(), 1);
        assert!(commands[5].items().is_empty() && commands[5].children().is_empty());
    }
}
