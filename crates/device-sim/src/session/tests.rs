use super::*;
use crate::{
    Quirks, Rule,
    testing::{DEVICE_ID, SERVER, account, hardware, options, soap_answer},
    tree::{Login, apps::JobAlert},
    xml::Element,
};
use qm_core::HResult;

/// A session against hand-written answers.
struct Talk {
    options: DeviceOptions,
    tree: Tree,
    watch: Watch,
    session: Session,
    /// What the device said last.
    said: Element,
}

impl Talk {
    fn new() -> Self {
        Self::with(Quirks::default(), &[], Login::User)
    }

    fn with(quirks: impl Into<Quirks>, alerts: &[PendingAlert], login: Login) -> Self {
        let options = DeviceOptions {
            quirks: quirks.into(),
            ..options()
        };
        let account = account(Encoding::Xml);
        let mut tree = Tree::new(&options, &hardware(), &account);
        tree.set_login(login);
        let opening = Opening {
            options: &options,
            account: &account,
            tree: &tree,
            device_id: DEVICE_ID,
            session_id: "7",
        };
        let (session, bytes) = Session::open(opening, alerts);
        let said = Element::parse(&bytes).unwrap();
        Self {
            options,
            tree,
            watch: Watch::default(),
            session,
            said,
        }
    }

    fn receive(&mut self, answer: &Answer) -> Option<Ended> {
        let mut context = Context {
            options: &self.options,
            tree: &mut self.tree,
            watch: &mut self.watch,
        };
        match self.session.receive(answer, &mut context) {
            Next::Send(bytes) => {
                self.said = Element::parse(&bytes).unwrap();
                None
            }
            Next::End(ended) => Some(ended),
        }
    }

    /// A correct answer: statuses for everything, then these commands.
    fn answer(&self, commands: &str) -> String {
        let message = self.session.message();
        let status = |number: usize, cmd_ref: &str, cmd: &str, code: u16| {
            format!(
                "<Status><CmdID>{number}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>\
                 <Data>{code}</Data></Status>"
            )
        };
        let mut body = status(1, "0", "SyncHdr", 200);
        for (index, sent) in self
            .session
            .sent
            .iter()
            .filter(|sent| sent.wanted.is_some())
            .enumerate()
        {
            let code = sent.wanted.unwrap().0;
            body += &status(index + 2, &sent.cmd_id, &sent.name, code);
        }
        envelope(message, &format!("{body}{commands}<Final/>"))
    }

    fn hear(&mut self, commands: &str) -> Option<Ended> {
        let answer = dm_answer(&self.answer(commands));
        self.receive(&answer)
    }

    /// `CmdRef`, `Cmd`, `Data` of each status said.
    fn statuses(&self) -> Vec<(String, String, String)> {
        let value = |status: &Element, name: &str| status.value(name).unwrap().to_owned();
        let triple = |status| {
            (
                value(status, "CmdRef"),
                value(status, "Cmd"),
                value(status, "Data"),
            )
        };
        self.body().all("Status").map(triple).collect()
    }

    /// The codes of the statuses after the header's.
    fn codes(&self) -> Vec<String> {
        self.statuses()
            .into_iter()
            .skip(1)
            .map(|(_, _, code)| code)
            .collect()
    }

    fn body(&self) -> &Element {
        self.said.child("SyncBody").unwrap()
    }
    fn header(&self, name: &str) -> String {
        self.said
            .child("SyncHdr")
            .unwrap()
            .value(name)
            .unwrap()
            .to_owned()
    }
    fn has_final(&self) -> bool {
        self.body().child("Final").is_some()
    }
    fn rules(&self) -> Vec<Rule> {
        self.watch.rules()
    }
}

fn envelope(message: u32, body: &str) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>7</SessionID><MsgID>{message}</MsgID><Target><LocURI>{DEVICE_ID}</LocURI></Target>\
         <Source><LocURI>{SERVER}</LocURI></Source></SyncHdr><SyncBody>{body}</SyncBody></SyncML>"
    )
}

fn dm_answer(body: &str) -> Answer {
    Answer {
        content_type: Some("application/vnd.syncml.dm+xml".to_owned()),
        ..soap_answer(200, body)
    }
}

fn get(cmd_id: &str, uri: &str) -> String {
    format!("<Get><CmdID>{cmd_id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Get>")
}

fn set(verb: &str, cmd_id: &str, policy: &str, value: &str) -> String {
    format!(
        "<{verb}><CmdID>{cmd_id}</CmdID><Item><Target><LocURI>./Vendor/MSFT/Policy/Config/Area/{policy}</LocURI></Target>\
         <Meta><Format xmlns='syncml:metinf'>int</Format></Meta><Data>{value}</Data></Item></{verb}>"
    )
}

fn job(code: u32) -> PendingAlert {
    let alert = JobAlert {
        source: "./User/x".to_owned(),
        kind: "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseHostedAppInstall.result",
        code: HResult(code),
    };
    PendingAlert::job(alert, &options())
}

const CSP_VERSIONS: &str = "./Vendor/MSFT/DeviceManageability/Capabilities/CSPVersions";

// What the device says

#[test]
fn package_1_is_that_of_windows() {
    let talk = Talk::with(Quirks::default(), &[job(0x8007_3CF3)], Login::Others);
    assert_eq!(
        (talk.header("SessionID"), talk.header("MsgID")),
        ("7".to_owned(), "1".to_owned())
    );
    let body = talk.body();
    assert_eq!(
        body.child_names(),
        ["Alert", "Alert", "Alert", "Replace", "Final"]
    );
    let ids: Vec<_> = body
        .children
        .iter()
        .filter_map(|command| command.value("CmdID"))
        .collect();
    assert_eq!(ids, ["2", "3", "4", "5"]);
    let codes: Vec<_> = body
        .all("Alert")
        .map(|alert| alert.value("Data").unwrap())
        .collect();
    assert_eq!(codes, ["1201", "1224", "1226"]);
    let job = body.all("Alert").nth(2).unwrap().child("Item").unwrap();
    assert_eq!(job.value("Data"), Some("-2147009293"));
    assert_eq!(
        body.all("Alert")
            .nth(1)
            .unwrap()
            .at(&["Item", "Data"])
            .unwrap()
            .text,
        "others"
    );
    let leaves: Vec<_> = body
        .child("Replace")
        .unwrap()
        .all("Item")
        .map(|item| &item.at(&["Source", "LocURI"]).unwrap().text)
        .collect();
    assert_eq!(
        leaves,
        [
            "./DevInfo/DevId",
            "./DevInfo/Man",
            "./DevInfo/Mod",
            "./DevInfo/DmV",
            "./DevInfo/Lang"
        ]
    );
}

#[test]
fn a_server_without_commands_ends_the_session() {
    let mut talk = Talk::new();
    assert_eq!(talk.hear(""), Some(Ended::Done));
    assert_eq!(talk.rules(), []);
}

#[test]
fn commands_are_answered_in_order_with_results_last() {
    let mut talk = Talk::new();
    let commands = [
        get("a", "./DevInfo/Man"),
        set("Replace", "b", "P", "1"),
        get("c", "./DevInfo/No"),
    ]
    .concat();
    assert_eq!(talk.hear(&commands), None);
    assert_eq!(talk.header("MsgID"), "2");
    let expected = [
        ("0", "SyncHdr", "200"),
        ("a", "Get", "200"),
        ("b", "Replace", "200"),
        ("c", "Get", "404"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
        .collect();
    assert_eq!(talk.statuses(), expected);
    assert_eq!(
        talk.body().child_names(),
        ["Status", "Status", "Status", "Status", "Results", "Final"]
    );
    let results = talk.body().child("Results").unwrap();
    assert_eq!(
        (results.value("CmdRef"), results.value("MsgRef")),
        (Some("a"), Some("1"))
    );
    assert_eq!(results.at(&["Item", "Data"]).unwrap().text, "Fabrikam");
    assert_eq!(talk.body().child("Status").unwrap().value("CmdID"), Some("1"));
    assert_eq!((talk.hear(""), talk.rules()), (Some(Ended::Done), vec![]));
}

#[test]
fn several_items_get_one_status_unless_they_differ() {
    let mut talk = Talk::new();
    let items = |second: &str| {
        format!(
            "<Get><CmdID>9</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item>\
             <Item><Target><LocURI>{second}</LocURI></Target></Item></Get>"
        )
    };
    talk.hear(&items("./DevInfo/Mod"));
    assert_eq!(talk.codes(), ["200"]);
    talk.hear(&items("./DevInfo/No"));
    assert_eq!(talk.codes(), ["200", "404"]);
    let refs: Vec<_> = talk
        .body()
        .all("Status")
        .filter_map(|status| status.value("TargetRef"))
        .collect();
    assert_eq!(refs, ["./DevInfo/Man", "./DevInfo/No"]);
}

#[test]
fn original_errors_are_told_from_version_3_on() {
    let mut talk = Talk::new();
    talk.session.style.original_errors = true;
    talk.hear(&get("9", "./DevInfo/No"));
    let data = talk.body().all("Status").nth(1).unwrap().child("Data").unwrap();
    assert_eq!(
        data.attribute_in(syncml::MSFT, "originalerror"),
        Some("0x86000002")
    );
}

#[test]
fn an_atomic_fails_as_a_whole_and_is_undone() {
    let mut talk = Talk::new();
    let group = |children: &str| format!("<Atomic><CmdID>9</CmdID>{children}</Atomic>");
    let good = set("Replace", "10", "P", "1") + &set("Add", "11", "Q", "1");
    talk.hear(&group(&good));
    assert_eq!(talk.codes(), ["200", "200", "200"]);
    let bad = set("Replace", "10", "P", "5") + &set("Add", "11", "Q", "1") + &set("Replace", "12", "R", "1");
    talk.hear(&(group(&bad) + &get("20", "./Vendor/MSFT/Policy/Config/Area/P")));
    assert_eq!(talk.codes(), ["507", "216", "418", "215", "200"]);
    assert_eq!(talk.body().at(&["Results", "Item", "Data"]).unwrap().text, "1");
    assert_eq!(talk.rules(), []);
}

#[test]
fn what_has_no_place_in_an_atomic_is_refused() {
    for child in [
        get("10", "./DevInfo/Man"),
        "<Atomic><CmdID>10</CmdID></Atomic>"
            .replace("</Atomic>", &(set("Replace", "11", "P", "1") + "</Atomic>")),
        set("Add", "10", "P", "1") + &set("Replace", "11", "P", "2"),
        "<Exec><CmdID>10</CmdID><Item><Target><LocURI>./x</LocURI></Target></Item></Exec>".to_owned(),
    ] {
        let mut talk = Talk::new();
        talk.hear(&format!("<Atomic><CmdID>9</CmdID>{child}</Atomic>"));
        assert_eq!(
            (talk.codes()[0].as_str(), talk.rules()),
            ("507", vec![Rule::Atomic]),
            "{child}"
        );
    }
}

#[test]
fn scopes_are_not_mixed_in_an_atomic() {
    let mut talk = Talk::new();
    let user = set("Replace", "11", "P", "1").replace("./Vendor", "./User/Vendor");
    talk.hear(&format!(
        "<Atomic><CmdID>9</CmdID>{}{user}</Atomic>",
        set("Replace", "10", "P", "1")
    ));
    assert_eq!(talk.rules(), [Rule::Scope]);
}

#[test]
fn a_sequence_runs_in_order() {
    let mut talk = Talk::new();
    let children = set("Add", "10", "P", "1") + &set("Add", "11", "P", "1") + &get("12", "./DevInfo/Man");
    talk.hear(&format!("<Sequence><CmdID>9</CmdID>{children}</Sequence>"));
    assert_eq!(talk.codes(), ["200", "200", "418", "200"]);
}

#[test]
fn a_command_without_cmd_id_is_not_carried_out() {
    let mut talk = Talk::new();
    talk.hear(&set("Replace", "9", "P", "1").replace("<CmdID>9</CmdID>", ""));
    assert_eq!(
        talk.statuses()[1],
        (String::new(), "Replace".to_owned(), "400".to_owned())
    );
    assert_eq!(talk.rules(), [Rule::Structure, Rule::CmdId]);
}

#[test]
fn bad_addresses_and_unknown_commands_are_refused() {
    let mut talk = Talk::new();
    talk.hear(&(get("9", "/DevInfo/Man") + &get("10", "./DevInfo//Man")));
    assert_eq!(talk.codes(), ["400", "400"]);
    assert_eq!(talk.rules(), [Rule::LocUri, Rule::LocUri]);
    talk.hear("<Copy><CmdID>9</CmdID></Copy>");
    assert_eq!(talk.codes(), ["400"]);
    assert!(talk.rules().contains(&Rule::Command));
}

#[test]
fn an_unenrollment_is_not_answered() {
    let mut talk = Talk::new();
    let exec = "<Exec><CmdID>9</CmdID><Item><Target><LocURI>./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Unenroll\
                </LocURI></Target><Data>Quartermaster</Data></Item></Exec>";
    assert_eq!(
        talk.hear(&(exec.to_owned() + &get("10", "./DevInfo/Man"))),
        Some(Ended::Unenrolled)
    );
    assert_eq!(talk.session.report.commands.len(), 1);
}

#[test]
fn aborts_challenges_and_refusals_end_the_session() {
    let mut talk = Talk::new();
    assert_eq!(
        talk.hear("<Alert><CmdID>9</CmdID><Data>1223</Data></Alert>"),
        Some(Ended::Aborted)
    );
    let challenge = Talk::new()
        .answer("")
        .replacen("<Data>200</Data>", "<Data>407</Data>", 1);
    assert_eq!(
        Talk::new().receive(&dm_answer(&challenge)),
        Some(Ended::Challenged)
    );
    let refusal = Answer {
        status: 403,
        ..dm_answer("")
    };
    assert_eq!(Talk::new().receive(&refusal), Some(Ended::Refused(403)));
    assert_eq!(Talk::new().receive(&dm_answer("<html>")), Some(Ended::Unreadable));
}

#[test]
fn a_server_without_end_is_given_up() {
    let mut talk = Talk::new();
    let ended = (0..=MAX_MESSAGES).find_map(|_| talk.hear(&get("9", "./DevInfo/Man")));
    assert_eq!(ended, Some(Ended::Endless));
}

// What the server has to keep

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

// Quirks

#[test]
fn alerts_can_lack_cmd_id_and_type() {
    let talk = Talk::with(
        [Quirk::AlertWithoutCmdId, Quirk::EmptyMeta],
        &[job(0)],
        Login::User,
    );
    let alert = talk.body().all("Alert").nth(2).unwrap();
    assert_eq!(alert.value("CmdID"), None);
    assert_eq!(alert.at(&["Item", "Meta"]).unwrap().children, []);
    assert!(talk.body().all("Alert").next().unwrap().value("CmdID").is_some());
}

#[test]
fn an_alert_without_cmd_id_may_be_answered_or_not() {
    let mut talk = Talk::with([Quirk::AlertWithoutCmdId], &[job(0)], Login::User);
    assert_eq!((talk.hear(""), talk.rules()), (Some(Ended::Done), vec![]));
    let mut talk = Talk::with([Quirk::AlertWithoutCmdId], &[job(0)], Login::User);
    let replace = "<Status><CmdID>4<";
    let extra = "<Status><CmdID>40</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status>";
    let answer = talk.answer("").replace(replace, &(extra.to_owned() + replace));
    talk.receive(&dm_answer(&answer));
    assert_eq!(talk.rules(), []);
}

#[test]
fn codes_can_be_unsigned_and_sources_foreign() {
    let quirky = DeviceOptions {
        quirks: [Quirk::UnsignedCodes].into(),
        ..options()
    };
    let alert = JobAlert {
        source: "./User/x".to_owned(),
        kind: "x",
        code: HResult(0x8007_3CF3),
    };
    let alert = PendingAlert::job(alert, &quirky);
    let talk = Talk::with(
        [Quirk::ForeignSource("THIEF".to_owned()), Quirk::DevIdAsDocumented],
        &[alert],
        Login::User,
    );
    assert_eq!(
        talk.body()
            .all("Alert")
            .nth(2)
            .unwrap()
            .at(&["Item", "Data"])
            .unwrap()
            .text,
        "2147958003"
    );
    assert_eq!(
        talk.said.at(&["SyncHdr", "Source", "LocURI"]).unwrap().text,
        "THIEF"
    );
    assert_eq!(
        talk.body()
            .at(&["Replace", "Item", "Source", "LocURI"])
            .unwrap()
            .text,
        "./DevInfo/DevID"
    );
}

#[test]
fn message_numbers_can_be_left_out() {
    let mut talk = Talk::with([Quirk::SkipMsgId(1)], &[], Login::User);
    talk.hear(&get("9", "./DevInfo/Man"));
    assert_eq!(talk.header("MsgID"), "3");
}

#[test]
fn a_package_can_come_in_two_messages() {
    let mut talk = Talk::with([Quirk::WithoutFinal(1)], &[], Login::User);
    assert!(!talk.has_final());
    assert_eq!(talk.body().child_names(), ["Alert"]);
    assert_eq!(
        talk.hear("<Alert><CmdID>9</CmdID><Data>1222</Data></Alert>"),
        None
    );
    assert!(talk.has_final());
    assert_eq!(
        talk.body().child_names(),
        ["Status", "Status", "Alert", "Replace", "Final"]
    );
    assert_eq!((talk.hear(""), talk.rules()), (Some(Ended::Done), vec![]));
}

#[test]
fn commands_before_the_package_is_complete_are_noted() {
    let mut talk = Talk::with([Quirk::WithoutFinal(1)], &[], Login::User);
    talk.hear(&get("9", "./DevInfo/Man"));
    assert_eq!(talk.rules(), [Rule::NextMessage, Rule::NextMessage]);
}

#[test]
fn large_results_go_up_in_chunks_that_make_the_whole() {
    let mut talk = Talk::with([Quirk::ChunkResults(5_000)], &[], Login::User);
    talk.hear(&get("9", CSP_VERSIONS));
    let mut whole = String::new();
    let mut size = None;
    loop {
        let item = talk.body().at(&["Results", "Item"]).unwrap().clone();
        whole += &item.child("Data").unwrap().text;
        let told = item
            .child("Meta")
            .and_then(|meta| meta.child_in(syncml::METINF, "Size").map(|s| s.text.clone()));
        assert_eq!(
            told.is_some(),
            size.is_none(),
            "the first chunk alone tells the size"
        );
        size = size.or(told);
        let more = item.child("MoreData").is_some();
        assert_eq!(more, !talk.has_final());
        if !more {
            break;
        }
        assert_eq!(
            talk.hear("<Alert><CmdID>9</CmdID><Data>1222</Data></Alert>"),
            None
        );
    }
    assert_eq!(size, Some(whole.len().to_string()));
    assert!(whole.starts_with("<CSPVersions>") && whole.ends_with("</CSPVersions>"));
    assert_eq!((talk.hear(""), talk.rules()), (Some(Ended::Done), vec![]));
}

#[test]
fn a_chunk_has_to_be_answered_with_213() {
    let mut talk = Talk::with([Quirk::ChunkResults(5_000)], &[], Login::User);
    talk.hear(&get("9", CSP_VERSIONS));
    let answer = talk
        .answer("<Alert><CmdID>9</CmdID><Data>1222</Data></Alert>")
        .replace("<Data>213<", "<Data>200<");
    talk.receive(&dm_answer(&answer));
    assert_eq!(talk.rules(), [Rule::StatusOrder]);
}

// Hostile input

mod hostile {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn no_damaged_message_makes_it_panic(at in 0_usize..4_000, with in proptest::collection::vec(any::<u8>(), 0..12), cut in 0_usize..12) {
            let mut talk = Talk::new();
            let mut bytes = talk.answer(&(get("9", "./DevInfo?list=StructData") + &set("Replace", "10", "P", "1"))).into_bytes();
            let from = at.min(bytes.len());
            let to = (from + cut).min(bytes.len());
            bytes.splice(from..to, with);
            let answer = Answer { body: bytes.into(), ..dm_answer("") };
            let mut context = Context { options: &talk.options, tree: &mut talk.tree, watch: &mut talk.watch };
            talk.session.receive(&answer, &mut context);
        }

        #[test]
        fn no_address_or_payload_makes_it_panic(
            path in "(\\./)?(User/|Device/)?(Vendor/MSFT/EnterpriseModernAppManagement/)?(AppInstallation|AppManagement|AppLicenses/StoreLicenses)?[/a-zA-Z%_.?=]{0,40}",
            verb in proptest::sample::select(vec!["Get", "Add", "Replace", "Delete", "Exec"]),
            data in "[<>/=\"a-zA-Z0-9 &;]{0,60}",
        ) {
            let mut talk = Talk::new();
            let item = |text: &str| quick_xml::escape::escape(text).into_owned();
            let command = format!(
                "<{verb}><CmdID>9</CmdID><Item><Target><LocURI>{}</LocURI></Target><Data>{}</Data></Item></{verb}>",
                item(&path), item(&data)
            );
            let ended = talk.hear(&command);
            prop_assert_eq!(ended, None);
            prop_assert_eq!(talk.codes().len(), 1);
        }
    }
}
