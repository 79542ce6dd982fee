//! Sessions that stop half-way, overlap, start over or come twice; users who come and go; clocks that were wrong.

use crate::{
    admin::server::{Server, servers},
    device::TestDevice,
};
use qm_core::{
    CommandId, DeviceId, PageRequest,
    command::{Command, CommandState},
    device::Device,
};
use qm_engine::session::MAX_COMMAND_ATTEMPTS;
use qm_orchestrator::commands::Request;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

async fn device_of(server: &Server) -> Device {
    let mut conn = server.db.read().await.unwrap();
    let filter = qm_db::devices::DeviceFilter::default();
    let page = qm_db::devices::list(&mut conn, &filter, PageRequest::first(2)).await;
    let [device] = <[Device; 1]>::try_from(page.unwrap().items).unwrap();
    device
}

async fn queue(server: &Server, device: DeviceId, verb: &str, uri: &str) -> CommandId {
    let data = matches!(verb, "add" | "replace").then(|| "on".to_owned());
    let request = Request {
        verb: verb.into(),
        uri: uri.into(),
        data,
        ..Request::default()
    };
    let queued = server.orchestrator.queue_command(&server.caller, device, request);
    queued.await.unwrap().id
}

async fn command(server: &Server, device: DeviceId, id: CommandId) -> Command {
    server.orchestrator.command(device, id).await.unwrap()
}

/// A device after its first session, and its id.
async fn settled(server: &Server) -> (TestDevice, DeviceId) {
    let mut device = TestDevice::enroll(server, "mara@fabrik.example", "DEVICE-1").await;
    device.call(server).await;
    device.done.clear();
    let id = device_of(server).await.id;
    (device, id)
}

/// The device hears the first reply of a session and falls silent.
async fn break_off(device: &mut TestDevice, server: &Server) {
    device.session += 1;
    device.post(server, &device.first(vec![])).await.unwrap();
}

#[tokio::test]
async fn an_exec_of_a_session_that_started_over_is_given_up_and_not_run_twice() {
    for server in servers().await {
        let (mut device, id) = settled(&server).await;
        let reboot = queue(&server, id, "exec", "./Vendor/MSFT/Reboot/RebootNow").await;
        break_off(&mut device, &server).await;
        // The same SessionID again, as after a reset; the login tells the messages apart.
        device.session -= 1;
        device.signed_in = "none";
        device.call(&server).await;
        assert!(device.done.is_empty(), "{:?}", device.done);
        let given_up = command(&server, id, reboot).await;
        assert_eq!(
            (given_up.state, given_up.status),
            (CommandState::Failed, None),
            "{}",
            server.engine
        );
    }
}

#[tokio::test]
async fn sessions_that_overlap_finish_what_each_began() {
    for server in servers().await {
        let (mut device, id) = settled(&server).await;
        let reboot = queue(&server, id, "exec", "./Vendor/MSFT/Reboot/RebootNow").await;
        let add = queue(&server, id, "add", "./Vendor/MSFT/WiFi/Profile/Guest").await;
        device.session += 1;
        let first = device.post(&server, &device.first(vec![])).await.unwrap();
        let late = device.carry_out(&first).unwrap();
        device.done.clear();
        device.refuse.push(("Guest", 418));
        device.call(&server).await;
        assert_eq!(
            device.done.len(),
            1,
            "the Exec is not sent twice: {:?}",
            device.done
        );
        let added = command(&server, id, add).await;
        assert_eq!((added.state, added.status), (CommandState::Done, Some(418)));
        device.post(&server, &late).await.unwrap();
        assert_eq!(command(&server, id, reboot).await.state, CommandState::Done);
        assert_eq!(command(&server, id, add).await, added, "the first answer counts");
    }
}

#[tokio::test]
async fn what_another_session_did_first_counts_as_done_also_for_the_session_that_sent_it_first() {
    for server in servers().await {
        let (mut device, id) = settled(&server).await;
        for (verb, code) in [("add", 418), ("delete", 404)] {
            device.done.clear();
            device.refuse.clear();
            let edit = queue(&server, id, verb, "./Vendor/MSFT/WiFi/Profile/Guest").await;
            device.session += 1;
            let first = device.post(&server, &device.first(vec![])).await.unwrap();
            device.session += 1;
            let second = device.post(&server, &device.first(vec![])).await.unwrap();
            let done = device.carry_out(&second).unwrap();
            device.session -= 1;
            device.refuse.push(("Guest", code));
            let refused = device.carry_out(&first).unwrap();
            assert_eq!(device.done.len(), 2, "both carry it: {:?}", device.done);
            device.post(&server, &refused).await.unwrap();
            let answered = command(&server, id, edit).await;
            assert_eq!(
                (answered.state, answered.status),
                (CommandState::Done, Some(code.into())),
                "{verb} on {}",
                server.engine
            );
            device.session += 1;
            device.post(&server, &done).await.unwrap();
            assert_eq!(command(&server, id, edit).await, answered);
        }
    }
}

#[tokio::test]
async fn a_command_that_breaks_every_session_off_holds_up_no_other_and_is_given_up() {
    for server in servers().await {
        let (mut device, id) = settled(&server).await;
        let bad = queue(&server, id, "get", "./Vendor/MSFT/Poison").await;
        for _ in 0..2 {
            break_off(&mut device, &server).await;
        }
        let good = queue(&server, id, "get", "./DevDetail/SwV").await;
        device.session += 1;
        let first = device.post(&server, &device.first(vec![])).await.unwrap();
        let answer = device.carry_out(&first).unwrap();
        assert_eq!(device.done.len(), 1, "{:?}", device.done);
        device.post(&server, &answer).await.unwrap();
        assert_eq!(command(&server, id, good).await.state, CommandState::Done);
        for _ in 3..MAX_COMMAND_ATTEMPTS {
            assert_eq!(command(&server, id, bad).await.state, CommandState::Sent);
            break_off(&mut device, &server).await;
        }
        let end = command(&server, id, bad).await;
        assert_eq!(
            (end.state, end.attempts),
            (CommandState::Sent, MAX_COMMAND_ATTEMPTS)
        );
        device.call(&server).await;
        let end = command(&server, id, bad).await;
        assert_eq!((end.state, end.status), (CommandState::Failed, None));
    }
}

#[tokio::test]
async fn a_straggling_copy_of_the_first_message_does_not_end_the_session() {
    for server in servers().await {
        let (mut device, id) = settled(&server).await;
        let read = queue(&server, id, "get", "./DevDetail/SwV").await;
        device.session += 1;
        let first = device.first(vec![]);
        let reply = device.post(&server, &first).await.unwrap();
        let second = device.carry_out(&reply).unwrap();
        let again = queue(&server, id, "get", "./DevDetail/HwV").await;
        let reply = device.post(&server, &second).await.unwrap();
        let straggler = device.post(&server, &first).await.unwrap();
        assert_eq!(
            straggler.body.len(),
            first.body.len() + 1,
            "statuses only: {straggler:?}"
        );
        let third = device.carry_out(&reply).unwrap();
        device.post(&server, &third).await.unwrap();
        assert_eq!(command(&server, id, read).await.state, CommandState::Done);
        let answered = command(&server, id, again).await;
        assert_eq!(
            (answered.state, answered.status),
            (CommandState::Failed, Some(404))
        );

        // A device that started over is served after a while.
        queue(&server, id, "get", "./DevDetail/SwV").await;
        device.session += 1;
        let first = device.first(vec![]);
        let reply = device.post(&server, &first).await.unwrap();
        queue(&server, id, "get", "./DevDetail/HwV").await;
        let second = device.carry_out(&reply).unwrap();
        device.post(&server, &second).await.unwrap();
        server.clock.advance(Duration::from_mins(2));
        let reply = device.post(&server, &first).await.unwrap();
        assert!(device.carry_out(&reply).is_some(), "{}", server.engine);
    }
}

#[tokio::test]
async fn the_apps_of_the_user_are_read_when_the_user_is_there() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.signed_in = "none";
        device.call(&server).await;
        let known = device_of(&server).await;
        assert!(known.apps_read_at.is_some() && known.user_apps_read_at.is_none());
        assert_eq!(
            device.call(&server).await,
            1,
            "nothing is due while nobody is there"
        );
        device.signed_in = "user";
        assert_eq!(device.call(&server).await, 2, "{}", server.engine);
        assert!(device_of(&server).await.user_apps_read_at.is_some());
        assert_eq!(device.call(&server).await, 1);
        device.signed_in = "none";
        server.clock.advance(DAY);
        device.call(&server).await;
        device.signed_in = "user";
        assert_eq!(
            device.call(&server).await,
            2,
            "each context has an age of its own"
        );
    }
}

#[tokio::test]
async fn an_inventory_that_is_refused_is_not_asked_for_in_every_session() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.refuse.push(("./User", 500));
        device.call(&server).await;
        assert_eq!(device.call(&server).await, 1, "{}", server.engine);
        server.clock.advance(DAY);
        assert!(device.call(&server).await > 1, "but once a day");
    }
}

#[tokio::test]
async fn what_a_wrong_clock_noted_is_due_once_the_clock_is_right() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        server.clock.advance(300 * DAY);
        device.call(&server).await;
        assert_eq!(device.call(&server).await, 1, "{}", server.engine);
        server.clock.set(crate::admin::server::NOW);
        assert!(
            device.call(&server).await > 1,
            "its inventories were read in the future"
        );
        assert_eq!(device.call(&server).await, 1);
    }
}
