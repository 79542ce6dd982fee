//! Messages of every shape, as long as reading can give them: identifiers without white space around, lines ending
//! in LF, binary data in canonical base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::{collection::vec, option, prelude::*};
use qm_syncml::{
    Alert, Command, Cred, Edit, Group, Header, Item, Message, Meta, Results, Status, StatusCode,
};

pub fn message() -> impl Strategy<Value = Message> {
    (header(), vec(command(), 0..5), any::<bool>()).prop_map(|(header, body, last)| Message {
        header,
        body,
        last,
    })
}

fn header() -> impl Strategy<Value = Header> {
    let names = (word(), word(), word(), any::<u32>());
    let ends = (word(), word(), option::of(word()));
    let cred = option::of((meta(), word()).prop_map(|(meta, data)| Cred { meta, data }));
    (names, ends, cred, meta()).prop_map(|(names, ends, cred, meta)| {
        let (ver_dtd, ver_proto, session_id, msg_id) = names;
        let (target, source, source_name) = ends;
        Header {
            ver_dtd,
            ver_proto,
            session_id,
            msg_id,
            target,
            source,
            source_name,
            cred,
            meta,
        }
    })
}

fn command() -> impl Strategy<Value = Command> {
    let flat = prop_oneof![
        (0..5usize, edit()).prop_map(|(verb, edit)| verbs()[verb](edit)),
        (word(), any::<u32>(), items()).prop_map(|(cmd_id, code, items)| Command::Alert(Alert {
            cmd_id,
            code,
            items
        })),
        results().prop_map(Command::Results),
        status().prop_map(Command::Status),
        ("Put|Copy|Sync|Launch|x-Probe\\.2", word())
            .prop_map(|(name, cmd_id)| Command::Unknown { name, cmd_id }),
    ];
    flat.prop_recursive(2, 8, 3, |inner| {
        (word(), vec(inner, 0..4), any::<bool>()).prop_map(|(cmd_id, commands, atomic)| {
            let group = Group { cmd_id, commands };
            if atomic {
                Command::Atomic(group)
            } else {
                Command::Sequence(group)
            }
        })
    })
}

fn verbs() -> [fn(Edit) -> Command; 5] {
    [
        Command::Add,
        Command::Delete,
        Command::Exec,
        Command::Get,
        Command::Replace,
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    (word(), meta(), items()).prop_map(|(cmd_id, meta, items)| Edit { cmd_id, meta, items })
}

fn results() -> impl Strategy<Value = Results> {
    let refs = (option::of(any::<u32>()), option::of(word()), option::of(word()));
    (word(), refs, meta(), items()).prop_map(|(cmd_id, (msg_ref, cmd_ref, cmd), meta, items)| Results {
        cmd_id,
        msg_ref,
        cmd_ref,
        cmd,
        meta,
        items,
    })
}

fn status() -> impl Strategy<Value = Status> {
    let ids = (word(), any::<u32>(), word(), word());
    let refs = (vec(word(), 0..3), vec(word(), 0..3));
    let outcome = (option::of(meta()), any::<u16>(), option::of(data()));
    (ids, refs, outcome, items()).prop_map(|(ids, refs, outcome, items)| {
        let (cmd_id, msg_ref, cmd_ref, cmd) = ids;
        let (target_refs, source_refs) = refs;
        let (challenge, code, original_error) = outcome;
        let code = StatusCode(code);
        Status {
            cmd_id,
            msg_ref,
            cmd_ref,
            cmd,
            target_refs,
            source_refs,
            challenge: challenge.map(Box::new),
            code,
            original_error,
            items,
        }
    })
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    vec(prop_oneof![4 => item(), 1 => binary_item()], 0..4)
}

fn item() -> impl Strategy<Value = Item> {
    (
        option::of(word()),
        option::of(word()),
        meta(),
        option::of(data()),
        any::<bool>(),
    )
        .prop_map(|(target, source, meta, data, more_data)| Item {
            target,
            source,
            meta,
            data,
            more_data,
        })
}

fn binary_item() -> impl Strategy<Value = Item> {
    (word(), vec(any::<u8>(), 0..20)).prop_map(|(target, bytes)| {
        Item::target(target)
            .with_format("bin")
            .with_data(STANDARD.encode(bytes))
    })
}

fn meta() -> impl Strategy<Value = Meta> {
    let words = (
        option::of(format()),
        option::of(word()),
        option::of(word()),
        option::of(word()),
    );
    let sizes = (
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
    );
    let full = (words, sizes).prop_map(|((format, media_type, mark, next_nonce), sizes)| {
        let (size, max_msg_size, max_obj_size) = sizes;
        Meta {
            format,
            media_type,
            mark,
            size,
            next_nonce,
            max_msg_size,
            max_obj_size,
        }
    });
    prop_oneof![Just(Meta::default()), full]
}

fn format() -> impl Strategy<Value = String> {
    "chr|int|bool|b64|xml|node|null|x-other"
}

/// An identifier: any printable characters, none of them white space at either end.
fn word() -> impl Strategy<Value = String> {
    "([!-~Ä中😀]([ -~Ä中😀]{0,10}[!-~Ä中😀])?)?"
}

/// Any text that XML can hold, with what has a meaning in it.
fn data() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,30}",
        "([<>&'\"\t\n ]|\\]\\]>|<!\\[CDATA\\[|&amp;|\u{F000}|a){0,12}"
    ]
}
