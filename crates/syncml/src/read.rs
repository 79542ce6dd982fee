//! Builds the tree from elements, whatever notation they came in. Children are taken in any order.

use crate::{
    Alert, Command, Cred, DecodeError, Edit, Group, Header, Item, Limits, Message, Meta, Results, Status,
    StatusCode, tag::Tag, text,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::{borrow::Cow, str::FromStr};

/// A cursor over the elements of a document.
///
/// After [`Source::child`] has opened an element it must be closed: by `text`, `data` or `skip`, or by calling
/// `child` until it gives `None`.
pub(crate) trait Source<'a> {
    /// Opens the next child of the open element; `None` closes that element. Text between children is passed over.
    fn child(&mut self) -> Result<Option<Tag>, DecodeError>;
    /// The local name of the element opened last.
    fn name(&self) -> &str;
    /// The attribute `originalerror` of the element opened last, under any prefix.
    fn original_error(&mut self) -> Result<Option<String>, DecodeError>;
    /// Closes the element opened last and gives its text; children are passed over.
    fn text(&mut self) -> Result<Cow<'a, str>, DecodeError>;
    /// Closes the element opened last and gives its content; children become the text of their markup.
    fn data(&mut self) -> Result<Payload<'a>, DecodeError>;
    /// Closes the element opened last.
    fn skip(&mut self) -> Result<(), DecodeError>;
    /// Checks that nothing follows the root element.
    fn finish(&mut self) -> Result<(), DecodeError>;
}

/// The content of `Data`.
pub(crate) enum Payload<'a> {
    /// Characters.
    Text(Cow<'a, str>),
    /// Bytes that WBXML carried as OPAQUE: text or binary.
    Opaque(Cow<'a, [u8]>),
}

/// Reads a whole document.
pub(crate) fn message<'a>(source: impl Source<'a>, limits: &Limits) -> Result<Message, DecodeError> {
    let mut reader = Reader {
        source,
        limits,
        commands: 0,
        items: 0,
    };
    match reader.source.child()? {
        Some(Tag::SyncML) => reader.message(),
        _ => Err(DecodeError::Missing { element: "SyncML" }),
    }
}

struct Reader<'l, S> {
    source: S,
    limits: &'l Limits,
    commands: usize,
    items: usize,
}

impl<'a, S: Source<'a>> Reader<'_, S> {
    fn message(&mut self) -> Result<Message, DecodeError> {
        let mut message = Message::default();
        let (mut header, mut body) = (None, false);
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::SyncHdr => header = Some(self.header()?),
                Tag::SyncBody => {
                    self.body(&mut message)?;
                    body = true;
                }
                _ => self.source.skip()?,
            }
        }
        self.source.finish()?;
        message.header = header.ok_or(DecodeError::Missing { element: "SyncHdr" })?;
        if body {
            Ok(message)
        } else {
            Err(DecodeError::Missing { element: "SyncBody" })
        }
    }

    fn header(&mut self) -> Result<Header, DecodeError> {
        let mut header = Header::default();
        let mut msg_id = None;
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::VerDTD => header.ver_dtd = self.word()?,
                Tag::VerProto => header.ver_proto = self.word()?,
                Tag::SessionID => header.session_id = self.word()?,
                Tag::MsgID => msg_id = self.number(tag)?,
                Tag::Target => header.target = self.location()?.uri.unwrap_or_default(),
                Tag::Source => {
                    let location = self.location()?;
                    header.source = location.uri.unwrap_or_default();
                    header.source_name = location.name;
                }
                Tag::Cred => header.cred = Some(self.cred()?),
                Tag::Meta => self.meta(&mut header.meta)?,
                _ => self.source.skip()?,
            }
        }
        header.msg_id = msg_id.ok_or(DecodeError::Missing { element: "MsgID" })?;
        Ok(header)
    }

    fn body(&mut self, message: &mut Message) -> Result<(), DecodeError> {
        while let Some(tag) = self.source.child()? {
            if tag == Tag::Final {
                self.source.skip()?;
                message.last = true;
            } else {
                let command = self.command(tag)?;
                message.body.push(command);
            }
        }
        Ok(())
    }

    fn command(&mut self, tag: Tag) -> Result<Command, DecodeError> {
        count(&mut self.commands, self.limits.commands, "commands")?;
        Ok(match tag {
            Tag::Status => Command::Status(self.status()?),
            Tag::Results => Command::Results(self.results()?),
            Tag::Alert => Command::Alert(self.alert()?),
            Tag::Replace => Command::Replace(self.edit()?),
            Tag::Add => Command::Add(self.edit()?),
            Tag::Get => Command::Get(self.edit()?),
            Tag::Exec => Command::Exec(self.edit()?),
            Tag::Delete => Command::Delete(self.edit()?),
            Tag::Atomic => Command::Atomic(self.group()?),
            Tag::Sequence => Command::Sequence(self.group()?),
            _ => self.unknown()?,
        })
    }

    fn edit(&mut self) -> Result<Edit, DecodeError> {
        let mut edit = Edit::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::CmdID => edit.cmd_id = self.word()?,
                Tag::Meta => self.meta(&mut edit.meta)?,
                Tag::Item => {
                    let item = self.item(&edit.meta)?;
                    edit.items.push(item);
                }
                _ => self.beside_meta(tag, &mut edit.meta)?,
            }
        }
        Ok(edit)
    }

    fn group(&mut self) -> Result<Group, DecodeError> {
        let mut group = Group::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::CmdID => group.cmd_id = self.word()?,
                Tag::NoResp | Tag::Meta => self.source.skip()?,
                _ => {
                    let command = self.command(tag)?;
                    group.commands.push(command);
                }
            }
        }
        Ok(group)
    }

    fn alert(&mut self) -> Result<Alert, DecodeError> {
        let mut alert = Alert::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::CmdID => alert.cmd_id = self.word()?,
                Tag::Data => alert.code = self.number(tag)?.unwrap_or_default(),
                Tag::Item => alert.items.push(self.item(&Meta::default())?),
                _ => self.source.skip()?,
            }
        }
        Ok(alert)
    }

    fn results(&mut self) -> Result<Results, DecodeError> {
        let mut results = Results::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::CmdID => results.cmd_id = self.word()?,
                Tag::MsgRef => results.msg_ref = self.number(tag)?,
                Tag::CmdRef => results.cmd_ref = Some(self.word()?),
                Tag::Cmd => results.cmd = Some(self.word()?),
                Tag::Meta => self.meta(&mut results.meta)?,
                Tag::Item => {
                    let item = self.item(&results.meta)?;
                    results.items.push(item);
                }
                _ => self.beside_meta(tag, &mut results.meta)?,
            }
        }
        Ok(results)
    }

    fn status(&mut self) -> Result<Status, DecodeError> {
        let mut status = Status::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::CmdID => status.cmd_id = self.word()?,
                Tag::MsgRef => status.msg_ref = self.number(tag)?.unwrap_or_default(),
                Tag::CmdRef => status.cmd_ref = self.word()?,
                Tag::Cmd => status.cmd = self.word()?,
                Tag::TargetRef => status.target_refs.push(self.reference()?),
                Tag::SourceRef => status.source_refs.push(self.reference()?),
                Tag::Chal => status.challenge = Some(Box::new(self.challenge()?)),
                Tag::Data => {
                    status.original_error = self.source.original_error()?;
                    status.code = StatusCode(self.number(tag)?.unwrap_or_default());
                }
                Tag::Item => status.items.push(self.item(&Meta::default())?),
                _ => self.source.skip()?,
            }
        }
        Ok(status)
    }

    fn unknown(&mut self) -> Result<Command, DecodeError> {
        let name = self.source.name().to_owned();
        let mut cmd_id = String::new();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::CmdID => cmd_id = self.word()?,
                _ => self.source.skip()?,
            }
        }
        Ok(Command::Unknown { name, cmd_id })
    }

    /// An item of a command whose own `Meta` is `common`.
    fn item(&mut self, common: &Meta) -> Result<Item, DecodeError> {
        count(&mut self.items, self.limits.items, "items")?;
        let mut item = Item::default();
        let mut payload = None;
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::Target => item.target = self.location()?.uri,
                Tag::Source => item.source = self.location()?.uri,
                Tag::Meta => self.meta(&mut item.meta)?,
                Tag::Data => payload = Some(self.source.data()?),
                Tag::MoreData => {
                    self.source.skip()?;
                    item.more_data = true;
                }
                _ => self.beside_meta(tag, &mut item.meta)?,
            }
        }
        item.data = payload.map(|payload| data_text(payload, &mut item.meta, common));
        Ok(item)
    }

    fn cred(&mut self) -> Result<Cred, DecodeError> {
        let mut cred = Cred::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::Meta => self.meta(&mut cred.meta)?,
                Tag::Data => cred.data = self.word()?,
                _ => self.beside_meta(tag, &mut cred.meta)?,
            }
        }
        Ok(cred)
    }

    fn challenge(&mut self) -> Result<Meta, DecodeError> {
        let mut meta = Meta::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::Meta => self.meta(&mut meta)?,
                _ => self.beside_meta(tag, &mut meta)?,
            }
        }
        Ok(meta)
    }

    fn meta(&mut self, meta: &mut Meta) -> Result<(), DecodeError> {
        while let Some(tag) = self.source.child()? {
            match tag {
                // Early clients wrap the children once more. Limits of depth end the recursion.
                Tag::MetInf => self.meta(meta)?,
                Tag::Format => meta.format = Some(self.word()?),
                Tag::Type => meta.media_type = Some(self.word()?),
                Tag::Mark => meta.mark = Some(self.word()?),
                Tag::Size => meta.size = self.size()?,
                Tag::NextNonce => meta.next_nonce = Some(self.word()?),
                Tag::MaxMsgSize => meta.max_msg_size = self.size()?,
                Tag::MaxObjSize => meta.max_obj_size = self.size()?,
                _ => self.source.skip()?,
            }
        }
        Ok(())
    }

    /// A child of `Meta` that stands beside it (MS-MDM's synctype alert); what stands inside wins.
    fn beside_meta(&mut self, tag: Tag, meta: &mut Meta) -> Result<(), DecodeError> {
        match tag {
            Tag::Format if meta.format.is_none() => meta.format = Some(self.word()?),
            Tag::Type if meta.media_type.is_none() => meta.media_type = Some(self.word()?),
            Tag::Mark if meta.mark.is_none() => meta.mark = Some(self.word()?),
            Tag::Size if meta.size.is_none() => meta.size = self.size()?,
            Tag::NextNonce if meta.next_nonce.is_none() => meta.next_nonce = Some(self.word()?),
            _ => self.source.skip()?,
        }
        Ok(())
    }

    /// `Target` or `Source`.
    fn location(&mut self) -> Result<Location, DecodeError> {
        let mut location = Location::default();
        while let Some(tag) = self.source.child()? {
            match tag {
                Tag::LocURI => location.uri = Some(self.word()?),
                Tag::LocName => location.name = Some(self.word()?),
                _ => self.source.skip()?,
            }
        }
        Ok(location)
    }

    /// `TargetRef` or `SourceRef`.
    fn reference(&mut self) -> Result<String, DecodeError> {
        count(&mut self.items, self.limits.items, "items")?;
        self.word()
    }

    /// Text without the white space around it.
    fn word(&mut self) -> Result<String, DecodeError> {
        Ok(match self.source.text()? {
            Cow::Borrowed(text) => text.trim_matches(text::is_space).to_owned(),
            Cow::Owned(text) => {
                let word = text.trim_matches(text::is_space);
                if word.len() == text.len() {
                    text
                } else {
                    word.to_owned()
                }
            }
        })
    }

    /// A number; `None` where the element is empty.
    fn number<N: FromStr>(&mut self, tag: Tag) -> Result<Option<N>, DecodeError> {
        let text = self.source.text()?;
        let digits = text.trim_matches(text::is_space);
        if digits.is_empty() {
            return Ok(None);
        }
        digits
            .parse()
            .map(Some)
            .map_err(|_| DecodeError::BadNumber { element: tag.name() })
    }

    /// A size of `Meta`. One that is no number counts as absent: the engine asks for it by status 411.
    fn size(&mut self) -> Result<Option<u64>, DecodeError> {
        Ok(self.source.text()?.trim_matches(text::is_space).parse().ok())
    }
}

#[derive(Default)]
struct Location {
    uri: Option<String>,
    name: Option<String>,
}

fn count(so_far: &mut usize, limit: usize, kind: &'static str) -> Result<(), DecodeError> {
    if *so_far >= limit {
        return Err(DecodeError::TooMany { kind, limit });
    }
    *so_far += 1;
    Ok(())
}

/// The text of `Data`. Bytes that are no text become base64, and the format says so.
fn data_text(payload: Payload<'_>, meta: &mut Meta, common: &Meta) -> String {
    let bytes = match payload {
        Payload::Text(text) => return text.into_owned(),
        Payload::Opaque(bytes) => bytes,
    };
    let format = meta.format.as_deref().or(common.format.as_deref());
    let is_binary = is_format(format, BIN);
    if !is_binary && let Some(text) = legal_text(&bytes) {
        return text.to_owned();
    }
    if !is_binary && !is_format(format, "b64") {
        meta.format = Some(BIN.to_owned());
    }
    BASE64.encode(&bytes)
}

fn legal_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.chars().all(text::is_legal))
}

fn is_format(format: Option<&str>, name: &str) -> bool {
    format.is_some_and(|format| format.eq_ignore_ascii_case(name))
}

/// The format of binary data: base64 text in XML and in the tree, OPAQUE bytes in WBXML.
pub(crate) const BIN: &str = "bin";
