//! Messages of a session: what is read, sent, sent again and answered.

use super::{get, only_device};
use crate::{
    admin::server::{DAY, servers},
    device::TestDevice,
};
use qm_core::{command::CommandState, device::DeviceState};
use qm_orchestrator::commands::Request;
use qm_syncml::{Command, StatusCode};

#[tokio::test]
async fn the_first_session_reads_and_sets_and_the_second_is_idle() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        assert!(device.call(&server).await > 1);
        let known = only_device(&server).await;
        assert_eq!(known.state, DeviceState::Active);
        assert!(known.architecture.is_some() && known.settings_at.is_some() && known.apps_read_at.is_some());
        device.done.clear();
        assert_eq!(device.call(&server).await, 1, "{}", server.engine);
        assert!(device.done.is_empty());
        server.clock.advance(DAY);
        assert!(
            device.call(&server).await > 1,
            "once a day the inventory is read again"
        );
    }
}

#[tokio::test]
async fn a_repeated_message_gets_the_stored_reply_and_changes_nothing() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        let id = only_device(&server).await.id;
        let command = server
            .orchestrator
            .queue_command(&server.caller, id, get("./DevDetail/SwV"))
            .await
            .unwrap();
        device.session += 1;
        let first = device.first(vec![]);
        let reply = device.post(&server, &first).await.unwrap();
        assert_eq!(device.post(&server, &first).await.unwrap(), reply);
        let second = device.carry_out(&reply).unwrap();
        let end = device.post(&server, &second).await.unwrap();
        assert_eq!(device.post(&server, &second).await.unwrap(), end);
        let stored = server.orchestrator.command(id, command.id).await.unwrap();
        assert_eq!((stored.state, stored.results.len()), (CommandState::Done, 1));

        let mut forged = second.clone();
        forged.body.pop();
        let aborted = device.post(&server, &forged).await.unwrap();
        assert!(
            matches!(aborted.body.last(), Some(Command::Alert(a)) if a.code == 1223),
            "{aborted:?}"
        );
    }
}

#[tokio::test]
async fn what_was_not_answered_is_sent_again_but_for_what_must_not_run_twice() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        let id = only_device(&server).await.id;
        let exec = Request {
            verb: "exec".into(),
            uri: "./Vendor/MSFT/Reboot/RebootNow".into(),
            ..Request::default()
        };
        let read = server
            .orchestrator
            .queue_command(&server.caller, id, get("./DevDetail/SwV"))
            .await
            .unwrap();
        let run = server
            .orchestrator
            .queue_command(&server.caller, id, exec)
            .await
            .unwrap();
        device.session += 1;
        device.post(&server, &device.first(vec![])).await.unwrap();
        device.done.clear();
        device.call(&server).await;
        assert_eq!(device.done.len(), 1, "{:?}", device.done);
        let state = |c| server.orchestrator.command(id, c);
        assert_eq!(state(read.id).await.unwrap().state, CommandState::Done);
        assert_eq!(
            state(run.id).await.unwrap().state,
            CommandState::Sent,
            "its outcome is unknown"
        );
    }
}

#[tokio::test]
async fn user_commands_wait_until_the_user_is_there() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        let id = only_device(&server).await.id;
        let queued = server
            .orchestrator
            .queue_command(&server.caller, id, get("./User/Vendor/MSFT/X"))
            .await
            .unwrap();
        for signed_in in ["none", "others"] {
            device.signed_in = signed_in;
            assert_eq!(device.call(&server).await, 1, "{signed_in}");
        }
        device.signed_in = "user";
        device.call(&server).await;
        let done = server.orchestrator.command(id, queued.id).await.unwrap();
        assert_eq!((done.state, done.status), (CommandState::Failed, Some(404)));
    }
}

#[tokio::test]
async fn statuses_come_in_the_order_of_the_commands() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        for (message, reply) in &device.wire {
            let owed: Vec<_> = std::iter::once(("0", "SyncHdr"))
                .chain(message.body.iter().filter_map(|c| match c {
                    Command::Alert(_) | Command::Replace(_) => Some((c.cmd_id(), c.name())),
                    _ => None,
                }))
                .collect();
            let given: Vec<_> = reply
                .body
                .iter()
                .filter_map(|c| match c {
                    Command::Status(s) => {
                        assert_eq!((s.code, s.msg_ref), (StatusCode::OK, message.header.msg_id));
                        Some((s.cmd_ref.as_str(), s.cmd.as_str()))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(given, owed);
        }
    }
}
