//! Walks the tree in the order of the SyncML and MetInf DTDs, whatever notation is written.

use crate::{
    Alert, Command, Cred, Edit, Group, Header, Item, Message, Meta, Results, Status, read::BIN, tag::Tag,
};

/// Takes elements.
pub(crate) trait Sink {
    /// Opens an element.
    fn open(&mut self, tag: Tag);
    /// Closes the element opened last.
    fn close(&mut self, tag: Tag);
    /// An element without content.
    fn empty(&mut self, tag: Tag);
    /// An element with text.
    fn leaf(&mut self, tag: Tag, text: &str);
    /// An element with a number.
    fn number(&mut self, tag: Tag, number: u64);
    /// `Data` of an item; `binary` says that the text is base64 of bytes.
    fn data(&mut self, text: &str, binary: bool);
    /// Opens `SyncBody`; `with_errors` says that [`Sink::failure`] will be used in it.
    fn open_body(&mut self, with_errors: bool);
    /// `Data` of a status that carries an original error.
    fn failure(&mut self, code: u16, original_error: &str);
    /// An element that is no command of OMA-DM.
    fn unknown(&mut self, name: &str, cmd_id: &str);
}

/// Writes a whole document.
pub(crate) fn message(sink: &mut impl Sink, message: &Message) {
    sink.open(Tag::SyncML);
    header(sink, &message.header);
    sink.open_body(message.has_original_errors());
    for each in &message.body {
        command(sink, each);
    }
    if message.last {
        sink.empty(Tag::Final);
    }
    sink.close(Tag::SyncBody);
    sink.close(Tag::SyncML);
}

fn header(sink: &mut impl Sink, header: &Header) {
    sink.open(Tag::SyncHdr);
    sink.leaf(Tag::VerDTD, &header.ver_dtd);
    sink.leaf(Tag::VerProto, &header.ver_proto);
    sink.leaf(Tag::SessionID, &header.session_id);
    sink.number(Tag::MsgID, header.msg_id.into());
    location(sink, Tag::Target, Some(&header.target), None);
    location(
        sink,
        Tag::Source,
        Some(&header.source),
        header.source_name.as_deref(),
    );
    if let Some(proof) = &header.cred {
        cred(sink, proof);
    }
    meta(sink, &header.meta);
    sink.close(Tag::SyncHdr);
}

fn cred(sink: &mut impl Sink, cred: &Cred) {
    sink.open(Tag::Cred);
    meta(sink, &cred.meta);
    sink.leaf(Tag::Data, &cred.data);
    sink.close(Tag::Cred);
}

fn command(sink: &mut impl Sink, command: &Command) {
    match command {
        Command::Add(c) => edit(sink, Tag::Add, c),
        Command::Alert(c) => alert(sink, c),
        Command::Atomic(c) => group(sink, Tag::Atomic, c),
        Command::Delete(c) => edit(sink, Tag::Delete, c),
        Command::Exec(c) => edit(sink, Tag::Exec, c),
        Command::Get(c) => edit(sink, Tag::Get, c),
        Command::Replace(c) => edit(sink, Tag::Replace, c),
        Command::Results(c) => results(sink, c),
        Command::Sequence(c) => group(sink, Tag::Sequence, c),
        Command::Status(c) => status(sink, c),
        Command::Unknown { name, cmd_id } => sink.unknown(name, cmd_id),
    }
}

fn edit(sink: &mut impl Sink, tag: Tag, edit: &Edit) {
    sink.open(tag);
    identifier(sink, Tag::CmdID, &edit.cmd_id);
    meta(sink, &edit.meta);
    items(sink, &edit.items, &edit.meta);
    sink.close(tag);
}

fn alert(sink: &mut impl Sink, alert: &Alert) {
    sink.open(Tag::Alert);
    identifier(sink, Tag::CmdID, &alert.cmd_id);
    sink.number(Tag::Data, alert.code.into());
    items(sink, &alert.items, &Meta::default());
    sink.close(Tag::Alert);
}

fn group(sink: &mut impl Sink, tag: Tag, group: &Group) {
    sink.open(tag);
    identifier(sink, Tag::CmdID, &group.cmd_id);
    for each in &group.commands {
        command(sink, each);
    }
    sink.close(tag);
}

fn results(sink: &mut impl Sink, results: &Results) {
    sink.open(Tag::Results);
    identifier(sink, Tag::CmdID, &results.cmd_id);
    if let Some(msg_ref) = results.msg_ref {
        sink.number(Tag::MsgRef, msg_ref.into());
    }
    optional(sink, Tag::CmdRef, results.cmd_ref.as_deref());
    optional(sink, Tag::Cmd, results.cmd.as_deref());
    meta(sink, &results.meta);
    items(sink, &results.items, &results.meta);
    sink.close(Tag::Results);
}

fn status(sink: &mut impl Sink, status: &Status) {
    sink.open(Tag::Status);
    identifier(sink, Tag::CmdID, &status.cmd_id);
    sink.number(Tag::MsgRef, status.msg_ref.into());
    sink.leaf(Tag::CmdRef, &status.cmd_ref);
    sink.leaf(Tag::Cmd, &status.cmd);
    for uri in &status.target_refs {
        sink.leaf(Tag::TargetRef, uri);
    }
    for uri in &status.source_refs {
        sink.leaf(Tag::SourceRef, uri);
    }
    if let Some(challenge) = &status.challenge {
        sink.open(Tag::Chal);
        meta(sink, challenge);
        sink.close(Tag::Chal);
    }
    match &status.original_error {
        Some(error) => sink.failure(status.code.0, error),
        None => sink.number(Tag::Data, status.code.0.into()),
    }
    items(sink, &status.items, &Meta::default());
    sink.close(Tag::Status);
}

fn items(sink: &mut impl Sink, items: &[Item], common: &Meta) {
    for each in items {
        item(sink, each, common);
    }
}

fn item(sink: &mut impl Sink, item: &Item, common: &Meta) {
    sink.open(Tag::Item);
    location(sink, Tag::Target, item.target.as_deref(), None);
    location(sink, Tag::Source, item.source.as_deref(), None);
    meta(sink, &item.meta);
    if let Some(data) = &item.data {
        let format = item.meta.format.as_deref().or(common.format.as_deref());
        sink.data(
            data,
            format.is_some_and(|format| format.eq_ignore_ascii_case(BIN)),
        );
    }
    if item.more_data {
        sink.empty(Tag::MoreData);
    }
    sink.close(Tag::Item);
}

/// `Meta` with its children, where it has any.
fn meta(sink: &mut impl Sink, meta: &Meta) {
    if meta.is_empty() {
        return;
    }
    sink.open(Tag::Meta);
    optional(sink, Tag::Format, meta.format.as_deref());
    optional(sink, Tag::Type, meta.media_type.as_deref());
    optional(sink, Tag::Mark, meta.mark.as_deref());
    optional_number(sink, Tag::Size, meta.size);
    optional(sink, Tag::NextNonce, meta.next_nonce.as_deref());
    optional_number(sink, Tag::MaxMsgSize, meta.max_msg_size);
    optional_number(sink, Tag::MaxObjSize, meta.max_obj_size);
    sink.close(Tag::Meta);
}

fn location(sink: &mut impl Sink, tag: Tag, uri: Option<&str>, name: Option<&str>) {
    if uri.is_none() && name.is_none() {
        return;
    }
    sink.open(tag);
    optional(sink, Tag::LocURI, uri);
    optional(sink, Tag::LocName, name);
    sink.close(tag);
}

/// An identifier that the sender may have left out.
fn identifier(sink: &mut impl Sink, tag: Tag, text: &str) {
    if !text.is_empty() {
        sink.leaf(tag, text);
    }
}

fn optional(sink: &mut impl Sink, tag: Tag, text: Option<&str>) {
    if let Some(text) = text {
        sink.leaf(tag, text);
    }
}

fn optional_number(sink: &mut impl Sink, tag: Tag, number: Option<u64>) {
    if let Some(number) = number {
        sink.number(tag, number);
    }
}

/// Whether an element can have this name in every encoding; one that has not is left out.
pub(crate) fn is_element_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}
