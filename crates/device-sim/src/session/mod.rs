//! One management session (MS-MDM 3.1), without I/O: bytes out, an answer in, the next bytes out.
//!
//! `open` is package 1, `verify` holds the server's messages to the rules, `execute` carries out its commands.

mod execute;
mod open;
mod verify;

use crate::{
    DeviceOptions, Ended, Quirk, Quirks, SessionReport,
    http::Answer,
    syncml::{self, Style},
    tree::{Tree, World},
    violation::Watch,
};

use qm_syncml::{Alert, Command, Encoding, Header, Item, Message, Meta, Status, StatusCode, alert};
use std::collections::VecDeque;

pub(crate) use open::{Opening, PendingAlert};

/// What a session works on.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a DeviceOptions,
    pub(crate) tree: &'a mut Tree,
    pub(crate) watch: &'a mut Watch,
}

impl Context<'_> {
    fn world(&mut self) -> (&mut Tree, World<'_>) {
        (
            self.tree,
            World {
                options: self.options,
                watch: self.watch,
            },
        )
    }
}

/// A session under way.
#[derive(Debug)]
pub(crate) struct Session {
    encoding: Encoding,
    style: Style,
    quirks: Quirks,
    header: Header,
    /// What of the current package is still to be sent; the first page goes next.
    pages: VecDeque<Vec<Command>>,
    /// What the last message said and the server has to answer.
    sent: Vec<Sent>,
    pub(crate) report: SessionReport,
}

/// A command of ours that waits for its Status.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    cmd_id: String,
    name: String,
    /// The status it must get; `None`: none is needed, 200 is fine.
    wanted: Option<StatusCode>,
}

/// What comes after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next message.
    Send(Vec<u8>),
    /// Nothing.
    End(Ended),
}

impl Session {
    /// Opens a session; the bytes are package 1.
    pub(crate) fn open(opening: Opening<'_>, alerts: &[PendingAlert]) -> (Self, Vec<u8>) {
        let Opening { account, options, .. } = opening;
        let mut session = Self {
            encoding: account.encoding,
            style: Style {
                empty_meta: options.quirks.has(&Quirk::EmptyMeta),
                original_errors: opening.tree.sync_version() >= 3,
            },
            quirks: options.quirks.clone(),
            header: header(&opening),
            pages: VecDeque::new(),
            sent: Vec::new(),
            report: SessionReport {
                session_id: opening.session_id.to_owned(),
                messages: 0,
                commands: Vec::new(),
                alerts: alerts.iter().map(|alert| alert.kind.clone()).collect(),
                ended: Ended::Stopped,
                violations: 0,
            },
        };
        session.package(opening.commands(alerts));
        let bytes = session.next_message(Vec::new());
        (session, bytes)
    }

    /// The number of the message that was sent last.
    pub(crate) fn message(&self) -> u32 {
        self.header.msg_id
    }

    /// Takes the server's answer to the last message.
    pub(crate) fn receive(&mut self, answer: &Answer, context: &mut Context<'_>) -> Next {
        context.watch.during(format!(
            "session {} message {}",
            self.report.session_id, self.header.msg_id
        ));
        answer.check_retry(context.watch);
        if answer.status != 200 {
            return Next::End(Ended::Refused(answer.status));
        }
        verify::transfer(answer, self.encoding, context.watch);
        let Some(message) = syncml::decode(self.encoding, &answer.body, context.watch) else {
            return Next::End(Ended::Unreadable);
        };
        verify::message(&message, &self.header, &self.sent, context.watch);
        if verify::challenged(&message) {
            return Next::End(Ended::Challenged);
        }
        let commands: Vec<&Command> = message
            .body
            .iter()
            .filter(|command| !matches!(command, Command::Status(_)))
            .collect();
        if commands
            .iter()
            .any(|command| is_alert(command, alert::SESSION_ABORT))
        {
            return Next::End(Ended::Aborted);
        }
        if !self.pages.is_empty() {
            verify::waits(&commands, context.watch);
            return self.go_on(&message, &commands);
        }
        if commands.is_empty() {
            return Next::End(Ended::Done);
        }
        if self.report.messages >= MAX_MESSAGES {
            return Next::End(Ended::Endless);
        }
        let executed = execute::run(&message, context);
        self.report.commands.extend(executed.commands);
        if context.tree.unenrolling {
            return Next::End(Ended::Unenrolled);
        }
        self.package(executed.replies);
        let status = Command::Status(header_status(message.header.msg_id));
        Next::Send(self.next_message(vec![status]))
    }

    /// The server has taken a page and waits for the next.
    fn go_on(&mut self, message: &Message, commands: &[&Command]) -> Next {
        let msg_ref = message.header.msg_id;
        let mut statuses = vec![Command::Status(header_status(msg_ref))];
        for command in commands {
            statuses.push(Command::Status(Status::for_command(
                "",
                msg_ref,
                command,
                StatusCode::OK,
            )));
        }
        Next::Send(self.next_message(statuses))
    }

    /// Lays a package out in pages: chunked results and withheld `Final`s make more than one.
    fn package(&mut self, commands: Vec<Command>) {
        let chunk_size = self.quirks.chunk_size();
        let mut page = Vec::new();
        for command in commands {
            match chunk_size.and_then(|size| chunks(&command, size)) {
                Some(chunks) => {
                    let last = chunks.len() - 1;
                    for (index, chunk) in chunks.into_iter().enumerate() {
                        page.push(chunk);
                        if index < last {
                            self.pages.push_back(std::mem::take(&mut page));
                        }
                    }
                }
                None => page.push(command),
            }
        }
        self.pages.push_back(page);
        if self.quirks.has(&Quirk::WithoutFinal(self.header.msg_id + 1)) {
            let page = self.pages.pop_front().unwrap_or_default();
            let (first, second) = page.split_at(page.len() / 2);
            self.pages.push_front(second.to_vec());
            self.pages.push_front(first.to_vec());
        }
    }

    /// Numbers and writes the next page, after `first`.
    fn next_message(&mut self, first: Vec<Command>) -> Vec<u8> {
        let skips = self.header.msg_id > 0 && self.quirks.has(&Quirk::SkipMsgId(self.header.msg_id));
        self.header.msg_id += if skips { 2 } else { 1 };
        self.report.messages += 1;
        let mut body = first;
        body.extend(self.pages.pop_front().unwrap_or_default());
        // Windows begins with 2 in the first message of a session, with 1 in the others.
        let first_id = if self.header.msg_id == 1 { 2 } else { 1 };
        let leaves_out = self.quirks.has(&Quirk::AlertWithoutCmdId);
        for (index, command) in body.iter_mut().enumerate() {
            let bare = leaves_out && is_alert(command, alert::GENERIC);
            command.set_cmd_id(if bare {
                String::new()
            } else {
                (first_id + index).to_string()
            });
        }
        self.sent = body.iter().filter_map(Sent::of).collect();
        let message = Message {
            header: self.header.clone(),
            body,
            last: self.pages.is_empty(),
        };
        syncml::encode(self.encoding, &message, self.style)
    }
}

impl Sent {
    fn of(command: &Command) -> Option<Self> {
        let wanted = match command {
            Command::Status(_) => return None,
            Command::Results(results) if results.items.iter().any(|item| item.more_data) => {
                Some(StatusCode::CHUNK_BUFFERED)
            }
            Command::Results(_) => None,
            // There is nothing to refer to.
            _ if command.cmd_id().is_empty() => None,
            _ => Some(StatusCode::OK),
        };
        Some(Self {
            cmd_id: command.cmd_id().to_owned(),
            name: command.name().to_owned(),
            wanted,
        })
    }
}

fn header(opening: &Opening<'_>) -> Header {
    let source = opening
        .options
        .quirks
        .foreign_source()
        .unwrap_or(opening.device_id);
    Header {
        ver_dtd: "1.2".to_owned(),
        ver_proto: "DM/1.2".to_owned(),
        session_id: opening.session_id.to_owned(),
        target: opening.account.address.clone(),
        source: source.to_owned(),
        ..Header::default()
    }
}

fn header_status(msg_ref: u32) -> Status {
    Status {
        msg_ref,
        cmd_ref: "0".to_owned(),
        cmd: "SyncHdr".to_owned(),
        code: StatusCode::OK,
        ..Status::default()
    }
}

fn is_alert(command: &Command, code: u32) -> bool {
    matches!(command, Command::Alert(Alert { code: own, .. }) if *own == code)
}

/// Cuts the one large item of a Results; `None` where there is nothing to cut (OMA-DM 7.2, large objects).
fn chunks(command: &Command, size: usize) -> Option<Vec<Command>> {
    let Command::Results(results) = command else {
        return None;
    };
    let [item] = results.items.as_slice() else {
        return None;
    };
    let data = item.data.as_deref().filter(|data| data.len() > size)?;
    let mut parts = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let at = (1..=rest.len()).find(|at| *at >= size.min(rest.len()) && rest.is_char_boundary(*at))?;
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after;
    }
    let last = parts.len() - 1;
    let chunk = |(index, part): (usize, &str)| {
        let whole = u64::try_from(data.len()).ok().filter(|_| index == 0);
        let mut results = results.clone();
        results.items = vec![Item {
            source: item.source.clone(),
            meta: Meta {
                size: whole,
                ..item.meta.clone()
            },
            data: Some(part.to_owned()),
            more_data: index < last,
            target: None,
        }];
        Command::Results(results)
    };
    Some(parts.into_iter().enumerate().map(chunk).collect())
}

/// A server that goes on longer than this does not come to an end.
const MAX_MESSAGES: u32 = 200;

#[cfg(test)]
mod tests;
