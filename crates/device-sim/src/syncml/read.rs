//! From the raw tree to the message tree. The form was judged before; here everything missing is empty.

use crate::{Rule, violation::Watch, xml::Element};
use qm_syncml::{
    Alert, Command, Cred, Edit, Group, Header, Item, Message, Meta, Results, Status, StatusCode,
};

pub(super) fn message(root: &Element, watch: &mut Watch) -> Option<Message> {
    let (Some(header), Some(body)) = (root.child("SyncHdr"), root.child("SyncBody")) else {
        watch.note(Rule::Unreadable, "SyncHdr or SyncBody is missing");
        return None;
    };
    let commands = body.children.iter().filter(|child| child.name != "Final");
    Some(Message {
        header: Header {
            ver_dtd: text(header, "VerDTD"),
            ver_proto: text(header, "VerProto"),
            session_id: text(header, "SessionID"),
            msg_id: number(header, "MsgID", watch),
            target: uri(header, "Target").unwrap_or_default(),
            source: uri(header, "Source").unwrap_or_default(),
            source_name: header
                .child("Source")
                .and_then(|source| source.value("LocName"))
                .map(str::to_owned),
            cred: header.child("Cred").map(cred),
            meta: meta(header),
        },
        body: commands.map(|element| command(element, watch)).collect(),
        last: body.child("Final").is_some(),
    })
}

fn command(element: &Element, watch: &mut Watch) -> Command {
    match element.name.as_str() {
        "Add" => Command::Add(edit(element)),
        "Delete" => Command::Delete(edit(element)),
        "Exec" => Command::Exec(edit(element)),
        "Get" => Command::Get(edit(element)),
        "Replace" => Command::Replace(edit(element)),
        "Alert" => Command::Alert(Alert {
            cmd_id: text(element, "CmdID"),
            code: number(element, "Data", watch),
            items: items(element),
        }),
        "Atomic" => Command::Atomic(group(element, watch)),
        "Sequence" => Command::Sequence(group(element, watch)),
        "Results" => Command::Results(Results {
            cmd_id: text(element, "CmdID"),
            cmd_ref: element.value("CmdRef").map(str::to_owned),
            items: items(element),
            ..Results::default()
        }),
        "Status" => Command::Status(status(element, watch)),
        other => Command::Unknown {
            name: other.to_owned(),
            cmd_id: text(element, "CmdID"),
        },
    }
}

fn edit(element: &Element) -> Edit {
    Edit {
        cmd_id: text(element, "CmdID"),
        meta: meta(element),
        items: items(element),
    }
}

fn group(element: &Element, watch: &mut Watch) -> Group {
    let outside = ["CmdID", "NoResp", "Meta"];
    let commands = element
        .children
        .iter()
        .filter(|child| !outside.contains(&child.name.as_str()));
    Group {
        cmd_id: text(element, "CmdID"),
        commands: commands.map(|child| command(child, watch)).collect(),
    }
}

fn status(element: &Element, watch: &mut Watch) -> Status {
    let refs = |name| {
        element
            .all(name)
            .map(|child| child.text.trim().to_owned())
            .collect()
    };
    Status {
        cmd_id: text(element, "CmdID"),
        msg_ref: number(element, "MsgRef", watch),
        cmd_ref: text(element, "CmdRef"),
        cmd: text(element, "Cmd"),
        target_refs: refs("TargetRef"),
        source_refs: refs("SourceRef"),
        challenge: element.child("Chal").map(|chal| Box::new(meta(chal))),
        code: StatusCode(u16::try_from(number(element, "Data", watch)).unwrap_or_default()),
        original_error: None,
        items: items(element),
    }
}

fn items(element: &Element) -> Vec<Item> {
    element
        .all("Item")
        .map(|item| Item {
            target: uri(item, "Target"),
            source: uri(item, "Source"),
            meta: meta(item),
            data: item.child("Data").map(|data| data.text.clone()),
            more_data: item.child("MoreData").is_some(),
        })
        .collect()
}

fn meta(element: &Element) -> Meta {
    let Some(found) = element.child("Meta") else {
        return Meta::default();
    };
    let value = |name: &str| {
        found
            .children
            .iter()
            .find(|child| child.name == name)
            .map(|child| child.text.trim().to_owned())
    };
    let number = |name: &str| value(name).and_then(|text| text.parse().ok());
    Meta {
        format: value("Format"),
        media_type: value("Type"),
        mark: value("Mark"),
        size: number("Size"),
        next_nonce: value("NextNonce"),
        max_msg_size: number("MaxMsgSize"),
        max_obj_size: number("MaxObjSize"),
    }
}

fn cred(element: &Element) -> Cred {
    Cred {
        meta: meta(element),
        data: text(element, "Data"),
    }
}

fn uri(element: &Element, name: &str) -> Option<String> {
    Some(element.child(name)?.value("LocURI")?.to_owned())
}

fn text(element: &Element, name: &str) -> String {
    element.value(name).unwrap_or_default().to_owned()
}

fn number(element: &Element, name: &str, watch: &mut Watch) -> u32 {
    let text = element.value(name).unwrap_or_default();
    text.parse().unwrap_or_else(|_| {
        watch.note(
            Rule::Structure,
            format!("{name} of `{}` is `{text}`", element.name),
        );
        0
    })
}
