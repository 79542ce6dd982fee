//! How a session begins, goes on and ends; statuses.

use super::*;

#[test]
fn an_idle_session_is_one_exchange_and_leaves_nothing_to_remember() {
    let reply = start(Work::default());
    assert_eq!(
        names(&reply.message),
        [("Status", "1"), ("Status", "2"), ("Status", "3"), ("Status", "4")]
    );
    let refs: Vec<_> = reply
        .message
        .body
        .iter()
        .map(|c| match c {
            Command::Status(s) => (s.cmd_ref.as_str(), s.cmd.as_str(), s.code.0, s.msg_ref),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        refs,
        [
            ("0", "SyncHdr", 200, 1),
            ("2", "Alert", 200, 1),
            ("3", "Alert", 200, 1),
            ("4", "Replace", 200, 1)
        ]
    );
    assert!(reply.message.last && reply.told.is_empty() && reply.session.is_idle());
    assert_eq!(reply.message.header.target, "5C1E77A0");
    assert_eq!(reply.message.header.session_id, "1E7");
}

#[test]
fn package_1_tells_facts() {
    let received = receive(Session::default(), &package_1("user"));
    assert_eq!(
        received.facts,
        [
            Fact::SignedIn(SignedIn::User),
            Fact::Inventory {
                uri: "./DevInfo/Man".into(),
                value: "Fabrik".into()
            }
        ]
    );
}

#[test]
fn a_message_without_final_gets_statuses_and_a_request_for_more() {
    let mut first = package_1("user");
    first.last = false;
    let reply = reply(
        &first.header,
        receive(Session::default(), &first),
        work(vec![command("./A", None)]),
        Budget::default(),
    );
    assert!(reply.told.is_empty());
    assert!(matches!(reply.message.body.last(), Some(Command::Alert(a)) if a.code == 1222));
}

#[test]
fn leaving_and_aborting_devices_get_no_commands() {
    let unenroll = Item {
        meta: Meta {
            media_type: Some("com.microsoft:mdm.unenrollment.userrequest".into()),
            ..Meta::default()
        },
        data: Some("1".into()),
        ..Item::default()
    };
    let leaving = message(
        1,
        vec![Command::Alert(Alert {
            cmd_id: "2".into(),
            code: 1226,
            items: vec![unenroll],
        })],
    );
    let aborting = message(
        1,
        vec![Command::Alert(Alert {
            cmd_id: "2".into(),
            code: 1223,
            items: vec![],
        })],
    );
    for (message, fact) in [(leaving, Fact::LeftByUser), (aborting, Fact::Aborted)] {
        let received = receive(Session::default(), &message);
        assert_eq!(received.facts, [fact]);
        let reply = reply(
            &message.header,
            received,
            work(vec![command("./A", None)]),
            Budget::default(),
        );
        assert!(reply.told.is_empty());
        assert_eq!(names(&reply.message).len(), 2);
    }
}

#[test]
fn the_session_survives_storage() {
    let session = start(work(vec![command("./A", None)])).session;
    let text = serde_json::to_string(&session).unwrap();
    assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session);
}

#[test]
fn every_command_of_the_device_gets_a_status_in_order() {
    let edit = |id: &str| Edit {
        cmd_id: id.into(),
        items: vec![Item::target("./A")],
        ..Edit::default()
    };
    let odd = message(
        1,
        vec![
            Command::Get(edit("2")),
            Command::Unknown {
                name: "Sync".into(),
                cmd_id: "3".into(),
            },
            Command::Alert(Alert {
                cmd_id: String::new(),
                code: 1224,
                items: vec![],
            }),
        ],
    );
    let statuses = receive(Session::default(), &odd).statuses;
    let seen: Vec<_> = statuses
        .iter()
        .map(|s| (s.cmd_ref.as_str(), s.cmd.as_str(), s.code.0))
        .collect();
    assert_eq!(
        seen,
        [
            ("0", "SyncHdr", 200),
            ("2", "Get", 405),
            ("3", "Sync", 400),
            // 0 would mean the header.
            ("", "Alert", 200)
        ]
    );
}
