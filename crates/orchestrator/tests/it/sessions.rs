//! Management sessions against the use cases, on both databases.

use crate::{
    admin::server::{DAY, Server, servers},
    device::{TestDevice, request, token},
};
use qm_core::{
    PageRequest,
    app::LicenseKind,
    command::CommandState,
    deployment::{Context, Intent, TargetState},
    device::{CertificateState, DeviceState, EndReason},
    job::JobKind,
    seat::SeatState,
};
use qm_db::seats;
use qm_enrollment::{Credential, FaultKind, TokenRequest};
use qm_orchestrator::{
    EnrollError,
    checkin::CheckInError,
    commands::Request,
    deployments::{Control, Request as Deploy},
    devices::Filter,
};
use qm_syncml::{Alert, Command, Item, Meta, StatusCode};
use std::time::Duration;

async fn only_device(server: &Server) -> qm_core::device::Device {
    device_of(server, "mara@fabrik.example").await
}

async fn device_of(server: &Server, upn: &str) -> qm_core::device::Device {
    let filter = Filter {
        upn: Some(upn.to_owned()),
        ..Filter::default()
    };
    let page = server
        .orchestrator
        .devices(filter, PageRequest::first(10))
        .await
        .unwrap();
    page.items.into_iter().next().unwrap().device
}

fn get(uri: &str) -> Request {
    Request {
        verb: "get".into(),
        uri: uri.into(),
        ..Request::default()
    }
}

fn alert(code: u32, kind: &str, source: Option<&str>, data: &str) -> Alert {
    let item = Item {
        source: source.map(str::to_owned),
        meta: Meta {
            media_type: Some(kind.to_owned()),
            ..Meta::default()
        },
        data: Some(data.to_owned()),
        ..Item::default()
    };
    Alert {
        cmd_id: String::new(),
        code,
        items: vec![item],
    }
}

/// What the device is told.
pub fn told(error: EnrollError) -> FaultKind {
    match error {
        EnrollError::Refused(fault) => fault.kind,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_enrollment_is_repeated_with_the_same_document_and_used_once() {
    for server in servers().await {
        let token = token(&server, "mara@fabrik.example").await;
        let first = request("mara@fabrik.example", &token, "DEVICE-1");
        let document = server.orchestrator.enroll(&first, None).await.unwrap();
        let again = server.orchestrator.enroll(&first, None).await.unwrap();
        assert_eq!(document.expose(), again.expose(), "{}", server.engine);
        for wrong in [
            request("mara@fabrik.example", &token, "DEVICE-1"),
            request("mara@fabrik.example", &token, "DEVICE-2"),
            request("nils@fabrik.example", &token, "DEVICE-1"),
            request("mara@fabrik.example", "no such token", "DEVICE-1"),
        ] {
            let refused = server.orchestrator.enroll(&wrong, None).await.unwrap_err();
            assert_eq!(told(refused), FaultKind::Authentication, "{}", server.engine);
        }
        server.clock.advance(2 * DAY);
        assert_eq!(
            document.expose(),
            server.orchestrator.enroll(&first, None).await.unwrap().expose()
        );
    }
}

#[tokio::test]
async fn the_poll_schedule_of_the_enrollment_is_that_of_the_first_session() {
    for server in servers().await {
        let token = token(&server, "mara@fabrik.example").await;
        let request = request("mara@fabrik.example", &token, "DEVICE-1");
        let document = server.orchestrator.enroll(&request, None).await.unwrap();
        let document = String::from_utf8(document.expose().clone()).unwrap();
        let mut device = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        device.call(&server).await;
        let set: Vec<_> = device
            .done
            .iter()
            .filter_map(|(_, uri, data)| Some((uri.split_once("/Poll/")?.1, data)))
            .collect();
        assert!(set.contains(&("IntervalForRemainingScheduledRetries", &"480".to_owned())));
        for (name, value) in set {
            let parm = format!(r#"<parm name="{name}" value="{value}""#);
            assert!(document.contains(&parm), "{parm}");
        }
    }
}

#[tokio::test]
async fn a_request_that_comes_twice_at_once_enrolls_one_device() {
    for server in servers().await {
        let token = token(&server, "mara@fabrik.example").await;
        let request = request("mara@fabrik.example", &token, "DEVICE-1");
        let enroll = || server.orchestrator.enroll(&request, None);
        let (a, b, c) = tokio::join!(enroll(), enroll(), enroll());
        let first = a.unwrap();
        for other in [b, c] {
            assert_eq!(first.expose(), other.unwrap().expose(), "{}", server.engine);
        }
        only_device(&server).await;
    }
}

#[tokio::test]
async fn a_key_is_not_certified_for_a_second_device() {
    for server in servers().await {
        let first = token(&server, "mara@fabrik.example").await;
        let mine = request("mara@fabrik.example", &first, "DEVICE-1");
        server.orchestrator.enroll(&mine, None).await.unwrap();
        let mut stolen = request(
            "nils@fabrik.example",
            &token(&server, "nils@fabrik.example").await,
            "DEVICE-2",
        );
        stolen.request = match (stolen.request, mine.request) {
            (TokenRequest::Issue { device_id, .. }, TokenRequest::Issue { pkcs10, .. }) => {
                TokenRequest::Issue { pkcs10, device_id }
            }
            (other, _) => other,
        };
        let refused = server.orchestrator.enroll(&stolen, None).await.unwrap_err();
        assert_eq!(told(refused), FaultKind::CertificateRequest, "{}", server.engine);
        // The refusal did not use the token up.
        let Credential::Username { password, .. } = &stolen.credential else {
            panic!("on premises")
        };
        let own = request("nils@fabrik.example", password.expose(), "DEVICE-2");
        server.orchestrator.enroll(&own, None).await.unwrap();
    }
}

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
async fn devices_cannot_speak_for_each_other() {
    for server in servers().await {
        let mut mara = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        let mut nils = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        mara.call(&server).await;
        mara.dm_id = "DEVICE-2".to_owned();
        let refused = mara.post(&server, &mara.first(vec![])).await;
        assert!(matches!(refused, Err(CheckInError::ForeignSource)));
        nils.dm_id = "DEVICE-1".to_owned();
        assert!(matches!(
            nils.post(&server, &nils.first(vec![])).await,
            Err(CheckInError::ForeignSource)
        ));
        nils.certificate = b"a certificate of somebody else".to_vec();
        assert!(matches!(
            nils.post(&server, &nils.first(vec![])).await,
            Err(CheckInError::UnknownDevice)
        ));
    }
}

#[tokio::test]
async fn a_certificate_opens_nothing_after_its_time_or_once_it_was_replaced() {
    for server in servers().await {
        let mut mara = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        let mut nils = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        mara.call(&server).await;
        nils.call(&server).await;
        let fingerprint = qm_pki::fingerprint(&nils.certificate);
        set_certificate(&server, &fingerprint, CertificateState::Superseded).await;
        assert!(is_shut_out(&server, &nils).await, "{}: superseded", server.engine);
        set_certificate(&server, &fingerprint, CertificateState::Active).await;
        assert!(!is_shut_out(&server, &nils).await, "{}", server.engine);

        server.clock.advance(Duration::from_hours(365 * 24 - 1));
        assert!(!is_shut_out(&server, &mara).await, "{}", server.engine);
        server.clock.advance(Duration::from_hours(2));
        let trail = server.trail().await;
        assert!(is_shut_out(&server, &mara).await, "{}: expired", server.engine);
        assert_eq!(server.trail().await, trail);
    }
}

/// The device is revoked after its message was admitted and before its work begins.
#[tokio::test]
async fn a_device_that_is_shut_out_while_its_message_waits_gets_nothing() {
    for server in servers().await {
        let device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        let id = only_device(&server).await.id;
        let mut tx = server.db.begin("test").await.unwrap();
        qm_db::devices::lock(&mut tx, &[id]).await.unwrap();
        let message = device.first(vec![]);
        let waiting = device.post(&server, &message);
        let revoke = async {
            // Long enough to be admitted; a message that is slower than that is refused at the door.
            tokio::time::sleep(Duration::from_millis(100)).await;
            qm_db::certificates::revoke_for_device(&mut tx, id).await.unwrap();
            let now = server.clock.now();
            qm_db::devices::end(&mut tx, id, EndReason::Revoked, now)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        };
        let (answer, ()) = tokio::join!(waiting, revoke);
        assert!(
            matches!(answer, Err(CheckInError::UnknownDevice)),
            "{}",
            server.engine
        );
        assert_eq!(only_device(&server).await.state, DeviceState::Ended);
    }
}

async fn set_certificate(server: &Server, fingerprint: &qm_core::Sha256, state: CertificateState) {
    let mut tx = server.db.begin("test").await.unwrap();
    qm_db::certificates::set_state(&mut tx, fingerprint, state)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn is_shut_out(server: &Server, device: &TestDevice) -> bool {
    let answer = device.post(server, &device.first(vec![])).await;
    matches!(answer, Err(CheckInError::UnknownDevice))
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
async fn both_sides_can_end_an_enrollment() {
    for server in servers().await {
        let mut leaver = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        leaver.call(&server).await;
        let left = vec![alert(
            1226,
            "com.microsoft:mdm.unenrollment.userrequest",
            None,
            "1",
        )];
        assert_eq!(leaver.call_with(&server, left).await, 1);
        let (last, reply) = leaver.wire.pop().unwrap();
        assert_eq!(
            leaver.post(&server, &last).await.unwrap(),
            reply,
            "the reply may have been lost"
        );
        leaver.session += 1;
        assert!(matches!(
            leaver.post(&server, &leaver.first(vec![])).await,
            Err(CheckInError::UnknownDevice)
        ));

        let mut told = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        told.call(&server).await;
        let id = device_of(&server, "nils@fabrik.example").await.id;
        server
            .orchestrator
            .remove_device(&server.caller, id, false)
            .await
            .unwrap();
        told.done.clear();
        told.call(&server).await;
        assert_eq!(told.done.len(), 1, "{:?}", told.done);
        assert!(told.done[0].1.ends_with("/Unenroll"));
        assert_eq!(
            server.orchestrator.device(id).await.unwrap().device.state,
            DeviceState::Ended
        );
    }
}

const FAMILY: &str = "Notes_0000000000000";

async fn deploy(server: &Server, device: &TestDevice, intent: Intent) -> qm_core::DeploymentId {
    let _ = device;
    let app = server
        .orchestrator
        .apps(None, None, PageRequest::first(1))
        .await
        .unwrap()
        .items
        .remove(0)
        .app;
    let request = Deploy {
        app_id: app.id,
        intent,
        context: Context::User,
        device_ids: vec![],
        group_ids: vec![],
        upns: vec!["Mara@fabrik.example".to_owned()],
    };
    server
        .orchestrator
        .create_deployment(&server.caller, request)
        .await
        .unwrap()
        .deployment
        .id
}

async fn state(server: &Server, id: qm_core::DeploymentId) -> TargetState {
    let targets = server
        .orchestrator
        .deployment_targets(id, None, PageRequest::first(1))
        .await
        .unwrap();
    targets.items[0].state
}

#[tokio::test]
async fn an_offline_app_goes_license_first_and_counts_as_installed_by_the_inventory_alone() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        server.offline_app("Notes").await;
        let id = deploy(&server, &device, Intent::Required).await;
        assert_eq!(state(&server, id).await, TargetState::Queued, "{}", server.engine);
        device.taken();
        device.refuse = vec![("/AddLicense", 500)];
        device.call(&server).await;
        assert_eq!(
            device.taken(),
            [("Exec".into(), "AddLicense".into())],
            "no install without an accepted license"
        );
        device.refuse.clear();
        server.clock.advance(DAY / 4);
        device.call(&server).await;
        let install = [("Exec", "AddLicense"), ("Add", FAMILY), ("Exec", "HostedInstall")];
        assert_eq!(device.taken(), install.map(|(v, n)| (v.to_owned(), n.to_owned())));
        assert_eq!(state(&server, id).await, TargetState::Installing);
        device.call(&server).await;
        assert_eq!(
            state(&server, id).await,
            TargetState::Queued,
            "the slot is gone, the app is not there: lost"
        );
        server.clock.advance(DAY / 4);
        device.call(&server).await;
        device
            .apps
            .insert((Context::User, FAMILY.to_owned()), "AppStore".to_owned());
        device.call(&server).await;
        assert_eq!(state(&server, id).await, TargetState::Installed);

        let removal = deploy(&server, &device, Intent::Uninstall).await;
        device.taken();
        device.call(&server).await;
        assert!(
            device
                .done
                .iter()
                .any(|(v, uri, _)| v == "Delete" && uri.contains("/AppStore/"))
        );
        device.call(&server).await;
        assert_eq!(
            state(&server, removal).await,
            TargetState::Removing,
            "still there"
        );
        device.apps.clear();
        device.call(&server).await;
        assert_eq!(state(&server, removal).await, TargetState::Removed);
    }
}

#[tokio::test]
async fn a_plan_tells_what_then_happens() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        let app = server.offline_app("Notes").await;
        server.forget_content(&app).await;
        let request = Deploy {
            app_id: app.id,
            intent: Intent::Required,
            context: Context::User,
            device_ids: vec![],
            group_ids: vec![],
            upns: vec!["mara@fabrik.example".to_owned()],
        };
        let o = &server.orchestrator;
        let plan = o.plan_deployment(request.clone()).await.unwrap();
        let nodes: Vec<_> = plan
            .commands
            .iter()
            .map(|c| c.uri.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(
            nodes,
            ["AddLicense", FAMILY, "HostedInstall"],
            "{}: nothing was fetched yet",
            server.engine
        );
        assert_eq!((plan.targets, plan.bytes_per_device), (1, 7 + 12));
        o.create_deployment(&server.caller, request.clone())
            .await
            .unwrap();
        let plan = o.plan_deployment(request.clone()).await.unwrap();
        assert_eq!(plan.targets, 0, "it is on its way already");
        let again = o.create_deployment(&server.caller, request).await.unwrap();
        assert_eq!(again.counts.get(&TargetState::NotApplicable), Some(&1));
        assert!(plan.not_applicable[0].1.contains("already"), "{plan:?}");
    }
}

#[tokio::test]
async fn a_failure_is_explained_and_can_be_retried() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        server.offline_app("Notes").await;
        let id = deploy(&server, &device, Intent::Required).await;
        device.call(&server).await;
        let source = format!(
            "./User/Vendor/MSFT/EnterpriseModernAppManagement/AppInstallation/{FAMILY}/HostedInstall"
        );
        let kind = "Reversed-Domain-Name:com.microsoft.mdm.EnterpriseHostedAppInstall.result";
        device
            .call_with(&server, vec![alert(1226, kind, Some(&source), "-2147009264")])
            .await;
        let targets = server
            .orchestrator
            .deployment_targets(id, None, PageRequest::first(1))
            .await
            .unwrap();
        let error = targets.items[0].error.clone().unwrap();
        assert_eq!(
            (targets.items[0].state, error.code.as_str()),
            (TargetState::Failed, "0x80073D10")
        );
        let again = server
            .orchestrator
            .control_deployment(&server.caller, id, Control::Retry)
            .await
            .unwrap();
        assert_eq!(
            again.counts.get(&TargetState::Queued),
            Some(&1),
            "{:?}",
            again.counts
        );
    }
}

#[tokio::test]
async fn who_asks_for_a_retry_does_not_wait_for_the_next_attempt() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        server.offline_app("Notes").await;
        let id = deploy(&server, &device, Intent::Required).await;
        device.refuse = vec![("/HostedInstall", 500)];
        device.call(&server).await;
        device.refuse.clear();
        device.taken();
        device.call(&server).await;
        assert!(device.taken().is_empty(), "{}: spaced", server.engine);
        let o = &server.orchestrator;
        o.control_deployment(&server.caller, id, Control::Retry)
            .await
            .unwrap();
        device.call(&server).await;
        let install = [("Add", FAMILY), ("Exec", "HostedInstall")];
        assert_eq!(device.taken(), install.map(|(v, n)| (v.to_owned(), n.to_owned())));
    }
}

#[tokio::test]
async fn a_retry_leaves_alone_what_a_newer_deployment_overtook() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        server.offline_app("Notes").await;
        let old = deploy(&server, &device, Intent::Required).await;
        let new = deploy(&server, &device, Intent::Uninstall).await;
        let control = |id, c| server.orchestrator.control_deployment(&server.caller, id, c);
        control(new, Control::Cancel).await.unwrap();
        control(old, Control::Retry).await.unwrap();
        assert_eq!(
            state(&server, old).await,
            TargetState::Cancelled,
            "{}",
            server.engine
        );
        control(new, Control::Retry).await.unwrap();
        assert_eq!(
            state(&server, new).await,
            TargetState::Queued,
            "{}",
            server.engine
        );
    }
}

#[tokio::test]
async fn a_paused_deployment_sends_nothing_and_a_cancelled_one_ends() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        server.offline_app("Notes").await;
        let id = deploy(&server, &device, Intent::Required).await;
        let control = |c| server.orchestrator.control_deployment(&server.caller, id, c);
        control(Control::Pause).await.unwrap();
        device.taken();
        device.call(&server).await;
        assert!(device.taken().is_empty());
        control(Control::Resume).await.unwrap();
        control(Control::Cancel).await.unwrap();
        assert!(control(Control::Pause).await.is_err());
        device.call(&server).await;
        assert!(device.taken().is_empty());
        assert_eq!(state(&server, id).await, TargetState::Cancelled);
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

#[tokio::test]
async fn no_store_install_leaves_without_a_confirmed_seat() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        let app = server.app("Notes", LicenseKind::Online).await;
        let id = deploy(&server, &device, Intent::Required).await;
        assert_eq!(
            state(&server, id).await,
            TargetState::AwaitingSeat,
            "{}",
            server.engine
        );
        let settle = async |from, to| {
            let mut tx = server.db.begin("test").await.unwrap();
            let seat = seats::find(&mut tx, app.id, "mara@fabrik.example")
                .await
                .unwrap()
                .unwrap();
            assert!(
                seats::set_state(&mut tx, seat.id, from, to, "test", server.clock.now())
                    .await
                    .unwrap()
            );
            tx.commit().await.unwrap();
            server.orchestrator.run_due_jobs(&[JobKind::Seats]).await.unwrap();
        };
        settle(SeatState::Assigning, SeatState::Assigned).await;
        assert_eq!(state(&server, id).await, TargetState::Queued);
        settle(SeatState::Assigned, SeatState::Reclaimed).await;
        device.taken();
        device.call(&server).await;
        assert!(device.taken().is_empty(), "the seat was lost meanwhile");
        assert_eq!(state(&server, id).await, TargetState::AwaitingSeat);
        settle(SeatState::Assigning, SeatState::Assigned).await;
        device.call(&server).await;
        assert_eq!(
            device.taken(),
            [("Add", FAMILY), ("Exec", "StoreInstall")].map(|(v, n)| (v.to_owned(), n.to_owned()))
        );
    }
}

#[tokio::test]
async fn a_client_keeps_the_name_of_its_first_session() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.dm_id = "urn:uuid:another-name".to_owned();
        assert!(device.call(&server).await > 1);
        assert_eq!(device.call(&server).await, 1, "{}", server.engine);
        device.dm_id = "DEVICE-1".to_owned();
        assert!(matches!(
            device.post(&server, &device.first(vec![])).await,
            Err(CheckInError::ForeignSource)
        ));
    }
}
