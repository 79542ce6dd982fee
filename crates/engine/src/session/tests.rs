use super::*;
use qm_core::{DeviceId, Rng, Timestamp, command as custom};
use qm_syncml::{Alert, Command, Edit, Header, Item, Message, Meta, Results, Status, StatusCode};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn message(msg_id: u32, body: Vec<Command>) -> Message {
    let header = Header {
        ver_dtd: "1.2".into(),
        ver_proto: "DM/1.2".into(),
        session_id: "1E7".into(),
        msg_id,
        target: "https://mdm.fabrik.example/ManagementServer/Manage.svc".into(),
        source: "5C1E77A0".into(),
        ..Header::default()
    };
    Message {
        header,
        body,
        last: true,
    }
}

fn login(cmd_id: &str, state: &str) -> Command {
    let item = Item {
        meta: Meta {
            media_type: Some("com.microsoft/MDM/LoginStatus".into()),
            ..Meta::default()
        },
        data: Some(state.into()),
        ..Item::default()
    };
    Command::Alert(Alert {
        cmd_id: cmd_id.into(),
        code: 1224,
        items: vec![item],
    })
}

fn package_1(state: &str) -> Message {
    let dev_info = Item {
        source: Some("./DevInfo/Man".into()),
        data: Some(" Fabrik ".into()),
        ..Item::default()
    };
    message(
        1,
        vec![
            Command::Alert(Alert {
                cmd_id: "2".into(),
                code: 1201,
                items: vec![],
            }),
            login("3", state),
            Command::Replace(Edit {
                cmd_id: "4".into(),
                items: vec![dev_info],
                ..Edit::default()
            }),
        ],
    )
}

fn command(uri: &str, data: Option<String>) -> custom::Command {
    let rng = Rng::system();
    custom::Command {
        id: qm_core::CommandId::new(NOW, &rng),
        device_id: DeviceId::new(NOW, &rng),
        verb: Verb::Get,
        uri: uri.into(),
        format: None,
        media_type: None,
        data,
        state: custom::CommandState::Queued,
        status: None,
        results: vec![],
        created_at: NOW,
        attempts: 0,
        sent_at: None,
        finished_at: None,
        expires_at: NOW,
    }
}

fn work(custom: Vec<custom::Command>) -> Work {
    Work {
        custom,
        ..Work::default()
    }
}

fn status_of(cmd_ref: &str, msg_ref: u32, code: u16) -> Command {
    Command::Status(Status {
        cmd_id: "9".into(),
        msg_ref,
        cmd_ref: cmd_ref.into(),
        cmd: "Get".into(),
        code: StatusCode(code),
        ..Status::default()
    })
}

fn results(cmd_ref: &str, msg_ref: u32, item: Item) -> Command {
    Command::Results(Results {
        cmd_id: "10".into(),
        msg_ref: Some(msg_ref),
        cmd_ref: Some(cmd_ref.into()),
        items: vec![item],
        ..Results::default()
    })
}

fn value(uri: &str, data: &str) -> Item {
    Item {
        source: Some(uri.into()),
        data: Some(data.into()),
        ..Item::default()
    }
}

fn start(work: Work) -> Reply {
    let first = package_1("user");
    reply(
        &first.header,
        receive(Session::default(), &first),
        work,
        Budget::default(),
    )
}

fn names(message: &Message) -> Vec<(&str, &str)> {
    message.body.iter().map(|c| (c.name(), c.cmd_id())).collect()
}

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
fn user_commands_wait_for_the_user() {
    let user = command("./User/Vendor/MSFT/A", None);
    let device = command("./Device/Vendor/MSFT/A", None);
    for (state, sent) in [("user", 2), ("others", 1), ("none", 1)] {
        let first = package_1(state);
        let due = work(vec![user.clone(), device.clone()]);
        let reply = reply(
            &first.header,
            receive(Session::default(), &first),
            due,
            Budget::default(),
        );
        assert_eq!(reply.told.len(), sent, "{state}");
    }
}

#[test]
fn answers_are_matched_by_message_and_command() {
    let asked = command("./DevDetail/SwV", None);
    let first = start(work(vec![asked.clone()]));
    let cmd = first.message.body.last().unwrap().cmd_id().to_owned();
    let answered = message(
        2,
        vec![
            status_of("0", 1, 200),
            status_of(&cmd, 1, 200),
            results(&cmd, 1, value("./DevDetail/SwV", "10.0.26100.1")),
        ],
    );
    let received = receive(first.session.clone(), &answered);
    let [
        Fact::Custom {
            id,
            done: true,
            status: 200,
            results,
        },
    ] = received.facts.as_slice()
    else {
        panic!("{:?}", received.facts)
    };
    assert_eq!(
        (*id, results[0].data.as_str(), results[0].format.as_str()),
        (asked.id, "10.0.26100.1", "chr")
    );
    assert_eq!(
        received.statuses.len(),
        1,
        "no status is owed for Status and Results"
    );

    let foreign = message(2, vec![status_of(&cmd, 7, 200), status_of("99", 1, 200)]);
    assert!(receive(first.session, &foreign).facts.is_empty());
}

#[test]
fn repeated_results_are_stored_once() {
    let first = start(work(vec![command("./A", None)]));
    let cmd = first.message.body.last().unwrap().cmd_id().to_owned();
    let twice = message(
        2,
        vec![
            results(&cmd, 1, value("./A", "x")),
            results(&cmd, 1, value("./A", "x")),
            status_of(&cmd, 1, 200),
        ],
    );
    let received = receive(first.session, &twice);
    assert!(matches!(received.facts.as_slice(), [Fact::Custom { results, .. }] if results.len() == 1));
}

#[test]
fn one_bad_command_does_not_hold_back_the_rest() {
    let huge = command("./A", Some("x".repeat(400_000)));
    let small = command("./B", None);
    let reply = start(work(vec![small.clone(), huge.clone(), small]));
    assert_eq!(reply.told.len(), 2, "the huge one waits for a message of its own");
    assert_eq!(start(work(vec![huge])).told.len(), 1);
}

#[test]
fn chunks_are_acknowledged_and_put_together() {
    let first = start(work(vec![command("./Big", None)]));
    let cmd = first.message.body.last().unwrap().cmd_id().to_owned();
    let chunk = |data: &str, size: Option<u64>, more| Item {
        meta: Meta {
            size,
            ..Meta::default()
        },
        more_data: more,
        ..value("./Big", data)
    };
    let part_1 = message(
        2,
        vec![
            status_of(&cmd, 1, 200),
            results(&cmd, 1, chunk("abc", Some(6), true)),
        ],
    );
    let received = receive(first.session, &part_1);
    assert!(received.facts.is_empty() && !received.may_command);
    assert_eq!(received.statuses[1].code, StatusCode::CHUNK_BUFFERED);
    let answer = reply(
        &part_1.header,
        received,
        work(vec![command("./X", None)]),
        Budget::default(),
    );
    assert!(matches!(answer.message.body.last(), Some(Command::Alert(a)) if a.code == 1222));
    assert!(answer.told.is_empty());

    let part_2 = message(3, vec![results(&cmd, 1, chunk("def", None, false))]);
    let received = receive(answer.session, &part_2);
    assert!(
        matches!(received.facts.as_slice(), [Fact::Custom { results, .. }] if results[0].data == "abcdef")
    );
    assert_eq!(received.statuses[1].code, StatusCode::OK);
}

#[test]
fn an_object_of_padding_alone_has_no_negative_size() {
    let first = start(work(vec![command("./Big", None)]));
    let cmd = first.message.body.last().unwrap().cmd_id().to_owned();
    let chunk = |more, size| Item {
        meta: Meta {
            size,
            ..Meta::default()
        },
        more_data: more,
        ..value("./Big", "==")
    };
    let chunks = vec![
        results(&cmd, 1, chunk(true, Some(3))),
        results(&cmd, 1, chunk(false, None)),
    ];
    let received = receive(first.session, &message(2, chunks));
    assert_eq!(received.statuses[2].code, StatusCode::SIZE_MISMATCH);
}

#[test]
fn a_wrong_size_and_a_broken_off_object_are_told() {
    let first = start(work(vec![command("./Big", None)]));
    let cmd = first.message.body.last().unwrap().cmd_id().to_owned();
    let chunk = |uri: &str, size, more| Item {
        meta: Meta {
            size,
            ..Meta::default()
        },
        more_data: more,
        ..value(uri, "abc")
    };
    let begun = receive(
        first.session.clone(),
        &message(2, vec![results(&cmd, 1, chunk("./Big", Some(100), true))]),
    );
    let ended = receive(
        begun.session.clone(),
        &message(3, vec![results(&cmd, 1, chunk("./Big", None, false))]),
    );
    assert_eq!(ended.statuses[1].code, StatusCode::SIZE_MISMATCH);
    let other = receive(
        begun.session,
        &message(3, vec![results(&cmd, 1, chunk("./Other", None, false))]),
    );
    assert_eq!(other.alert, Some(1225));
    let unsized_chunk = receive(
        first.session.clone(),
        &message(2, vec![results(&cmd, 1, chunk("./Big", None, true))]),
    );
    assert_eq!(unsized_chunk.statuses[1].code, StatusCode::SIZE_REQUIRED);
    let huge = receive(
        first.session,
        &message(2, vec![results(&cmd, 1, chunk("./Big", Some(1 << 40), true))]),
    );
    assert_eq!(huge.statuses[1].code, StatusCode::TOO_LARGE);
}

#[test]
fn a_result_that_did_not_arrive_whole_fails_its_command() {
    let asked = command("./Big", None);
    let first = start(work(vec![asked.clone()]));
    let cmd = first.message.body.last().unwrap().cmd_id().to_owned();
    let chunk = |uri: &str, size, more| Item {
        meta: Meta {
            size,
            ..Meta::default()
        },
        more_data: more,
        ..value(uri, "abc")
    };
    for (size, second, code) in [
        (Some(100), "./Big", 424),
        (Some(100), "./Other", 424),
        (None, "./Big", 411),
        (Some(1 << 40), "./Big", 416),
    ] {
        let body = vec![
            status_of(&cmd, 1, 200),
            results(&cmd, 1, chunk("./Big", size, true)),
        ];
        let begun = receive(first.session.clone(), &message(2, body));
        let ended = receive(
            begun.session,
            &message(3, vec![results(&cmd, 1, chunk(second, None, false))]),
        );
        let facts: Vec<_> = begun.facts.into_iter().chain(ended.facts).collect();
        let failed = Fact::Custom {
            id: asked.id,
            done: false,
            status: code,
            results: vec![],
        };
        assert_eq!(facts, [failed], "{size:?} {second}");
    }
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
fn a_device_that_refuses_to_leave_is_asked_once_in_a_session() {
    let leave = || Work {
        unenroll: true,
        ..Work::default()
    };
    let asked = start(leave());
    assert_eq!(asked.told, [Purpose::Unenroll]);
    let cmd = asked.message.body.last().unwrap().cmd_id().to_owned();
    let refusal = message(2, vec![status_of(&cmd, 1, 500)]);
    let received = receive(asked.session, &refusal);
    assert_eq!(received.facts, [Fact::UnenrollAnswered { status: 500 }]);
    let ended = reply(&refusal.header, received, leave(), Budget::default());
    assert!(ended.told.is_empty());
    assert_eq!(names(&ended.message), [("Status", "1")]);
}

#[test]
fn inventory_is_asked_for_once_in_a_session() {
    let due = Work {
        inventory: true,
        ..Work::default()
    };
    let first = start(due.clone());
    assert!(first.told.len() > 10 && first.told.iter().all(|p| *p == Purpose::Inventory));
    let answers = first
        .session
        .sent
        .iter()
        .map(|s| status_of(&s.cmd, 1, 404))
        .collect();
    let second = message(2, answers);
    let received = receive(first.session, &second);
    assert_eq!(
        received.facts,
        [Fact::InventoryRead],
        "a node that is missing is no error"
    );
    assert!(
        reply(&second.header, received, due, Budget::default())
            .told
            .is_empty()
    );
}

#[test]
fn a_failed_app_inventory_is_not_an_empty_one() {
    let first = start(Work {
        apps: vec![Context::Device, Context::User],
        ..Work::default()
    });
    let reads: Vec<_> = first
        .session
        .sent
        .iter()
        .filter(|s| matches!(s.purpose, Purpose::Apps { .. }))
        .collect();
    assert_eq!(reads.len(), 4, "two contexts, two origins");
    let mut body = Vec::new();
    for (index, sent) in first.session.sent.iter().enumerate() {
        let bad = matches!(
            sent.purpose,
            Purpose::Apps {
                context: Context::User,
                ..
            }
        ) && index % 4 == 1;
        body.push(status_of(&sent.cmd, 1, if bad { 500 } else { 200 }));
    }
    let facts = receive(first.session, &message(2, body)).facts;
    assert!(facts.contains(&Fact::AppsRead {
        context: Context::Device,
        apps: vec![]
    }));
    assert!(facts.contains(&Fact::AppsUnreadable {
        context: Context::User
    }));
}

#[test]
fn a_runaway_queue_stops_at_the_budget() {
    let budget = Budget {
        rounds: 3,
        ..Budget::default()
    };
    let mut session = Session::default();
    let mut sent = 0;
    for msg_id in 1..10 {
        let message = message(msg_id, vec![login("2", "user")]);
        let reply = reply(
            &message.header,
            receive(session, &message),
            work(vec![command("./A", None)]),
            budget,
        );
        sent += reply.told.len();
        session = reply.session;
    }
    assert_eq!(sent, 3);
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

#[test]
fn the_inventory_waits_for_the_answers_of_the_jobs() {
    let rng = Rng::seeded(4);
    let id = qm_core::TargetId::new(NOW, &rng);
    let poll = |context| TargetOrder {
        id,
        context,
        commands: vec![(
            Purpose::Target { id, step: Step::Poll },
            qm_csp::app_management::poll_slot(context, "Fabrik.Notes_z1enpheh36ccm"),
        )],
    };
    let due = |context| Work {
        apps: vec![Context::Device, Context::User],
        targets: vec![poll(context)],
        ..Work::default()
    };
    let asked = start(due(Context::User));
    assert_eq!(asked.told, [Purpose::Target { id, step: Step::Poll }]);
    assert!(!asked.session.apps_asked);
    let first = package_1("none");
    let absent = reply(
        &first.header,
        receive(Session::default(), &first),
        due(Context::User),
        Budget::default(),
    );
    assert!(
        absent.session.apps_asked,
        "nothing can be asked for an absent user"
    );
}

#[test]
fn a_command_that_broke_sessions_off_goes_alone() {
    let left_before = |attempts| custom::Command {
        attempts,
        ..command("./DevDetail/SwV", None)
    };
    let told = |commands: Vec<custom::Command>| start(work(commands)).told.len();
    assert_eq!(told(vec![left_before(0), left_before(1)]), 2);
    assert_eq!(told(vec![left_before(0), left_before(2)]), 1, "not beside others");
    assert_eq!(told(vec![left_before(2), left_before(3)]), 1, "one at a time");
}

#[test]
fn what_was_done_the_first_time_counts_when_it_is_sent_again() {
    let outcome = |verb, attempts, code| {
        let asked = start(work(vec![custom::Command {
            verb,
            attempts,
            ..command("./Vendor/MSFT/WiFi/Profile/Guest", None)
        }]));
        let sent = &asked.session.sent[0];
        let answer = message(2, vec![status_of(&sent.cmd, sent.msg, code)]);
        match receive(asked.session.clone(), &answer).facts.as_slice() {
            [Fact::Custom { done, status, .. }] => (*done, *status),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(outcome(Verb::Add, 0, 418), (false, 418));
    assert_eq!(outcome(Verb::Add, 1, 418), (true, 418));
    assert_eq!(outcome(Verb::Delete, 0, 404), (false, 404));
    assert_eq!(outcome(Verb::Delete, 1, 404), (true, 404));
    assert_eq!(outcome(Verb::Get, 1, 404), (false, 404));
    assert_eq!(outcome(Verb::Replace, 1, 418), (false, 418));
    assert_eq!(outcome(Verb::Add, 1, 500), (false, 500));
}

#[test]
fn each_context_of_the_app_inventory_is_read_when_it_is_due() {
    let contexts = |apps: Vec<Context>| {
        let sent = start(Work {
            apps,
            ..Work::default()
        });
        sent.session.apps.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(contexts(vec![Context::User]), [Context::User]);
    assert_eq!(contexts(vec![Context::Device]), [Context::Device]);
    assert_eq!(contexts(vec![]), []);
}
