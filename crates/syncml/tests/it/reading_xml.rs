//! What the XML decoder takes from devices, and what it refuses.

use crate::{around, body, read_xml};
use qm_syncml::{
    Alert, Command, DecodeError, Encoding, Header, Item, Limits, Meta, Results, Status, StatusCode, alert,
    decode,
};

/// A first message as devices send it.
const FIRST: &str = r#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1E7</SessionID><MsgID>1</MsgID><Target><LocURI>https://mdm.test/dm?mode=Maintenance&amp;Platform=WoA</LocURI></Target><Source><LocURI>A0F1</LocURI><LocName>unit-9</LocName></Source><Cred><Meta><Format xmlns="syncml:metinf">b64</Format><Type xmlns="syncml:metinf">syncml:auth-md5</Type></Meta><Data>q83vEjRWeJCrze8SNFZ4kA==</Data></Cred></SyncHdr><SyncBody><Alert><CmdID>2</CmdID><Data>1201</Data></Alert><Alert><CmdID>3</CmdID><Data>1224</Data><Item><Meta><Type xmlns="syncml:metinf">com.microsoft/MDM/LoginStatus</Type></Meta><Data>others</Data></Item></Alert><Replace><CmdID>4</CmdID><Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>A0F1</Data></Item><Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Bits &amp; Bolts</Data></Item></Replace><Final/></SyncBody></SyncML>"#;

#[test]
fn reads_a_first_message() {
    let message = read_xml(FIRST).unwrap();
    let expected = Header {
        source_name: Some("unit-9".to_owned()),
        cred: Some(qm_syncml::Cred {
            meta: Meta {
                media_type: Some("syncml:auth-md5".to_owned()),
                ..Meta::format("b64")
            },
            data: "q83vEjRWeJCrze8SNFZ4kA==".to_owned(),
        }),
        ..Header::new(
            "1E7",
            1,
            "https://mdm.test/dm?mode=Maintenance&Platform=WoA",
            "A0F1",
        )
    };
    assert_eq!(message.header, expected);
    assert!(message.last);
    let [
        Command::Alert(opening),
        Command::Alert(login),
        Command::Replace(devinfo),
    ] = message.body.as_slice()
    else {
        panic!("{:?}", message.body)
    };
    let alert = |cmd_id: &str, code, items| Alert {
        cmd_id: cmd_id.to_owned(),
        code,
        items,
    };
    assert_eq!(opening, &alert("2", alert::CLIENT_INITIATED, vec![]));
    let status = Item::default()
        .with_type("com.microsoft/MDM/LoginStatus")
        .with_data("others");
    assert_eq!(login, &alert("3", alert::CLIENT_EVENT, vec![status]));
    let items = [
        Item::source("./DevInfo/DevId").with_data("A0F1"),
        Item::source("./DevInfo/Man").with_data("Bits & Bolts"),
    ];
    assert_eq!(devinfo.items, items);
}

#[test]
fn namespaces_prefixes_declarations_and_layout_make_no_difference() {
    let expected = read_xml(FIRST).unwrap();
    let prefixed = FIRST
        .replace("<SyncML xmlns=", "<SyncML xmlns:m=\"syncml:metinf\" xmlns:s=")
        .replace(" xmlns=\"syncml:metinf\"", "")
        .replace("</", "</s:")
        .replace('<', "<s:")
        .replace("<s:/s:", "</s:");
    let variants = [
        FIRST.replace("SYNCML1.2\"", "SYNCML1.1\""),
        FIRST.replace(" xmlns=\"SYNCML:SYNCML1.2\"", ""),
        FIRST.replace("syncml:metinf\"", "SYNCML:SYNCML1.2\""),
        FIRST.replace(" xmlns=\"syncml:metinf\"", ""),
        FIRST
            .replace("<Type xmlns=", "<m:Type xmlns:m=")
            .replace("</Type>", "</m:Type>"),
        prefixed,
        format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n{FIRST}\r\n"),
        format!("\u{FEFF}<?xml version='1.0'?><?pi x?><!-- a --> {FIRST}<!-- b -->"),
        FIRST.replace("><", ">\r\n\t <"),
        FIRST
            .replace("<CmdID>2</CmdID>", "<CmdID>\n 2 </CmdID>")
            .replace("<Data>1201<", "<Data>\t1201 <"),
        FIRST.replace(
            "<LocURI>./DevInfo/Man</LocURI>",
            "<LocURI> <![CDATA[./DevInfo]]>/Man<!-- c -->\n</LocURI>",
        ),
        FIRST.replace("Bits &amp; Bolts", "<![CDATA[Bits & ]]>Bo&#108;&#x74;s"),
        FIRST.replace("<Final/>", "<Final></Final>"),
        FIRST.replace(
            "</SyncHdr>",
            "<Extra a='1'><Deep><CmdID>x</CmdID></Deep>text<Deep/></Extra></SyncHdr>",
        ),
        FIRST
            .replace("<Item>", "<Item><NewThing/>")
            .replace("</Meta>", "<Vendor>1</Vendor></Meta>"),
    ];
    for variant in variants {
        let message = read_xml(&variant).unwrap_or_else(|error| panic!("{error:?}: {variant}"));
        assert_eq!(message, expected, "{variant}");
    }
}

#[test]
fn utf16_is_recognized_by_its_bytes() {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-16\"?>{}",
        FIRST.replace("A0F1", "Gerät 😀")
    );
    let bytes: Vec<u8> = "\u{FEFF}"
        .encode_utf16()
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let message = decode(Encoding::Xml, &bytes, &Limits::default()).unwrap();
    assert_eq!(message.header.source, "Gerät 😀");
}

#[test]
fn type_and_format_count_wherever_they_stand() {
    let typed = |inner: &str| {
        let [Command::Alert(alert)] =
            &body(&format!("<Alert><Data>1224</Data><Item>{inner}</Item></Alert>"))[..]
        else {
            panic!("{inner}")
        };
        (
            alert.items[0].meta.media_type.clone(),
            alert.items[0].meta.format.clone(),
        )
    };
    let both = (Some("t".to_owned()), Some("int".to_owned()));
    let cases = [
        (
            "<Meta><Type>t</Type><Format>int</Format></Meta><Data>1</Data>",
            both.clone(),
        ),
        (
            "<Meta/><Type xmlns='syncml:metinf'>t</Type><Format>int</Format>",
            both.clone(),
        ),
        (
            "<Data>1</Data><Format>int</Format><Meta><Type>t</Type></Meta>",
            both.clone(),
        ),
        (
            "<Type>outside</Type><Format>int</Format><Meta><Type>t</Type></Meta>",
            both.clone(),
        ),
        (
            "<Meta><Type>t</Type><Format>int</Format></Meta><Type>outside</Type>",
            both.clone(),
        ),
        (
            "<Meta><MetInf xmlns='syncml:metinf'><Type>t</Type><Format>int</Format></MetInf></Meta>",
            both,
        ),
        ("<Meta></Meta>", (None, None)),
        ("", (None, None)),
    ];
    for (inner, expected) in cases {
        assert_eq!(typed(inner), expected, "{inner}");
    }
}

#[test]
fn status_children_come_in_any_order_and_original_errors_under_any_prefix() {
    let expected = Status {
        cmd_id: "6".to_owned(),
        msg_ref: 2,
        cmd_ref: "9".to_owned(),
        cmd: "Replace".to_owned(),
        target_refs: vec!["./a".to_owned(), "./b".to_owned()],
        source_refs: vec!["./c".to_owned()],
        code: StatusCode::NOT_FOUND,
        original_error: Some("0x86000002".to_owned()),
        items: vec![Item::target("./a")],
        ..Status::default()
    };
    let parts = [
        "<CmdID>6</CmdID>",
        "<MsgRef>2</MsgRef>",
        "<CmdRef>9</CmdRef>",
        "<Cmd>Replace</Cmd>",
        "<TargetRef>./a</TargetRef><TargetRef>./b</TargetRef>",
        "<SourceRef>./c</SourceRef>",
        "<Data msft:originalerror=\"0x86000002\">404</Data>",
        "<Item><Target><LocURI>./a</LocURI></Target></Item>",
    ];
    let in_order = parts.concat();
    let reversed: String = parts.iter().rev().copied().collect();
    for inner in [
        in_order.replace("msft:originalerror", "q:OriginalError"),
        in_order.replace("msft:originalerror=", "x='1' y:z='2' originalerror="),
        in_order,
        reversed,
    ] {
        assert_eq!(
            body(&format!("<Status>{inner}</Status>")),
            [Command::Status(expected.clone())],
            "{inner}"
        );
    }
}

#[test]
fn a_challenge_is_read() {
    let inner = "<Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Chal><Meta>\
                 <Format>b64</Format><Type>syncml:auth-md5</Type><NextNonce> AAEC </NextNonce></Meta></Chal>\
                 <Data>407</Data></Status>";
    let [Command::Status(status)] = &body(inner)[..] else {
        panic!()
    };
    let expected = Meta {
        media_type: Some("syncml:auth-md5".to_owned()),
        next_nonce: Some("AAEC".to_owned()),
        ..Meta::format("b64")
    };
    assert_eq!(
        (status.code, &status.challenge),
        (StatusCode(407), &Some(Box::new(expected)))
    );
}

#[test]
fn results_keep_their_references_or_their_absence() {
    let inner = "<Results><CmdID>5</CmdID><Meta><Format>chr</Format></Meta><Item><Source><LocURI>./a</LocURI></Source>\
                 <Meta><Size>91204</Size></Meta><Data/><MoreData/></Item></Results>\
                 <Results><CmdID>6</CmdID><MsgRef>2</MsgRef><CmdRef>x-7</CmdRef><Cmd>Get</Cmd></Results>";
    let first = Results {
        cmd_id: "5".to_owned(),
        meta: Meta::format("chr"),
        items: vec![Item {
            meta: Meta {
                size: Some(91_204),
                ..Meta::default()
            },
            more_data: true,
            ..Item::source("./a").with_data("")
        }],
        ..Results::default()
    };
    let second = Results {
        cmd_id: "6".to_owned(),
        msg_ref: Some(2),
        cmd_ref: Some("x-7".to_owned()),
        cmd: Some("Get".to_owned()),
        ..Results::default()
    };
    assert_eq!(body(inner), [Command::Results(first), Command::Results(second)]);
}

#[test]
fn data_is_text_and_markup_in_it_is_the_text_of_that_markup() {
    let cases = [
        ("", ""),
        (" a\n b ", " a\n b "),
        ("a\r\nb\rc", "a\nb\nc"),
        (
            "&lt;a b=&quot;1&quot;&gt;&amp;amp;&lt;/a&gt;",
            "<a b=\"1\">&amp;</a>",
        ),
        ("<![CDATA[<x>&amp;</x>]]>", "<x>&amp;</x>"),
        ("one<!-- no -->two<?no?>", "onetwo"),
        ("a&#0;b&#x1;\u{1}&#xFFFE;c", "abc"),
        ("&#13;", "\r"),
        ("<a xmlns=''/>", "<a xmlns=''/>"),
        (
            "<p:a k=\"&lt;&quot;\">x &amp; &#65;<b></b></p:a>",
            "<p:a k=\"&lt;&quot;\">x &amp; &#65;<b></b></p:a>",
        ),
        ("&lt;!&amp; <b>y</b>\r\n<c/>", "&lt;!&amp; <b>y</b>\n<c/>"),
        (
            "<Data>in<Data>in</Data></Data><Final/>",
            "<Data>in<Data>in</Data></Data><Final/>",
        ),
        ("<a><![CDATA[<]]></a><!--k-->", "<a><![CDATA[<]]></a><!--k-->"),
        ("\u{F000}😀", "\u{F000}😀"),
    ];
    for (inner, expected) in cases {
        let [Command::Replace(edit)] =
            &body(&format!("<Replace><Item><Data>{inner}</Data></Item></Replace>"))[..]
        else {
            panic!("{inner}")
        };
        assert_eq!(edit.items[0].data.as_deref(), Some(expected), "{inner}");
    }
    let [Command::Replace(edit)] = &body("<Replace><Item/></Replace>")[..] else {
        panic!()
    };
    assert_eq!(edit.items, [Item::default()]);
}

#[test]
fn commands_stay_in_order_and_unknown_ones_keep_name_and_id() {
    let inner = "<Put><CmdID>1</CmdID><Item/></Put><Atomic><CmdID>2</CmdID><Meta/><x:Launch><Deep><CmdID>no</CmdID></Deep>\
                 <CmdID>3</CmdID></x:Launch><Get><Item><Target><LocURI>./a</LocURI></Target></Item></Get></Atomic>\
                 <Item/><Sequence/>";
    let names: Vec<_> = body(inner)
        .iter()
        .map(|c| (c.name().to_owned(), c.cmd_id().to_owned()))
        .collect();
    let pair = |name: &str, id: &str| (name.to_owned(), id.to_owned());
    assert_eq!(
        names,
        [
            pair("Put", "1"),
            pair("Atomic", "2"),
            pair("Item", ""),
            pair("Sequence", "")
        ]
    );
    let [_, Command::Atomic(group), ..] = &body(inner)[..] else {
        panic!()
    };
    assert_eq!(
        group.commands[0],
        Command::Unknown {
            name: "Launch".to_owned(),
            cmd_id: "3".to_owned()
        }
    );
    assert_eq!(group.commands[1].items(), [Item::target("./a")]);
}

#[test]
fn a_message_without_final_is_not_the_last() {
    assert!(!read_xml(&around("").replace("<Final/>", "")).unwrap().last);
    assert!(
        read_xml(&around("").replace("<SyncBody><Final/></SyncBody>", "<SyncBody/>")).is_ok_and(|m| !m.last)
    );
}

#[test]
fn refuses_what_is_no_syncml() {
    use DecodeError as E;
    type Check = fn(&DecodeError) -> bool;
    let valid = around("<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>");
    let cases: [(&str, String, Check); 20] = [
        ("doctype", format!("<!DOCTYPE SyncML>{valid}"), |e| {
            matches!(e, E::Doctype)
        }),
        (
            "bomb",
            format!("<!DOCTYPE s [<!ENTITY a 'b'>]>{}", valid.replace("unit-1", "&a;")),
            |e| matches!(e, E::Doctype),
        ),
        ("entity", valid.replace("unit-1", "&a;"), |e| {
            matches!(e, E::Entity)
        }),
        (
            "entity between elements",
            valid.replace("<Final/>", "&a;<Final/>"),
            |e| matches!(e, E::Entity),
        ),
        (
            "entity in data",
            valid.replace("<Final/>", "<Add><Item><Data><b>&a;</b></Data></Item></Add>"),
            |e| matches!(e, E::Entity),
        ),
        (
            "entity in attribute",
            around("<Status><Data msft:originalerror='&a;'>1</Data></Status>"),
            |e| matches!(e, E::Entity),
        ),
        ("lone ampersand", valid.replace("unit-1", "a & b"), |e| {
            matches!(e, E::IllFormed { .. })
        }),
        (
            "crossed tags",
            valid.replace("</CmdID><Data>", "</Data><CmdID>"),
            |e| matches!(e, E::IllFormed { .. }),
        ),
        ("cut in a tag", valid[..valid.len() - 3].to_owned(), |e| {
            matches!(e, E::IllFormed { .. })
        }),
        ("cut after a tag", valid.replace("</SyncML>", ""), |e| {
            matches!(e, E::Truncated)
        }),
        ("text before", format!("x{valid}"), |e| {
            matches!(e, E::OutsideRoot)
        }),
        ("text after", format!("{valid}x"), |e| matches!(e, E::OutsideRoot)),
        ("second root", format!("{valid}<SyncML/>"), |e| {
            matches!(e, E::OutsideRoot)
        }),
        ("nothing", String::new(), |e| {
            matches!(e, E::Missing { element: "SyncML" })
        }),
        ("other root", "<html/>".to_owned(), |e| {
            matches!(e, E::Missing { element: "SyncML" })
        }),
        ("no header", "<SyncML><SyncBody/></SyncML>".to_owned(), |e| {
            matches!(e, E::Missing { element: "SyncHdr" })
        }),
        (
            "no body",
            "<SyncML><SyncHdr><MsgID>1</MsgID></SyncHdr></SyncML>".to_owned(),
            |e| matches!(e, E::Missing { element: "SyncBody" }),
        ),
        ("no MsgID", valid.replace("<MsgID>1</MsgID>", ""), |e| {
            matches!(e, E::Missing { element: "MsgID" })
        }),
        (
            "MsgID no number",
            valid.replace("<MsgID>1<", "<MsgID>one<"),
            |e| matches!(e, E::BadNumber { element: "MsgID" }),
        ),
        ("code no number", valid.replace("1201", "12x"), |e| {
            matches!(e, E::BadNumber { element: "Data" })
        }),
    ];
    assert!(read_xml(&valid).is_ok());
    for (name, xml, check) in cases {
        let error = read_xml(&xml).expect_err(name);
        assert!(check(&error), "{name}: {error:?}");
    }
    assert!(matches!(
        decode(Encoding::Xml, b"<SyncML>\xFF", &Limits::default()),
        Err(E::NotText)
    ));
}
