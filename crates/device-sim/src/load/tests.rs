//! Callers against a small server of our own, over TLS.

use super::*;
use crate::testing::server::Server;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

async fn callers(server: &Server, devices: usize, connections: Connections) -> Vec<Caller> {
    let devices = (0..devices).map(|_| Device::new(server.options()));
    let callers = prepare(devices, connections, ONE).await;
    callers.into_iter().map(Result::unwrap).collect()
}

/// As many sessions as there are callers.
async fn each_calls(callers: Vec<Caller>) -> Outcome {
    let plan = Plan {
        rate: Some(1000.0),
        time: Duration::from_millis(callers.len() as u64),
        concurrency: ONE,
    };
    run(Arc::new(Work::calls(callers)), plan).await
}

fn errors(outcome: &Outcome) -> Vec<(&str, u64)> {
    let counted = outcome.errors.iter();
    counted.map(|(kind, count)| (kind.as_str(), *count)).collect()
}

#[tokio::test]
async fn idle_devices_call_in_by_the_clock_with_one_message_each() {
    let server = Server::start().await;
    let work = Arc::new(Work::calls(callers(&server, 2, Connections::New).await));
    let before = server.messages().len();
    let plan = Plan {
        rate: Some(200.0),
        time: Duration::from_millis(50),
        concurrency: NonZeroUsize::new(4).unwrap(),
    };
    let outcome = run(work, plan).await;
    assert_eq!(errors(&outcome), []);
    assert_eq!(
        (outcome.sessions, outcome.messages, outcome.commands),
        (10, 10, 0)
    );
    assert!(outcome.latency.p50 > 0 && outcome.latency.max >= outcome.latency.p99_9);
    let messages = server.messages().split_off(before);
    assert_eq!(messages.len(), 10);
    assert!(messages.iter().all(|seen| seen.certificate));
}

#[tokio::test]
async fn connections_are_new_or_kept_as_asked() {
    let server = Server::start().await;
    for (connections, made) in [(Connections::New, 3), (Connections::Kept, 1)] {
        let mut caller = callers(&server, 1, connections).await.remove(0);
        let before = server.with(|script| script.connections);
        for _ in 0..3 {
            caller.call().await.unwrap();
        }
        let after = server.with(|script| script.connections);
        assert_eq!(after - before, made, "{connections:?}");
    }
}

#[tokio::test]
async fn an_answer_with_commands_is_carried_out_by_all_rules() {
    let server = Server::start().await;
    let callers = callers(&server, 1, Connections::New).await;
    assert!(callers[0].is_idle());
    server.will_say(&[
        "<Get><CmdID>9</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get>",
    ]);
    let outcome = each_calls(callers).await;
    assert_eq!(errors(&outcome), []);
    assert_eq!((outcome.sessions, outcome.messages, outcome.commands), (1, 2, 1));
}

#[tokio::test]
async fn what_the_server_does_wrong_is_counted_by_kind() {
    let server = Server::start().await;
    let callers = callers(&server, 1, Connections::New).await;
    server.will_say(&[
        "<Get><CmdID>0</CmdID><Item><Target><LocURI>./DevInfo/Man</LocURI></Target></Item></Get>",
    ]);
    let work = Work::calls(callers);
    assert!(matches!(
        work.act(0).await,
        Err(Failure::Violation(crate::Rule::CmdId))
    ));
    server.with(|script| script.refusal = Some(503));
    let outcome = each_calls(work.into_callers()).await;
    assert_eq!(errors(&outcome), [("HTTP status 503", 1)]);
    assert_eq!(outcome.sessions, 0);
}

#[tokio::test]
async fn enrollments_end_when_every_device_has_enrolled() {
    let server = Server::start().await;
    let options = server.options();
    let work = Work::Enrollments {
        options: Box::new(move || options.clone()),
        devices: 3,
    };
    let plan = Plan {
        rate: None,
        time: Duration::from_mins(5),
        concurrency: NonZeroUsize::new(2).unwrap(),
    };
    let outcome = run(Arc::new(work), plan).await;
    assert_eq!(errors(&outcome), []);
    assert_eq!(outcome.sessions, 3);
}
