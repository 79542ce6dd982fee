//! Devices: lists, commands, messages, and their end.

use super::server::{DAY, NOW, field, is_conflict, is_missing, server, servers};
use qm_core::{
    CommandId, DeviceId, ExchangeId, PageRequest, SessionRowId, Sha256,
    app::LicenseKind,
    command::CommandState,
    deployment::{Context, TargetState},
    device::{CertificateState, DeviceState, EndReason, InstalledApp},
    seat::SeatState,
    session::SessionRow,
};
use qm_orchestrator::{UseCaseError, commands::Request, devices::Filter};
use std::time::Duration;

#[tokio::test]
async fn devices_are_found_by_user_state_and_text() {
    for server in servers().await {
        let ada = server.device("LARCH-1", "ada@example.com").await;
        let bob = server.device("LARCH-2", "bob@example.com").await;
        let list = async |upn: Option<&str>, state: Option<&str>, q: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let filter = Filter {
                upn: text(upn),
                state: text(state),
                q: text(q),
            };
            let page = server
                .orchestrator
                .devices(filter, PageRequest::first(10))
                .await?;
            Ok::<_, UseCaseError>(
                page.items
                    .iter()
                    .map(|detail| detail.device.id)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            list(Some("ADA@example.com"), Some("enrolled"), None)
                .await
                .unwrap(),
            [ada.id]
        );
        assert_eq!(
            list(None, None, Some("larch-2")).await.unwrap(),
            [bob.id],
            "{}",
            server.engine
        );
        assert_eq!(list(None, Some("unenrolled"), None).await.unwrap(), []);
        assert_eq!(field(list(None, Some("gone"), None).await), "state");
        assert_eq!(field(list(None, None, Some("a\u{0}b")).await), "q");
        let detail = server.orchestrator.device(ada.id).await.unwrap();
        assert_eq!(detail.certificate.unwrap().device_id, ada.id);
        assert!(is_missing(
            server.orchestrator.device(DeviceId::new(NOW, &server.rng)).await
        ));
    }
}

#[tokio::test]
async fn a_device_is_asked_to_leave_before_it_is_forced() {
    for server in servers().await {
        let device = server.device("LARCH-1", "ada@example.com").await;
        server
            .orchestrator
            .remove_device(&server.caller, device.id, false)
            .await
            .unwrap();
        let detail = server.orchestrator.device(device.id).await.unwrap();
        assert_eq!(detail.device.state, DeviceState::Leaving, "{}", server.engine);
        assert_eq!(detail.certificate.unwrap().state, CertificateState::Active);

        server
            .orchestrator
            .remove_device(&server.caller, device.id, true)
            .await
            .unwrap();
        let detail = server.orchestrator.device(device.id).await.unwrap();
        assert_eq!(
            (detail.device.state, detail.device.end_reason),
            (DeviceState::Ended, Some(EndReason::Revoked))
        );
        assert_eq!(detail.certificate.unwrap().state, CertificateState::Revoked);
        for force in [false, true] {
            assert!(is_conflict(
                server
                    .orchestrator
                    .remove_device(&server.caller, device.id, force)
                    .await
            ));
        }
        let unknown = DeviceId::new(NOW, &server.rng);
        assert!(is_missing(
            server
                .orchestrator
                .remove_device(&server.caller, unknown, true)
                .await
        ));
        let object = device.id.to_string();
        let expected = [
            ("device.revoke".to_owned(), object.clone()),
            ("device.unenroll".to_owned(), object),
        ];
        let mut trail = server.trail().await;
        trail.sort();
        assert_eq!(trail, expected);
    }
}

#[tokio::test]
async fn a_forced_device_leaves_nothing_behind() {
    for server in servers().await {
        let device = server.device("LARCH-1", "ada@example.com").await;
        let twin = server.device("LARCH-2", "ada@example.com").await;
        let (notes, maps) = (
            server.app("Notes", LicenseKind::Online).await,
            server.app("Maps", LicenseKind::Online).await,
        );
        let states = [
            (&device, TargetState::Installed),
            (&twin, TargetState::Installing),
        ];
        let shared = server.deployed(&notes, &states).await;
        let own = server.deployed(&maps, &[(&device, TargetState::Sent)]).await;
        let shared_seat = server
            .seat(
                &notes,
                "ada@example.com",
                SeatState::Assigned,
                &[&shared[0], &shared[1]],
            )
            .await;
        let own_seat = server
            .seat(&maps, "ada@example.com", SeatState::Assigned, &[&own[0]])
            .await;
        let command = server
            .orchestrator
            .queue_command(&server.caller, device.id, get())
            .await
            .unwrap();
        let session = SessionRow {
            id: SessionRowId::new(NOW, &server.rng),
            device_id: device.id,
            session_id: "7".to_owned(),
            last_msg_id: 1,
            request_digest: Sha256([1; 32]),
            opened_digest: None,
            response: vec![1],
            state: "{}".to_owned(),
            updated_at: NOW,
        };
        let mut tx = server.db.begin("test").await.unwrap();
        qm_db::sessions::upsert(&mut tx, &session).await.unwrap();
        tx.commit().await.unwrap();

        server
            .orchestrator
            .remove_device(&server.caller, device.id, true)
            .await
            .unwrap();

        let command = server.orchestrator.command(device.id, command.id).await.unwrap();
        assert_eq!(command.state, CommandState::Cancelled, "{}", server.engine);
        let mut conn = server.db.read().await.unwrap();
        assert_eq!(
            qm_db::sessions::find(&mut conn, device.id, "7").await.unwrap(),
            None
        );
        let target = qm_db::targets::find(&mut conn, own[0].id).await.unwrap().unwrap();
        assert_eq!((target.state, target.deadline), (TargetState::Cancelled, None));
        assert_eq!(target.error.unwrap().code, "device_unenrolled");
        let counts = qm_db::deployments::counts(&mut conn, own[0].deployment_id)
            .await
            .unwrap();
        assert_eq!(counts, [(TargetState::Cancelled, 1)].into());
        let other = qm_db::targets::find(&mut conn, shared[1].id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(other, shared[1]);
        assert_eq!(
            qm_db::seats::reasons_of(&mut conn, shared_seat).await.unwrap(),
            [shared[1].id]
        );
        drop(conn);
        // The twin still needs the one seat; the other one goes back.
        assert_eq!(server.seat_state(shared_seat).await.0, SeatState::Assigned);
        let (state, reason) = server.seat_state(own_seat).await;
        assert_eq!(state, SeatState::Reclaiming);
        assert!(reason.contains("LARCH-1"), "{reason}");
        assert!(server.has_seats_job(&maps).await && !server.has_seats_job(&notes).await);

        server
            .orchestrator
            .remove_device(&server.caller, twin.id, true)
            .await
            .unwrap();
        assert_eq!(server.seat_state(shared_seat).await.0, SeatState::Reclaiming);
        assert!(server.has_seats_job(&notes).await);
    }
}

#[tokio::test]
async fn an_enrollment_without_a_session_expires_like_any_other_end() {
    for server in servers().await {
        let device = server.device("LARCH-1", "ada@example.com").await;
        let notes = server.app("Notes", LicenseKind::Online).await;
        let targets = server
            .deployed(&notes, &[(&device, TargetState::AwaitingSeat)])
            .await;
        let seat = server
            .seat(&notes, "ada@example.com", SeatState::Assigning, &[&targets[0]])
            .await;
        server
            .db
            .execute_raw("UPDATE devices SET state = 'provisional'")
            .await
            .unwrap();
        server.clock.advance(DAY + Duration::from_mins(1));
        server.orchestrator.run_schedule().await.unwrap();
        let detail = server.orchestrator.device(device.id).await.unwrap();
        assert_eq!(
            detail.device.end_reason,
            Some(EndReason::Expired),
            "{}",
            server.engine
        );
        assert_eq!(detail.certificate.unwrap().state, CertificateState::Revoked);
        assert_eq!(server.seat_state(seat).await.0, SeatState::Reclaiming);
        assert!(server.has_seats_job(&notes).await);
        let page = PageRequest::first(10);
        let trail = server.orchestrator.audit_trail(page).await.unwrap().items;
        let [entry] = trail.as_slice() else {
            panic!("{trail:?}")
        };
        assert_eq!(
            (entry.actor.as_str(), entry.action.as_str()),
            ("system", "device.leave")
        );
        assert_eq!(
            (entry.object.clone(), entry.source.as_ref()),
            (device.id.to_string(), None)
        );
    }
}

fn get() -> Request {
    Request {
        verb: "get".to_owned(),
        uri: "./DevDetail/SwV".to_owned(),
        ..Request::default()
    }
}

#[tokio::test]
async fn commands_are_queued_for_enrolled_devices_only() {
    for server in servers().await {
        let device = server.device("LARCH-1", "ada@example.com").await;
        let other = server.device("LARCH-2", "bob@example.com").await;
        let queue = async |id| server.orchestrator.queue_command(&server.caller, id, get()).await;
        let command = queue(device.id).await.unwrap();
        assert_eq!(
            (command.state, command.expires_at),
            (CommandState::Queued, NOW + 30 * DAY)
        );
        assert_eq!(
            server.orchestrator.command(device.id, command.id).await.unwrap(),
            command,
            "{}",
            server.engine
        );
        assert!(is_missing(
            server.orchestrator.command(other.id, command.id).await
        ));
        let page = PageRequest::first(10);
        assert_eq!(
            server.orchestrator.commands(device.id, page).await.unwrap().items,
            std::slice::from_ref(&command)
        );
        assert_eq!(
            server.orchestrator.commands(other.id, page).await.unwrap().items,
            []
        );
        let unknown = DeviceId::new(NOW, &server.rng);
        assert!(is_missing(queue(unknown).await));
        assert!(is_missing(server.orchestrator.commands(unknown, page).await));
        assert_eq!(
            server.trail().await,
            [("command.create".to_owned(), command.id.to_string())]
        );
        server
            .orchestrator
            .remove_device(&server.caller, device.id, true)
            .await
            .unwrap();
        assert!(is_conflict(queue(device.id).await));
    }
}

#[tokio::test]
async fn a_queue_of_a_thousand_commands_is_full() {
    let db = qm_db::test_support::sqlite().await;
    let server = server("sqlite", db).await;
    let device = server.device("LARCH-1", "ada@example.com").await;
    let command = server
        .orchestrator
        .queue_command(&server.caller, device.id, get())
        .await
        .unwrap();
    let mut tx = server.db.begin("test").await.unwrap();
    for _ in 1..1000 {
        let id = CommandId::new(NOW, &server.rng);
        let copy = qm_core::command::Command {
            id,
            ..command.clone()
        };
        qm_db::commands::insert(&mut tx, &copy).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert!(is_conflict(
        server
            .orchestrator
            .queue_command(&server.caller, device.id, get())
            .await
    ));
}

#[tokio::test]
async fn exchanges_are_paged_from_new_to_old() {
    for server in servers().await {
        let device = server.device("LARCH-1", "ada@example.com").await;
        let mut rows = Vec::new();
        for msg_id in 1..=3 {
            server.clock.advance(Duration::from_secs(1));
            let at = server.clock.now();
            rows.push(qm_db::exchanges::Exchange {
                id: ExchangeId::new(at, &server.rng),
                device_id: device.id,
                session_id: "5".to_owned(),
                msg_id,
                request: "<SyncML/>".to_owned(),
                response: "<SyncML/>".to_owned(),
                at,
            });
        }
        let mut tx = server.db.begin("test").await.unwrap();
        qm_db::exchanges::insert(&mut tx, &rows).await.unwrap();
        tx.commit().await.unwrap();
        let first = server
            .orchestrator
            .exchanges(device.id, PageRequest::first(2))
            .await
            .unwrap();
        assert_eq!(
            first.items.iter().map(|e| e.msg_id).collect::<Vec<_>>(),
            [3, 2],
            "{}",
            server.engine
        );
        let page = PageRequest {
            limit: 2,
            after: first.next,
        };
        let second = server.orchestrator.exchanges(device.id, page).await.unwrap();
        assert_eq!(
            (second.items.len(), second.items[0].msg_id, second.next),
            (1, 1, None)
        );
        let unknown = DeviceId::new(NOW, &server.rng);
        assert!(is_missing(server.orchestrator.exchanges(unknown, page).await));
    }
}

#[tokio::test]
async fn a_device_s_apps_are_paged_by_name() {
    for server in servers().await {
        let device = server.device("LARCH-1", "ada@example.com").await;
        let app = |name: &str| InstalledApp {
            package_family_name: format!("{name}_0000000000000"),
            package_full_name: format!("{name}_1.0.0.0_x64__0000000000000"),
            version: "1.0.0.0".to_owned(),
            install_location: None,
            source: None,
            users: None,
            context: Context::User,
            provisioned: None,
        };
        let apps = [app("Larch.C"), app("Larch.A"), app("Larch.B")];
        let mut tx = server.db.begin("test").await.unwrap();
        qm_db::device_apps::replace(&mut tx, device.id, &[Context::User], &apps, NOW)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let (mut names, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let (apps, next) = server
                .orchestrator
                .device_apps(device.id, 2, cursor.as_deref())
                .await
                .unwrap();
            names.extend(
                apps.into_iter()
                    .map(|app| app.package_family_name.chars().nth(6).unwrap()),
            );
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(names, ['A', 'B', 'C'], "{}", server.engine);
        assert_eq!(
            field(server.orchestrator.device_apps(device.id, 2, Some("x")).await),
            "cursor"
        );
        let unknown = DeviceId::new(NOW, &server.rng);
        assert!(is_missing(
            server.orchestrator.device_apps(unknown, 2, None).await
        ));
    }
}
