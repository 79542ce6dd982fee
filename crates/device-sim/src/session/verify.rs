//! The rules a server's message has to keep (MS-MDM 2.2, 3.1; OMA-DM Representation).

use super::{Sent, is_alert};
use crate::{Rule, http::Answer, violation::Watch};
use qm_syncml::{Command, Encoding, Header, Message, Status, StatusCode, alert};

/// The HTTP side.
pub(super) fn transfer(answer: &Answer, encoding: Encoding, watch: &mut Watch) {
    answer.check_transfer(watch);
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    let same = Encoding::from_media_type(content_type) == Some(encoding);
    watch.check(same, Rule::ContentType, || {
        format!("`{content_type}` for {encoding:?}")
    });
}

/// Header, statuses and commands against what was sent.
pub(super) fn message(message: &Message, sent_header: &Header, sent: &[Sent], watch: &mut Watch) {
    header(&message.header, sent_header, watch);
    cmd_ids(&message.body, watch);
    let first_command = message
        .body
        .iter()
        .position(|command| !matches!(command, Command::Status(_)));
    let late = message
        .body
        .iter()
        .skip(first_command.unwrap_or(message.body.len()));
    let late = late
        .filter(|command| matches!(command, Command::Status(_)))
        .count();
    watch.check(late == 0, Rule::StatusOrder, || {
        format!("{late} statuses come after commands")
    });
    statuses(&message.body, sent_header.msg_id, sent, watch);
    watch.check(message.last, Rule::Final, || {
        "the message has no Final".to_owned()
    });
    for command in &message.body {
        if matches!(command, Command::Results(_)) {
            watch.note(Rule::Command, "a server never sends Results");
        }
    }
}

/// The server wants credentials.
pub(super) fn challenged(message: &Message) -> bool {
    let code = message.body.iter().find_map(|command| match command {
        Command::Status(status) if status.cmd == "SyncHdr" => Some(status.code),
        _ => None,
    });
    matches!(code, Some(StatusCode(401 | 407)))
}

/// While the device's package is incomplete the server may only ask for more.
pub(super) fn waits(commands: &[&Command], watch: &mut Watch) {
    let (asks, others): (Vec<&&Command>, Vec<_>) = commands
        .iter()
        .partition(|command| is_alert(command, alert::NEXT_MESSAGE));
    watch.check(asks.len() == 1, Rule::NextMessage, || {
        format!("{} alerts 1222", asks.len())
    });
    for command in others {
        watch.note(
            Rule::NextMessage,
            format!("a {} before the package is complete", command.name()),
        );
    }
}

fn header(header: &Header, sent: &Header, watch: &mut Watch) {
    let versions = (header.ver_dtd.as_str(), header.ver_proto.as_str());
    watch.check(versions == ("1.2", "DM/1.2"), Rule::Structure, || {
        format!("{versions:?}")
    });
    watch.check(header.session_id == sent.session_id, Rule::MessageId, || {
        format!(
            "SessionID `{}` instead of `{}`",
            header.session_id, sent.session_id
        )
    });
    watch.check(header.msg_id == sent.msg_id, Rule::MessageId, || {
        format!("MsgID {} instead of {}", header.msg_id, sent.msg_id)
    });
    watch.check(header.target == sent.source, Rule::Address, || {
        format!("Target `{}`", header.target)
    });
    watch.check(header.source == sent.target, Rule::Address, || {
        format!("Source `{}`", header.source)
    });
    watch.check(header.meta.is_empty(), Rule::Structure, || {
        "Meta in the header".to_owned()
    });
}

fn cmd_ids(body: &[Command], watch: &mut Watch) {
    let mut seen: Vec<&str> = Vec::new();
    let mut open: Vec<&Command> = body.iter().rev().collect();
    while let Some(command) = open.pop() {
        let id = command.cmd_id();
        if id.is_empty() || id == "0" || seen.contains(&id) {
            watch.note(Rule::CmdId, format!("{} has CmdID `{id}`", command.name()));
        }
        seen.push(id);
        open.extend(command.children().iter().rev());
    }
}

/// The header's status first, then one for each command in the order sent; those for Results may be missing.
fn statuses(body: &[Command], msg_id: u32, sent: &[Sent], watch: &mut Watch) {
    let all: Vec<&Status> = body
        .iter()
        .filter_map(|command| match command {
            Command::Status(status) => Some(status),
            _ => None,
        })
        .collect();
    for status in &all {
        watch.check(status.msg_ref == msg_id, Rule::StatusRef, || {
            format!("MsgRef {} for message {msg_id}", status.msg_ref)
        });
    }
    let mut rest = all.into_iter().peekable();
    let first = rest.next_if(|status| status.cmd_ref == "0" && status.cmd == "SyncHdr");
    match first.map(|status| status.code) {
        Some(StatusCode(200 | 212 | 401 | 407)) => {}
        Some(code) => watch.note(Rule::StatusOrder, format!("SyncHdr is answered with {code}")),
        None => watch.note(Rule::StatusOrder, "the first status is not for SyncHdr"),
    }
    if matches!(first.map(|status| status.code), Some(StatusCode(401 | 407))) {
        return;
    }
    for sent in sent {
        let answers = |status: &&Status| {
            status.cmd == sent.name
                && (status.cmd_ref == sent.cmd_id || (sent.cmd_id.is_empty() && status.cmd_ref == "0"))
        };
        let wanted = sent.wanted.unwrap_or(StatusCode::OK);
        match rest.next_if(answers) {
            Some(status) => {
                watch.check(status.code == wanted, Rule::StatusOrder, || {
                    format!("{} {} is answered with {}", sent.name, sent.cmd_id, status.code)
                });
            }
            None => {
                watch.check(sent.wanted.is_none(), Rule::StatusOrder, || {
                    format!("{} {} is not answered in its turn", sent.name, sent.cmd_id)
                });
            }
        }
    }
    for status in rest {
        watch.note(
            Rule::StatusRef,
            format!("a status for {} {}", status.cmd, status.cmd_ref),
        );
    }
}
