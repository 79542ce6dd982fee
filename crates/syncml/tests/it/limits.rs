//! Limits hold in both encodings, before memory is taken.

use crate::{around, body, read_xml};
use qm_syncml::{
    Command, DecodeError, Edit, Encoding, Group, Header, Item, Limits, Message, Status, decode, encode,
};

const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

fn message(body: Vec<Command>) -> Message {
    Message {
        header: Header::new("1", 1, "t", "s"),
        body,
        last: true,
    }
}

fn read(encoding: Encoding, message: &Message, limits: Limits) -> Result<Message, DecodeError> {
    decode(encoding, &encode(encoding, message), &limits)
}

#[test]
fn documents_may_be_as_long_as_the_limit() {
    for encoding in BOTH {
        let bytes = encode(encoding, &message(vec![]));
        let limits = |bytes| Limits {
            bytes,
            ..Limits::default()
        };
        assert!(decode(encoding, &bytes, &limits(bytes.len())).is_ok());
        let limit = bytes.len() - 1;
        let refused = decode(encoding, &bytes, &limits(limit));
        assert!(matches!(refused, Err(DecodeError::TooLarge { limit: l }) if l == limit));
    }
}

#[test]
fn commands_are_counted_inside_groups_too() {
    let edit = || Command::Get(Edit::default());
    let group = Command::Atomic(Group {
        commands: vec![edit(), edit()],
        ..Group::default()
    });
    let message = message(vec![group, edit()]);
    for encoding in BOTH {
        let limits = |commands| Limits {
            commands,
            ..Limits::default()
        };
        assert!(read(encoding, &message, limits(4)).is_ok());
        let refused = read(encoding, &message, limits(3));
        assert!(matches!(
            refused,
            Err(DecodeError::TooMany {
                kind: "commands",
                limit: 3
            })
        ));
    }
}

#[test]
fn items_and_references_are_counted_together() {
    let refs = || vec![String::new(), String::new()];
    let status = Status {
        target_refs: refs(),
        source_refs: refs(),
        items: vec![Item::default()],
        ..Status::default()
    };
    let message = message(vec![Command::Status(status)]);
    for encoding in BOTH {
        let limits = |items| Limits {
            items,
            ..Limits::default()
        };
        assert!(read(encoding, &message, limits(5)).is_ok());
        let refused = read(encoding, &message, limits(4));
        assert!(matches!(
            refused,
            Err(DecodeError::TooMany {
                kind: "items",
                limit: 4
            })
        ));
    }
}

#[test]
fn groups_may_nest_as_deep_as_the_limit() {
    let nested = |levels: usize| {
        (0..levels).fold(Command::Get(Edit::default()), |inner, _| {
            Command::Sequence(Group {
                commands: vec![inner],
                ..Group::default()
            })
        })
    };
    for encoding in BOTH {
        // SyncML, SyncBody and the Get itself take three of the 16 levels.
        assert!(read(encoding, &message(vec![nested(13)]), Limits::default()).is_ok());
        let refused = read(encoding, &message(vec![nested(14)]), Limits::default());
        assert!(matches!(refused, Err(DecodeError::TooDeep { limit: 16 })));
    }
}

#[test]
fn unknown_elements_are_skipped_only_to_the_limit() {
    let nested = |levels: usize| around(&format!("{}{}", "<x>".repeat(levels), "</x>".repeat(levels)));
    assert!(read_xml(&nested(14)).is_ok());
    assert!(matches!(
        read_xml(&nested(15)),
        Err(DecodeError::TooDeep { limit: 16 })
    ));
}

#[test]
fn markup_in_data_has_a_limit_of_its_own() {
    let markup = |levels: usize| format!("{}{}", "<x>".repeat(levels), "</x>".repeat(levels));
    let data = |levels| format!("<Add><Item><Data>{}</Data></Item></Add>", markup(levels));
    assert_eq!(body(&data(64))[0].items()[0].data, Some(markup(64)));
    assert!(matches!(
        read_xml(&around(&data(65))),
        Err(DecodeError::TooDeep { .. })
    ));
    // Afterwards the limit for elements is in force again.
    let after = format!("{}{}", data(30), markup(15));
    assert!(matches!(
        read_xml(&around(&after)),
        Err(DecodeError::TooDeep { limit: 16 })
    ));
}

#[test]
fn many_references_to_one_long_string_are_refused() {
    let long = 4096;
    let mut bytes = vec![0x02, 0xA4, 0x01, 0x6A, 0xA0, 0x00]; // string table of 4096 bytes
    bytes.extend(std::iter::repeat_n(b'a', long));
    bytes.extend([0x6D, 0x6C, 0x65]); // SyncML, SyncHdr, SessionID
    bytes.extend([0x83, 0x00].repeat(100));
    let limits = Limits {
        bytes: 65_536,
        ..Limits::default()
    };
    let refused = decode(Encoding::Wbxml, &bytes, &limits);
    assert!(
        matches!(refused, Err(DecodeError::TooLarge { limit: 65_536 })),
        "{refused:?}"
    );
}

#[test]
fn attributes_of_one_element_are_counted() {
    let document = |attributes: usize| {
        let table = [0x02, 0xA4, 0x01, 0x6A, 0x02, b'a', 0x00];
        let open = [0x6D, 0x6C, 0x5B, 0x03, b'1', 0x00, 0x01, 0x01, 0xEB]; // the SyncBody has attributes
        [
            &table[..],
            &open,
            &[0x04, 0x00].repeat(attributes),
            &[0x01, 0x01, 0x01],
        ]
        .concat()
    };
    assert!(decode(Encoding::Wbxml, &document(64), &Limits::default()).is_ok());
    let refused = decode(Encoding::Wbxml, &document(65), &Limits::default());
    assert!(
        matches!(
            refused,
            Err(DecodeError::TooMany {
                kind: "attributes",
                limit: 64
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn markup_that_outgrows_its_tokens_is_refused() {
    let document = |tags: usize| {
        let open = [
            0x02, 0xA4, 0x01, 0x6A, 0x00, 0x6D, 0x6C, 0x5B, 0x03, b'1', 0x00, 0x01, 0x01,
        ];
        let data = [0x6B, 0x60, 0x54, 0x4F]; // SyncBody, Replace, Item, Data
        [&open[..], &data, &[0x33].repeat(tags), &[0x01; 5]].concat()
    };
    let limits = Limits {
        bytes: 4096,
        ..Limits::default()
    };
    // Each NumberOfChanges becomes 43 bytes of text.
    assert!(decode(Encoding::Wbxml, &document(95), &limits).is_ok());
    let refused = decode(Encoding::Wbxml, &document(96), &limits);
    assert!(
        matches!(refused, Err(DecodeError::TooLarge { limit: 4096 })),
        "{refused:?}"
    );
}
