//! Results in several messages.

use super::*;

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
