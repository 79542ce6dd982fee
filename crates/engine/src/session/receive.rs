//! What the device said: statuses owed, facts learned.

use super::{AppsProgress, Fact, Partial, Purpose, Sent, Session, Step};
use crate::deployment::Answer;
use qm_core::{
    HResult,
    command::{CommandResult, Verb},
    deployment::Context,
};
use qm_csp::{
    app_management as csp,
    device_management::{SessionAlert, read_session_alert},
};
use qm_syncml::{Alert, Command, Edit, Item, Message, Meta, Results, Status, StatusCode, alert};
use std::collections::HashSet;

/// The outcome of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The session as it is now.
    pub session: Session,
    /// What was learned, in order.
    pub facts: Vec<Fact>,
    /// The statuses owed: for the header first, then one for each command in order. `CmdID`s are still empty.
    pub statuses: Vec<Status>,
    /// An alert owed instead of commands: 1222 (go on) or 1225 (a large object was broken off).
    pub alert: Option<u32>,
    /// Whether commands may follow in the reply.
    pub may_command: bool,
}

/// Large objects above this many bytes are refused with 416.
const MAX_OBJECT: u64 = 16 * 1024 * 1024;

/// Takes one message of the device. `session` is the state after the last reply; a default one for `MsgID` 1.
pub fn receive(session: Session, message: &Message) -> Received {
    // In one piece: statuses are large, and growing step by step costs more than all else here.
    let mut statuses = Vec::with_capacity(message.body.len() + 1);
    statuses.push(status(message, "0", "SyncHdr", StatusCode::OK));
    let mut receiver = Receiver {
        session,
        facts: Vec::new(),
        statuses,
        alert: None,
        may_command: message.last,
    };
    for command in &message.body {
        receiver.take(message, command);
    }
    receiver.settle(message.last);
    if !message.last && receiver.alert.is_none() {
        receiver.alert = Some(alert::NEXT_MESSAGE);
    }
    let Receiver {
        session,
        facts,
        statuses,
        alert,
        may_command,
    } = receiver;
    Received {
        session,
        facts,
        statuses,
        may_command: may_command && alert.is_none(),
        alert,
    }
}

struct Receiver {
    session: Session,
    facts: Vec<Fact>,
    statuses: Vec<Status>,
    alert: Option<u32>,
    may_command: bool,
}

impl Receiver {
    fn take(&mut self, message: &Message, command: &Command) {
        match command {
            Command::Status(answer) => self.take_status(answer),
            Command::Results(results) => self.take_results(message, results),
            Command::Alert(alert) => {
                self.owe(message, command, StatusCode::OK);
                self.take_alert(alert);
            }
            Command::Replace(edit) => {
                self.owe(message, command, StatusCode::OK);
                self.take_dev_info(edit);
            }
            Command::Unknown { .. } => self.owe(message, command, StatusCode::BAD_REQUEST),
            // A device has no business sending these (MS-MDM 2.2.7).
            _ => self.owe(message, command, StatusCode::NOT_ALLOWED),
        }
    }

    /// A command without `CmdID` is answered as clients do it, with an empty `CmdRef`: 0 would mean the header.
    fn owe(&mut self, message: &Message, command: &Command, code: StatusCode) {
        self.statuses
            .push(status(message, command.cmd_id(), command.name(), code));
    }

    fn sent(&mut self, msg: u32, cmd: &str) -> Option<&mut Sent> {
        self.session
            .sent
            .iter_mut()
            .find(|sent| sent.msg == msg && sent.cmd == cmd)
    }

    fn take_status(&mut self, answer: &Status) {
        if let Some(sent) = self.sent(answer.msg_ref, answer.cmd_ref.trim()) {
            sent.status.get_or_insert(answer.code.0);
            if sent.original_error.is_none() {
                sent.original_error.clone_from(&answer.original_error);
            }
        }
    }

    fn take_results(&mut self, message: &Message, results: &Results) {
        let msg = results.msg_ref.unwrap_or(1);
        let cmd = results.cmd_ref.as_deref().unwrap_or("1").trim();
        for item in &results.items {
            let chunk = item.more_data || self.session.partial.is_some();
            if chunk {
                self.take_chunk(message, results, msg, cmd, item);
            } else {
                self.store_result(msg, cmd, result(item, &results.meta));
            }
        }
    }

    fn store_result(&mut self, msg: u32, cmd: &str, result: CommandResult) {
        if let Some(sent) = self.sent(msg, cmd) {
            sent.results.push(result);
        }
    }

    fn take_chunk(&mut self, message: &Message, results: &Results, msg: u32, cmd: &str, item: &Item) {
        let uri = item
            .source
            .clone()
            .or_else(|| item.target.clone())
            .unwrap_or_default();
        let data = item.data.as_deref().unwrap_or_default();
        let partial = match self.session.partial.take() {
            Some(partial) if partial.uri == uri || uri.is_empty() => Partial {
                data: partial.data + data,
                ..partial
            },
            Some(broken_off) => {
                self.spoil(broken_off.msg, &broken_off.cmd, StatusCode::SIZE_MISMATCH);
                self.alert = Some(alert::NO_END_OF_DATA);
                return;
            }
            None => {
                let meta = merged(&item.meta, &results.meta);
                let Some(size) = meta.size else {
                    self.spoil(msg, cmd, StatusCode::SIZE_REQUIRED);
                    return self.owe_chunk(message, results, StatusCode::SIZE_REQUIRED);
                };
                Partial {
                    msg,
                    cmd: cmd.to_owned(),
                    uri,
                    format: meta.format,
                    size,
                    data: data.to_owned(),
                }
            }
        };
        if partial.size > MAX_OBJECT || partial.data.len() as u64 > MAX_OBJECT {
            self.spoil(partial.msg, &partial.cmd, StatusCode::TOO_LARGE);
            return self.owe_chunk(message, results, StatusCode::TOO_LARGE);
        }
        if item.more_data {
            self.session.partial = Some(partial);
            self.owe_chunk(message, results, StatusCode::CHUNK_BUFFERED);
            self.alert.get_or_insert(alert::NEXT_MESSAGE);
        } else {
            self.finish_object(message, results, partial);
        }
    }

    fn finish_object(&mut self, message: &Message, results: &Results, partial: Partial) {
        if !size_agrees(&partial) {
            self.spoil(partial.msg, &partial.cmd, StatusCode::SIZE_MISMATCH);
            return self.owe_chunk(message, results, StatusCode::SIZE_MISMATCH);
        }
        self.owe_chunk(message, results, StatusCode::OK);
        let format = partial.format.unwrap_or_else(|| "chr".to_owned());
        let result = CommandResult {
            uri: partial.uri,
            format,
            data: partial.data,
        };
        self.store_result(partial.msg, &partial.cmd, result);
    }

    /// The result of a Get did not arrive whole: whatever the device says of it, it was not read.
    fn spoil(&mut self, msg: u32, cmd: &str, code: StatusCode) {
        if let Some(sent) = self.sent(msg, cmd) {
            sent.status = Some(code.0);
        }
    }

    fn owe_chunk(&mut self, message: &Message, results: &Results, code: StatusCode) {
        self.statuses
            .push(status(message, &results.cmd_id, "Results", code));
    }

    fn take_alert(&mut self, alert: &Alert) {
        for event in read_session_alert(alert) {
            match event {
                SessionAlert::LoginStatus(login) => {
                    self.session.signed_in = login.into();
                    self.facts.push(Fact::SignedIn(self.session.signed_in));
                }
                SessionAlert::UnenrolledByUser => {
                    self.facts.push(Fact::LeftByUser);
                    self.may_command = false;
                }
                SessionAlert::Abort => {
                    self.facts.push(Fact::Aborted);
                    self.may_command = false;
                }
                SessionAlert::KeepAlive => self.may_command = false,
                SessionAlert::App(app) => self.facts.push(Fact::App(app)),
                SessionAlert::Other { code, kind, .. } => self.facts.push(Fact::OtherAlert { code, kind }),
                SessionAlert::NextMessage => {}
            }
        }
    }

    fn take_dev_info(&mut self, edit: &Edit) {
        for item in &edit.items {
            if let (Some(uri), Some(value)) = (item.source.as_ref().or(item.target.as_ref()), &item.data) {
                self.facts.push(Fact::Inventory {
                    uri: uri.clone(),
                    value: value.trim().to_owned(),
                });
            }
        }
    }

    /// Turns answered commands into facts. A Get that succeeded may still wait for its Results until the package ends.
    fn settle(&mut self, package_complete: bool) {
        for sent in &mut self.session.sent {
            forget_repeats(&mut sent.results);
        }
        let chunked = self.session.partial.as_ref().map(|p| (p.msg, p.cmd.clone()));
        let answered = |sent: &Sent| {
            let results_due =
                sent.verb == Verb::Get && sent.status.is_some_and(|s| StatusCode(s).is_success());
            let in_chunks = chunked
                .as_ref()
                .is_some_and(|(msg, cmd)| *msg == sent.msg && *cmd == sent.cmd);
            let complete = !results_due || !sent.results.is_empty() || package_complete;
            sent.status.is_some() && complete && !in_chunks
        };
        let (done, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.session.sent)
            .into_iter()
            .partition(answered);
        self.session.sent = waiting;
        let mut refused = Vec::new();
        let (mut inventory, mut settings) = (false, false);
        for sent in done {
            inventory |= sent.purpose == Purpose::Inventory;
            settings |= sent.purpose == Purpose::Setting;
            self.settle_one(sent, &mut refused);
        }
        let still = |purpose| self.session.sent.iter().any(|sent| sent.purpose == purpose);
        if inventory && !still(Purpose::Inventory) {
            self.facts.push(Fact::InventoryRead);
        }
        if settings && !still(Purpose::Setting) {
            self.facts.push(Fact::SettingsApplied { refused });
        }
    }

    fn settle_one(&mut self, sent: Sent, refused: &mut Vec<(String, u16)>) {
        let status = sent.status.unwrap_or_default();
        match sent.purpose {
            Purpose::Inventory => self
                .facts
                .extend(sent.results.into_iter().map(|r| Fact::Inventory {
                    uri: r.uri,
                    value: r.data.trim().to_owned(),
                })),
            Purpose::Setting if !StatusCode(status).is_success() => refused.push((sent.uri, status)),
            Purpose::Setting | Purpose::AppQuery => {}
            Purpose::Apps { context, ref source } => self.settle_apps(context, source, status, &sent.results),
            Purpose::Custom { id } => self.facts.push(Fact::Custom {
                id,
                done: StatusCode(status).is_success() || sent.again && was_done_before(sent.verb, status),
                status,
                results: sent.results,
            }),
            Purpose::Target { id, step } => {
                let answer = answer(step, status, sent.original_error.as_deref(), &sent.results);
                self.facts.push(Fact::Target { id, step, answer });
            }
            Purpose::Unenroll => self.facts.push(Fact::UnenrollAnswered { status }),
        }
    }

    fn settle_apps(&mut self, context: Context, source: &str, status: u16, results: &[CommandResult]) {
        let progress = self.session.apps.entry(context).or_default();
        progress.waiting = progress.waiting.saturating_sub(1);
        match apps_of(context, source, status, results) {
            Some(mut apps) => progress.apps.append(&mut apps),
            None => progress.broken = true,
        }
        if progress.waiting > 0 {
            return;
        }
        let AppsProgress { broken, apps, .. } = self.session.apps.remove(&context).unwrap_or_default();
        self.facts.push(if broken {
            Fact::AppsUnreadable { context }
        } else {
            Fact::AppsRead { context, apps }
        });
    }
}

/// Whether this is the answer to a command that was carried out before, when that answer was lost or is still to come.
pub fn was_done_before(verb: Verb, status: u16) -> bool {
    match verb {
        Verb::Add => StatusCode(status) == StatusCode::ALREADY_EXISTS,
        Verb::Delete => StatusCode(status) == StatusCode::NOT_FOUND,
        Verb::Get | Verb::Replace | Verb::Exec => false,
    }
}

/// `None` where the read failed: that is not the same as no apps.
fn apps_of(
    context: Context,
    source: &str,
    status: u16,
    results: &[CommandResult],
) -> Option<Vec<qm_core::device::InstalledApp>> {
    let source = csp::Source::parse(source)?;
    let data = results.first().map_or("", |r| r.data.as_str());
    match StatusCode(status).is_success() {
        true if data.trim().is_empty() => Some(Vec::new()),
        true => csp::read_inventory(data, context, source).ok(),
        false => None,
    }
}

fn answer(step: Step, status: u16, original_error: Option<&str>, results: &[CommandResult]) -> Answer {
    let slot = if step == Step::Poll {
        csp::read_slot(&results.iter().map(item).collect::<Vec<_>>())
    } else {
        None
    };
    Answer {
        status: StatusCode(status),
        original_error: original_error.and_then(HResult::parse),
        slot,
    }
}

fn item(result: &CommandResult) -> Item {
    Item {
        source: Some(result.uri.clone()),
        meta: Meta::format(&result.format),
        data: Some(result.data.clone()),
        ..Item::default()
    }
}

fn result(item: &Item, outer: &Meta) -> CommandResult {
    CommandResult {
        uri: item
            .source
            .clone()
            .or_else(|| item.target.clone())
            .unwrap_or_default(),
        format: merged(&item.meta, outer)
            .format
            .unwrap_or_else(|| "chr".to_owned()),
        data: item.data.clone().unwrap_or_default(),
    }
}

fn merged(inner: &Meta, outer: &Meta) -> Meta {
    let inner = inner.clone();
    Meta {
        format: inner.format.or_else(|| outer.format.clone()),
        size: inner.size.or(outer.size),
        ..inner
    }
}

/// A result that came before is a repeat; clients do that. A message may bring so many that each is looked up once only.
fn forget_repeats(results: &mut Vec<CommandResult>) {
    let mut seen = HashSet::with_capacity(results.len());
    let new: Vec<bool> = results
        .iter()
        .map(|result| seen.insert((&result.uri, &result.format, &result.data)))
        .collect();
    let mut new = new.into_iter();
    results.retain(|_| new.next().unwrap_or(true));
}

/// `Size` counts the encoded text by most clients, the decoded bytes of base64 by some.
fn size_agrees(partial: &Partial) -> bool {
    let text = partial.data.len() as u64;
    let padding = partial.data.bytes().rev().take_while(|b| *b == b'=').count() as u64;
    let decoded = (text / 4 * 3).saturating_sub(padding);
    partial.size == text || partial.size == decoded
}

fn status(message: &Message, cmd_ref: &str, cmd: &str, code: StatusCode) -> Status {
    Status {
        msg_ref: message.header.msg_id,
        cmd_ref: cmd_ref.to_owned(),
        cmd: cmd.to_owned(),
        code,
        ..Status::default()
    }
}
