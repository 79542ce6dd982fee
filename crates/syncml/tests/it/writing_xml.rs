//! The exact text that goes to devices.

use crate::{read_xml, write_xml};
use qm_syncml::{
    Alert, Command, Cred, Edit, Group, Header, Item, Message, Meta, Results, Status, StatusCode,
};

const HEADER: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
                      <SessionID>3C</SessionID><MsgID>2</MsgID><Target><LocURI>unit-1</LocURI></Target>\
                      <Source><LocURI>https://mdm.test/dm</LocURI></Source></SyncHdr>";

fn message(body: Vec<Command>) -> Message {
    Message {
        header: Header::new("3C", 2, "unit-1", "https://mdm.test/dm"),
        body,
        last: true,
    }
}

/// What a message with these commands has in its `SyncBody`, `Final` excepted.
fn written(body: Vec<Command>) -> String {
    let xml = write_xml(&message(body));
    let rest = xml
        .strip_prefix(HEADER)
        .unwrap()
        .strip_prefix("<SyncBody>")
        .unwrap();
    rest.strip_suffix("<Final/></SyncBody></SyncML>")
        .unwrap()
        .to_owned()
}

fn edit(cmd_id: &str, items: Vec<Item>) -> Edit {
    Edit {
        cmd_id: cmd_id.to_owned(),
        items,
        ..Edit::default()
    }
}

#[test]
fn a_reply_is_written_without_declaration_and_layout() {
    assert_eq!(
        write_xml(&message(vec![])),
        format!("{HEADER}<SyncBody><Final/></SyncBody></SyncML>")
    );
    let open = Message {
        last: false,
        ..message(vec![])
    };
    assert_eq!(
        write_xml(&open),
        format!("{HEADER}<SyncBody></SyncBody></SyncML>")
    );
}

#[test]
fn a_status_has_its_children_in_the_order_of_the_dtd() {
    let status = Status {
        cmd_id: "1".to_owned(),
        msg_ref: 2,
        cmd_ref: "0".to_owned(),
        cmd: "SyncHdr".to_owned(),
        target_refs: vec!["t".to_owned()],
        source_refs: vec!["s".to_owned()],
        challenge: Some(Box::new(Meta {
            next_nonce: Some("AA==".to_owned()),
            ..Meta::format("b64")
        })),
        code: StatusCode(407),
        items: vec![Item::target("./i")],
        ..Status::default()
    };
    assert_eq!(
        written(vec![Command::Status(status)]),
        "<Status><CmdID>1</CmdID><MsgRef>2</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><TargetRef>t</TargetRef>\
         <SourceRef>s</SourceRef><Chal><Meta><Format xmlns=\"syncml:metinf\">b64</Format>\
         <NextNonce xmlns=\"syncml:metinf\">AA==</NextNonce></Meta></Chal><Data>407</Data>\
         <Item><Target><LocURI>./i</LocURI></Target></Item></Status>"
    );
}

#[test]
fn an_item_and_its_meta_have_their_children_in_order() {
    let item = Item {
        source: Some("./s".to_owned()),
        meta: Meta {
            format: Some("chr".to_owned()),
            media_type: Some("text/plain".to_owned()),
            mark: Some("critical".to_owned()),
            size: Some(1),
            next_nonce: Some("n".to_owned()),
            max_msg_size: Some(2),
            max_obj_size: Some(3),
        },
        data: Some("d".to_owned()),
        more_data: true,
        ..Item::target("./t")
    };
    let [format, kind, mark, size, nonce, msg, obj] = [
        ("Format", "chr"),
        ("Type", "text/plain"),
        ("Mark", "critical"),
        ("Size", "1"),
        ("NextNonce", "n"),
        ("MaxMsgSize", "2"),
        ("MaxObjSize", "3"),
    ]
    .map(|(name, text)| format!("<{name} xmlns=\"syncml:metinf\">{text}</{name}>"));
    assert_eq!(
        written(vec![Command::Add(edit("7", vec![item]))]),
        format!(
            "<Add><CmdID>7</CmdID><Item><Target><LocURI>./t</LocURI></Target><Source><LocURI>./s</LocURI></Source>\
             <Meta>{format}{kind}{mark}{size}{nonce}{msg}{obj}</Meta><Data>d</Data><MoreData/></Item></Add>"
        )
    );
}

#[test]
fn every_other_command_has_its_children_in_order() {
    let with_meta = Edit {
        meta: Meta::format("int"),
        ..edit("2", vec![Item::target("./a").with_data("6")])
    };
    let results = Results {
        cmd_id: "3".to_owned(),
        msg_ref: Some(1),
        cmd_ref: Some("5".to_owned()),
        cmd: Some("Get".to_owned()),
        meta: Meta::format("chr"),
        items: vec![Item::source("./b").with_data("")],
    };
    let alert = Alert {
        cmd_id: "4".to_owned(),
        code: 1222,
        items: vec![],
    };
    let group = Group {
        cmd_id: "6".to_owned(),
        commands: vec![Command::Delete(edit("7", vec![Item::target("./c")]))],
    };
    let unknown = Command::Unknown {
        name: "Launch".to_owned(),
        cmd_id: "8".to_owned(),
    };
    let nameless = Command::Unknown {
        name: "a b".to_owned(),
        cmd_id: "9".to_owned(),
    };
    assert_eq!(
        written(vec![
            Command::Replace(with_meta),
            Command::Results(results),
            Command::Alert(alert),
            Command::Atomic(group),
            unknown,
            nameless,
        ]),
        "<Replace><CmdID>2</CmdID><Meta><Format xmlns=\"syncml:metinf\">int</Format></Meta><Item><Target>\
         <LocURI>./a</LocURI></Target><Data>6</Data></Item></Replace>\
         <Results><CmdID>3</CmdID><MsgRef>1</MsgRef><CmdRef>5</CmdRef><Cmd>Get</Cmd><Meta>\
         <Format xmlns=\"syncml:metinf\">chr</Format></Meta><Item><Source><LocURI>./b</LocURI></Source><Data></Data>\
         </Item></Results><Alert><CmdID>4</CmdID><Data>1222</Data></Alert>\
         <Atomic><CmdID>6</CmdID><Delete><CmdID>7</CmdID><Item><Target><LocURI>./c</LocURI></Target></Item></Delete>\
         </Atomic><Launch><CmdID>8</CmdID></Launch>"
    );
}

#[test]
fn a_header_with_credentials_has_its_children_in_order() {
    let header = Header {
        source_name: Some("u".to_owned()),
        cred: Some(Cred {
            meta: Meta::format("b64"),
            data: "eA==".to_owned(),
        }),
        meta: Meta {
            max_msg_size: Some(9),
            ..Meta::default()
        },
        ..Header::new("1", 1, "t", "s")
    };
    let xml = write_xml(&Message {
        header,
        ..Message::default()
    });
    assert!(
        xml.contains(
            "<Target><LocURI>t</LocURI></Target><Source><LocURI>s</LocURI><LocName>u</LocName></Source><Cred><Meta>\
             <Format xmlns=\"syncml:metinf\">b64</Format></Meta><Data>eA==</Data></Cred><Meta>\
             <MaxMsgSize xmlns=\"syncml:metinf\">9</MaxMsgSize></Meta></SyncHdr>"
        ),
        "{xml}"
    );
}

#[test]
fn the_vendor_namespace_is_declared_only_for_an_original_error() {
    let status = |original_error: Option<&str>| {
        let original_error = original_error.map(str::to_owned);
        Command::Status(Status {
            original_error,
            code: StatusCode::FAILED,
            ..Status::default()
        })
    };
    let plain = write_xml(&message(vec![status(None)]));
    assert!(!plain.contains("msft"), "{plain}");
    let failed = write_xml(&message(vec![status(None), status(Some("0x8<\"&>"))]));
    assert!(
        failed.contains("<SyncBody xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\"><Status>"),
        "{failed}"
    );
    assert!(
        failed.contains("<Data msft:originalerror=\"0x8&lt;&quot;&amp;&gt;\">500</Data>"),
        "{failed}"
    );
    assert_eq!(read_xml(&failed).unwrap().body[1], status(Some("0x8<\"&>")));
}

#[test]
fn data_is_escaped_text_and_never_cdata() {
    let cases = [
        (
            "<enabled/><data id=\"a\" value='1&amp;2'/>",
            "&lt;enabled/&gt;&lt;data id=\"a\" value='1&amp;amp;2'/&gt;",
        ),
        ("<![CDATA[x]]>", "&lt;![CDATA[x]]&gt;"),
        ("a\r\nb\rc\n d ", "a\nb\nc\n d "),
        ("nul\u{0}bell\u{7}\u{FFFF}end", "nulbellend"),
        ("1\u{F000}2", "1\u{F000}2"),
    ];
    for (data, expected) in cases {
        let xml = written(vec![Command::Exec(edit(
            "1",
            vec![Item::default().with_data(data)],
        ))]);
        assert_eq!(
            xml,
            format!("<Exec><CmdID>1</CmdID><Item><Data>{expected}</Data></Item></Exec>")
        );
    }
}
