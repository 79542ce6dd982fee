//! What the device says.

use super::*;

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
