//! Agreement with another implementation: the tools of libwbxml (Debian package `libwbxml2-utils`). Without them the
//! tests say so and pass, except in continuous integration.

use crate::read_wbxml;
use qm_syncml::{
    Alert, Command, Cred, Edit, Encoding, Group, Header, Item, Message, Meta, Results, Status, StatusCode,
    encode,
};
use std::{fs, path::Path, process::Command as Process};

/// Converts a document with one of the tools; `None` where it is not installed.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn convert(tool: &str, input: &[u8], options: &[&str]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("in"), folder.path().join("out"));
    fs::write(&source, input).unwrap();
    let run = Process::new(tool)
        .args(options)
        .arg("-o")
        .args([&target, &source])
        .output();
    match run {
        Ok(output) => Some(result(tool, &target, &output)),
        Err(error) if std::env::var_os("CI").is_none() => {
            println!("skipped: {tool} does not run ({error}); install libwbxml2-utils");
            None
        }
        Err(error) => panic!("{tool} does not run: {error}; install libwbxml2-utils"),
    }
}

fn result(tool: &str, target: &Path, output: &std::process::Output) -> Vec<u8> {
    assert!(
        output.status.success(),
        "{tool}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::read(target)
        .unwrap_or_else(|error| panic!("{tool}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// What the tool writes begins with a document type declaration, which our decoder refuses.
fn without_doctype(xml: &[u8]) -> String {
    let xml = std::str::from_utf8(xml).unwrap();
    let at = xml
        .find("<!DOCTYPE")
        .expect("the tool declares the document type");
    let end = at + xml[at..].find('>').unwrap() + 1;
    [&xml[..at], &xml[end..]].concat()
}

fn edit(cmd_id: &str, items: Vec<Item>) -> Edit {
    Edit {
        cmd_id: cmd_id.to_owned(),
        items,
        ..Edit::default()
    }
}

/// Everything that libwbxml keeps; it knows no original errors.
fn samples() -> Vec<Message> {
    let header = Header {
        source_name: Some("unit".to_owned()),
        cred: Some(Cred {
            meta: Meta::format("b64"),
            data: "AAECAw==".to_owned(),
        }),
        ..Header::new("2B", 3, "https://mdm.test/dm?a=1&b=2", "unit-1")
    };
    let challenge = Meta {
        next_nonce: Some("bm9uY2U=".to_owned()),
        ..Meta::format("b64")
    };
    let status = Status {
        cmd_id: "1".to_owned(),
        msg_ref: 2,
        cmd_ref: "0".to_owned(),
        cmd: "SyncHdr".to_owned(),
        target_refs: vec!["./a".to_owned()],
        source_refs: vec!["./b".to_owned()],
        challenge: Some(Box::new(challenge)),
        code: StatusCode(401),
        items: vec![Item::target("./c").with_data("why")],
        ..Status::default()
    };
    let login = Item::default()
        .with_type("com.microsoft/MDM/LoginStatus")
        .with_data("user");
    let payload = Item {
        meta: Meta {
            media_type: Some("text/plain".to_owned()),
            size: Some(44),
            ..Meta::format("xml")
        },
        ..Item::target("./Vendor/MSFT/x%20y").with_data("<data id=\"Ä\" value='1 &amp; 2'/>")
    };
    let chunk = Item {
        more_data: true,
        ..Item::source("./Device/a").with_data("first part")
    };
    let results = Results {
        cmd_id: "5".to_owned(),
        msg_ref: Some(2),
        cmd_ref: Some("9".to_owned()),
        cmd: Some("Get".to_owned()),
        meta: Meta::format("chr"),
        items: vec![chunk],
    };
    let group = Group {
        cmd_id: "6".to_owned(),
        commands: vec![
            Command::Add(edit("7", vec![Item::target("./n").with_format("node")])),
            Command::Delete(edit("8", vec![Item::target("./d")])),
        ],
    };
    let body = vec![
        Command::Status(status),
        Command::Alert(Alert {
            cmd_id: "2".to_owned(),
            code: 1201,
            items: vec![],
        }),
        Command::Alert(Alert {
            cmd_id: "3".to_owned(),
            code: 1224,
            items: vec![login],
        }),
        Command::Replace(edit("4", vec![payload])),
        Command::Results(results),
        Command::Atomic(group.clone()),
        Command::Sequence(group),
        Command::Get(edit(
            "10",
            vec![Item::target("./a"), Item::target("./b?list=StructData")],
        )),
        Command::Exec(edit("11", vec![Item::target("./e").with_format("null")])),
    ];
    vec![
        Message {
            header,
            body,
            last: true,
        },
        Message {
            header: Header::new("1", 1, "t", "s"),
            body: vec![],
            last: true,
        },
    ]
}

#[test]
fn their_decoder_reads_our_wbxml() {
    for message in samples() {
        let Some(xml) = convert(
            "wbxml2xml",
            &encode(Encoding::Wbxml, &message),
            &["-m", "0", "-k"],
        ) else {
            return;
        };
        let xml = without_doctype(&xml);
        let read = crate::read_xml(&xml).unwrap_or_else(|error| panic!("{error:?}: {xml}"));
        assert!(read == message, "{xml}");
    }
}

#[test]
fn we_read_what_their_encoder_makes_of_our_xml() {
    for message in samples() {
        for options in [
            &["-k", "-v", "1.2"][..],
            &["-k", "-n", "-v", "1.3"],
            &["-v", "1.1"],
        ] {
            let Some(bytes) = convert("xml2wbxml", &encode(Encoding::Xml, &message), options) else {
                return;
            };
            let read = read_wbxml(&bytes).unwrap_or_else(|error| panic!("{error:?}: {bytes:02x?}"));
            assert!(
                read == message,
                "{options:?} {}",
                String::from_utf8_lossy(&encode(Encoding::Xml, &read))
            );
        }
    }
}

#[test]
fn their_decoder_reads_our_literal_attributes() {
    let status = Status {
        original_error: Some("0x80070002".to_owned()),
        code: StatusCode::FAILED,
        ..Status::default()
    };
    let mut message = Message {
        body: vec![Command::Status(status)],
        ..samples().remove(1)
    };
    let Some(xml) = convert(
        "wbxml2xml",
        &encode(Encoding::Wbxml, &message),
        &["-m", "0", "-k"],
    ) else {
        return;
    };
    let read = crate::read_xml(&without_doctype(&xml)).unwrap();
    // Their tree has no place for it.
    let Command::Status(status) = &mut message.body[0] else {
        panic!()
    };
    status.original_error = None;
    assert!(read == message, "{}", String::from_utf8_lossy(&xml));
}
