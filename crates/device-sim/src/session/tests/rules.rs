//! What the server has to keep.

use super::*;

#[test]
fn breaches_by_the_server_are_noted() {
    for (from, to, rules) in [
        ("<SessionID>7<", "<SessionID>8<", vec![Rule::MessageId]),
        ("<MsgID>1<", "<MsgID>2<", vec![Rule::MessageId]),
        (DEVICE_ID, "other", vec![Rule::Address]),
        (SERVER, "https://other.example/", vec![Rule::Address]),
        ("<Final/>", "", vec![Rule::Final]),
        ("<CmdID>3</CmdID>", "<CmdID>2</CmdID>", vec![Rule::CmdId]),
        ("<CmdID>3</CmdID>", "<CmdID>0</CmdID>", vec![Rule::CmdId]),
        (
            "<CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>",
            "<CmdRef>9</CmdRef><Cmd>Alert</Cmd>",
            vec![Rule::StatusOrder; 4],
        ),
        (
            "<CmdRef>3</CmdRef>",
            "<CmdRef>9</CmdRef>",
            vec![Rule::StatusOrder, Rule::StatusOrder],
        ),
        (
            "<Cmd>Replace</Cmd><Data>200<",
            "<Cmd>Replace</Cmd><Data>500<",
            vec![Rule::StatusOrder],
        ),
        (
            "</SyncHdr>",
            "<Meta><MaxMsgSize xmlns='syncml:metinf'>2048</MaxMsgSize></Meta></SyncHdr>",
            vec![Rule::Structure],
        ),
        (
            "<Final/>",
            "<Status><CmdID>77</CmdID><MsgRef>1</MsgRef><CmdRef>77</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status><Final/>",
            vec![Rule::StatusRef],
        ),
    ] {
        let mut talk = Talk::new();
        let answer = talk.answer("");
        assert!(answer.contains(from), "{from}");
        talk.receive(&dm_answer(&answer.replacen(from, to, 1)));
        let found = talk.rules();
        assert!(
            found.starts_with(&rules) && (found.len() == rules.len() || rules.len() > 1),
            "{to}: {found:?}"
        );
    }
}

#[test]
fn statuses_come_in_the_order_of_the_commands() {
    let mut talk = Talk::new();
    let answer = talk.answer("");
    let at = |cmd_id: u32| answer.find(&format!("<Status><CmdID>{cmd_id}<")).unwrap();
    let (second, third, fourth) = (at(2), at(3), at(4));
    let swapped = [
        &answer[..second],
        &answer[third..fourth],
        &answer[second..third],
        &answer[fourth..],
    ]
    .concat();
    talk.receive(&dm_answer(&swapped));
    assert!(talk.rules().contains(&Rule::StatusOrder));
}

#[test]
fn a_missing_status_and_a_wrong_reference_are_noted() {
    let mut talk = Talk::new();
    let answer = talk.answer("");
    let replace = answer.find("<Status><CmdID>4<").unwrap();
    let missing = [&answer[..replace], "<Final/></SyncBody></SyncML>"].concat();
    talk.receive(&dm_answer(&missing));
    assert_eq!(talk.rules(), [Rule::StatusOrder]);
    let mut talk = Talk::new();
    let wrong = talk.answer("").replace("<MsgRef>1<", "<MsgRef>2<");
    talk.receive(&dm_answer(&wrong));
    assert_eq!(talk.rules(), [Rule::StatusRef; 4]);
}

#[test]
fn statuses_after_commands_and_results_from_the_server_are_noted() {
    let mut talk = Talk::new();
    let late = "<Status><CmdID>31</CmdID><MsgRef>1</MsgRef><CmdRef>31</CmdRef><Cmd>Get</Cmd><Data>200</Data></Status>";
    talk.hear(&(get("30", "./DevInfo/Man") + late));
    assert_eq!(talk.rules(), [Rule::StatusOrder, Rule::StatusRef]);
}

#[test]
fn the_answers_media_type_and_length_are_checked() {
    let mut talk = Talk::new();
    let answer = dm_answer(&talk.answer(""));
    talk.receive(&Answer {
        content_type: Some("text/xml".to_owned()),
        content_length: None,
        coding: Some("gzip".to_owned()),
        ..answer
    });
    assert_eq!(
        talk.rules(),
        [Rule::Transfer, Rule::ContentLength, Rule::ContentType]
    );
}

#[test]
fn wbxml_carries_the_same_session() {
    let (options, account) = (options(), account(Encoding::Wbxml));
    let mut tree = Tree::new(&options, &hardware(), &account);
    let opening = Opening {
        options: &options,
        account: &account,
        tree: &tree,
        device_id: DEVICE_ID,
        session_id: "7",
    };
    let (mut session, bytes) = Session::open(opening, &[]);
    let decode =
        |bytes: &[u8]| qm_syncml::decode(Encoding::Wbxml, bytes, &qm_syncml::Limits::default()).unwrap();
    let first = decode(&bytes);
    assert_eq!((first.body.len(), first.last), (3, true));
    let mut watch = Watch::default();
    let xml = Talk::new().answer(&get("9", "./DevInfo/Man"));
    let answer = syncml::decode(Encoding::Xml, xml.as_bytes(), &mut watch).unwrap();
    let body = qm_syncml::encode(Encoding::Wbxml, &answer);
    let answer = Answer {
        content_type: Some("application/vnd.syncml.dm+wbxml".to_owned()),
        content_length: u64::try_from(body.len()).ok(),
        body: body.into(),
        ..soap_answer(200, "")
    };
    let mut context = Context {
        options: &options,
        tree: &mut tree,
        watch: &mut watch,
    };
    let Next::Send(bytes) = session.receive(&answer, &mut context) else {
        panic!("the session ended")
    };
    assert!(
        matches!(&decode(&bytes).body[2], Command::Results(results) if results.items[0].data.as_deref() == Some("Fabrikam"))
    );
    assert_eq!(watch.rules(), []);
}
