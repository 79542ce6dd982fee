//! What the WBXML decoder takes from other encoders, and what it refuses.

use crate::read_wbxml;
use qm_syncml::{Command, DecodeError, Encoding, Header, Item, Message, Meta, WbxmlFault, encode};

/// String table: `Launch` at 0, `x:OriginalError` at 7, `MsiInstallJob` at 23, `id` at 37, `xmlns` at 40, the last
/// without its zero.
const TABLE: &[u8] = b"Launch\0x:OriginalError\0MsiInstallJob\0id\0xmlns";

/// A document whose `SyncBody` holds these tokens.
fn around(body: &[u8]) -> Vec<u8> {
    let header = [0x6D, 0x6C, 0x5B, 0x03, b'1', 0x00, 0x01, 0x01]; // SyncML, SyncHdr, MsgID 1
    let start = [0x02, 0xA4, 0x01, 0x6A, u8::try_from(TABLE.len()).unwrap()];
    [&start[..], TABLE, &header, &[0x6B], body, &[0x01, 0x01]].concat()
}

fn body(tokens: &[u8]) -> Vec<Command> {
    read_wbxml(&around(tokens)).unwrap().body
}

/// The item of a Replace whose `Meta/Format` and `Data` content are these.
fn item(format: Option<&str>, data: &[u8]) -> Item {
    let mut tokens = vec![0x60, 0x54]; // Replace, Item
    if let Some(format) = format {
        tokens.extend([0x5A, 0x00, 0x01, 0x47, 0x03]); // Meta, page 1, Format
        tokens.extend(format.as_bytes());
        tokens.extend([0x00, 0x01, 0x01, 0x00, 0x00]); // END Format, END Meta, page 0
    }
    tokens.push(0x4F);
    tokens.extend(data);
    tokens.extend([0x01, 0x01, 0x01]);
    let [Command::Replace(edit)] = &body(&tokens)[..] else {
        panic!("{tokens:02x?}")
    };
    edit.items[0].clone()
}

#[test]
fn text_comes_in_pieces_of_every_kind() {
    let cases: [(&[u8], &str); 8] = [
        (&[0x03, b'a', 0x00], "a"),
        (&[0x83, 0x00], "Launch"),
        (&[0x83, 0x03], "nch"),
        (&[0x83, 40], "xmlns"),
        (&[0xC3, 0x02, 0xC3, 0x84], "Ä"),
        (
            &[0x02, 0x60, 0x03, b'b', 0x00, 0x02, 0x83, 0xF6, 0x00],
            "`b\u{FB00}",
        ),
        (&[0x03, 0xC3, 0x00, 0x03, 0x84, 0x00, 0xC3, 0x01, b'x'], "Äx"),
        (&[0x03, b'a', 0x05, b'\r', b'\n', b'b', 0x00], "a\nb"),
    ];
    for (data, expected) in cases {
        assert_eq!(item(None, data).data.as_deref(), Some(expected), "{data:02x?}");
    }
}

#[test]
fn identifiers_are_trimmed_and_data_is_not() {
    let tokens = [
        0x60, 0x4B, 0x03, b' ', b'9', b'\n', 0x00, 0x01, 0x54, 0x4F, 0x03, b' ', 0x00, 0x01, 0x01, 0x01,
    ];
    let [Command::Replace(edit)] = &body(&tokens)[..] else {
        panic!()
    };
    assert_eq!(
        (edit.cmd_id.as_str(), edit.items[0].data.as_deref()),
        ("9", Some(" "))
    );
}

#[test]
fn binary_data_becomes_base64_text_under_the_format_bin() {
    let raw: &[u8] = &[0xC3, 0x04, 0x00, 0xFF, 0x10, 0x01];
    let text: &[u8] = &[0xC3, 0x02, b'h', b'i'];
    let string: &[u8] = &[0x03, b'a', b'G', b'k', b'=', 0x00];
    let cases = [
        (Some("bin"), raw, "AP8QAQ==", Some("bin")),
        (Some("BIN"), text, "aGk=", Some("BIN")),
        (Some("bin"), string, "aGk=", Some("bin")),
        (Some("chr"), text, "hi", Some("chr")),
        (None, text, "hi", None),
        (Some("b64"), raw, "AP8QAQ==", Some("b64")),
        (Some("chr"), raw, "AP8QAQ==", Some("bin")),
        (None, raw, "AP8QAQ==", Some("bin")),
        (
            None,
            &[0xC3, 0x04, 0x02, 0x01, 0x6A, 0x00],
            "AgFqAA==",
            Some("bin"),
        ),
    ];
    for (format, data, expected, expected_format) in cases {
        let item = item(format, data);
        assert_eq!(item.data.as_deref(), Some(expected), "{format:?} {data:02x?}");
        assert_eq!(
            item.meta.format.as_deref(),
            expected_format,
            "{format:?} {data:02x?}"
        );
    }
}

#[test]
fn binary_data_is_written_as_bytes() {
    let written = |format: &str, data: &str| {
        let item = Item::target("./a").with_format(format).with_data(data);
        let edit = qm_syncml::Edit {
            items: vec![item],
            ..Default::default()
        };
        let body = vec![Command::Replace(edit)];
        let bytes = encode(
            Encoding::Wbxml,
            &Message {
                body,
                ..Message::default()
            },
        );
        let at = bytes
            .windows(3)
            .position(|tokens| tokens == [0x01, 0x00, 0x00])
            .unwrap();
        bytes[at + 3..bytes.len() - 4].to_vec() // without END of Item, Replace, SyncBody, SyncML
    };
    assert_eq!(
        written("bin", "AP8Q\r\n AQ=="),
        [0x4F, 0xC3, 0x04, 0x00, 0xFF, 0x10, 0x01, 0x01]
    );
    assert_eq!(written("bin", "!"), [0x4F, 0x03, b'!', 0x00, 0x01]);
    assert_eq!(
        written("b64", "AP8="),
        [0x4F, 0x03, b'A', b'P', b'8', b'=', 0x00, 0x01]
    );
    assert_eq!(written("chr", "a\0b"), [0x4F, 0x03, b'a', b'b', 0x00, 0x01]);
    assert_eq!(written("chr", ""), [0x0F]);
}

#[test]
fn elements_in_data_become_the_text_of_their_markup() {
    let cases: [(&[u8], &str); 5] = [
        // MsiInstallJob id="<1" xmlns="": text, empty child of the same name.
        (
            &[
                0xC4, 23, 0x04, 37, 0x03, b'<', b'1', 0x00, 0x04, 40, 0x01, 0x03, b'&', 0x00, 0x04, 23, 0x01,
            ],
            "<MsiInstallJob id=\"&lt;1\" xmlns=\"\">&amp;<MsiInstallJob/></MsiInstallJob>",
        ),
        (
            &[0x03, b'<', 0x00, 0x12, 0x03, b'>', 0x00],
            "&lt;<Final xmlns=\"SYNCML:SYNCML1.2\"/>&gt;",
        ),
        (&[0x84, 23, 0x04, 37, 0x01], "<MsiInstallJob id=\"\"/>"),
        (
            &[
                0x5A, 0x0B, 0x00, 0x01, 0x53, 0x03, b't', 0x00, 0x01, 0x12, 0x01, 0x00, 0x00,
            ],
            "<Meta xmlns=\"SYNCML:SYNCML1.2\"><CmdID/><Type xmlns=\"syncml:metinf\">t</Type>\
             <Size xmlns=\"syncml:metinf\"/></Meta>",
        ),
        (&[0x04, 0x00, 0x0F], "<Launch/><Data xmlns=\"SYNCML:SYNCML1.2\"/>"),
    ];
    for (data, expected) in cases {
        assert_eq!(item(None, data).data.as_deref(), Some(expected), "{data:02x?}");
    }
}

#[test]
fn unknown_elements_and_known_names_as_literals_are_understood() {
    // Launch with CmdID 3; then the processing instruction Launch; then Put without content.
    let tokens = [
        0x44, 0x00, 0x4B, 0x03, b'3', 0x00, 0x01, 0x01, 0x43, 0x04, 0x00, 0x03, b'x', 0x00, 0x01, 0x1F,
    ];
    let unknown = |name: &str, id: &str| Command::Unknown {
        name: name.to_owned(),
        cmd_id: id.to_owned(),
    };
    assert_eq!(body(&tokens), [unknown("Launch", "3"), unknown("Put", "")]);
    let mut bytes = around(&[0x44, 0x00, 0x01]);
    bytes[5..11].copy_from_slice(b"s:Get\0"); // instead of Launch
    assert!(matches!(read_wbxml(&bytes).unwrap().body[..], [Command::Get(_)]));
}

#[test]
fn original_errors_are_kept_under_any_prefix() {
    let tokens = [
        0x69, 0xCF, 0x04, 7, 0x83, 0x00, 0x03, b'8', 0x00, 0x01, 0x03, b'5', b'0', b'0', 0x00, 0x01, 0x01,
    ];
    let [Command::Status(status)] = &body(&tokens)[..] else {
        panic!()
    };
    assert_eq!(
        (status.code.0, status.original_error.as_deref()),
        (500, Some("Launch8"))
    );
}

#[test]
fn the_page_stays_in_force_until_the_next_switch() {
    // Item: Meta on page 0, Format on page 1, END; page 0 again only before Data.
    let read = item(Some("int"), &[0x03, b'6', 0x00]);
    assert_eq!(
        read,
        Item {
            meta: Meta::format("int"),
            data: Some("6".to_owned()),
            ..Item::default()
        }
    );
    // Without the switch back 0x4F is Next of MetInf, which an Item does not have.
    let tokens = [
        0x60, 0x54, 0x5A, 0x00, 0x01, 0x07, 0x01, 0x4F, 0x03, b'6', 0x00, 0x01, 0x01, 0x01, 0x00, 0x00,
    ];
    let [Command::Replace(edit)] = &body(&tokens)[..] else {
        panic!()
    };
    assert_eq!(
        (
            edit.items[0].meta.format.as_deref(),
            edit.items[0].data.as_deref()
        ),
        (Some(""), None)
    );
}

#[test]
fn refuses_what_breaks_the_notation() {
    use WbxmlFault as F;
    let fault = |bytes: &[u8]| match read_wbxml(bytes) {
        Err(DecodeError::Wbxml { fault, .. }) => fault,
        other => panic!("{bytes:02x?}: {other:?}"),
    };
    let header = |bytes: &[u8]| fault(&[bytes, &[0x6D, 0x01]].concat());
    assert_eq!(header(&[0x00, 0xA4, 0x01, 0x6A, 0x00]), F::Version(0));
    assert_eq!(header(&[0x04, 0xA4, 0x01, 0x6A, 0x00]), F::Version(4));
    assert_eq!(header(b"<SyncML/>"), F::Version(b'<'));
    assert_eq!(header(&[0x02, 0xA4, 0x03, 0x6A, 0x00]), F::PublicId(0x1203));
    assert_eq!(
        header(&[0x02, 0x00, 0x00, 0x6A, 0x03, b'W', b'M', b'L']),
        F::PublicId(0)
    );
    assert_eq!(
        header(&[0x02, 0x00, 0x09, 0x6A, 0x03, b'W', b'M', b'L']),
        F::StringIndex(9)
    );
    assert_eq!(header(&[0x02, 0xA4, 0x01, 0x04, 0x00]), F::Charset(4));
    assert_eq!(
        header(&[0x02, 0xA4, 0x01, 0x6A, 0x9F, 0xFF, 0xFF, 0xFF, 0xFF, 0x00]),
        F::LongInteger
    );
    let body = |tokens: &[u8]| fault(&around(tokens));
    assert_eq!(body(&[0x00, 0x02]), F::Page(2));
    assert_eq!(body(&[0x70]), F::Tag { page: 0, id: 0x30 });
    assert_eq!(body(&[0x00, 0x01, 0x57]), F::Tag { page: 1, id: 0x17 });
    for token in [0x40, 0x41, 0x42, 0x80, 0x81, 0x82, 0xC0, 0xC1, 0xC2] {
        assert_eq!(body(&[0x4F, token, 0x00, 0x01]), F::Token(token));
    }
    assert_eq!(body(&[0x4F, 0x83, 45]), F::StringIndex(45));
    assert_eq!(body(&[0x44, 0x81, 0x00]), F::StringIndex(128));
    assert_eq!(body(&[0xCF, 0x05, 0x01]), F::Token(0x05));
    assert_eq!(body(&[0xCF, 0x03, b'v', 0x00, 0x01]), F::Token(0x03));
    assert_eq!(body(&[0xCF, 0x00, 0x02]), F::Page(2));
}

#[test]
fn refuses_documents_that_end_too_early_or_too_late() {
    let valid = around(&[0x12]);
    assert_eq!(
        read_wbxml(&valid).unwrap().header,
        Header {
            msg_id: 1,
            ..Header::default()
        }
    );
    for length in 0..valid.len() {
        assert!(read_wbxml(&valid[..length]).is_err(), "{length}");
    }
    let tails: [&[u8]; 4] = [&[0x03, b'a', 0x00], &[0x6D, 0x01], &[0x2D], &[0xC3, 0x00]];
    for tail in tails {
        let refused = read_wbxml(&[&valid, tail].concat());
        assert!(
            matches!(refused, Err(DecodeError::OutsideRoot)),
            "{tail:02x?} {refused:?}"
        );
    }
    let refused = read_wbxml(&[&valid[..], &[0x01]].concat());
    assert!(
        matches!(
            refused,
            Err(DecodeError::Wbxml {
                fault: WbxmlFault::Token(0x01),
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn refuses_text_that_is_no_text() {
    let cases: [&[u8]; 3] = [
        &[0x4B, 0x03, 0xFF, 0x00, 0x01],
        &[0x4B, 0xC3, 0x01, 0x80, 0x01],
        &[0x4F, 0x03, 0xC3, 0x00, 0x01],
    ];
    for child in cases {
        let refused = read_wbxml(&around(&[&[0x46][..], child, &[0x01]].concat()));
        assert!(
            matches!(refused, Err(DecodeError::NotText)),
            "{child:02x?} {refused:?}"
        );
    }
    let surrogate = read_wbxml(&around(&[0x46, 0x4B, 0x02, 0x83, 0xB0, 0x00, 0x01, 0x01]));
    assert!(matches!(surrogate, Err(DecodeError::Entity)), "{surrogate:?}");
}
