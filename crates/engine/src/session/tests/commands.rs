//! Commands of administrators, from the queue to their answers.

use super::*;

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
