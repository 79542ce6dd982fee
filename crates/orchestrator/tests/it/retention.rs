//! Growth has an end, and what lives is never touched.

use crate::admin::server::{DAY, Server, is_missing, servers};
use qm_core::{
    AuditId, PageRequest, Sha256,
    access::AuditEntry,
    app::LicenseKind,
    deployment::TargetState,
    device::{Device, EndReason},
    seat::SeatState,
};
use std::{
    collections::BTreeMap,
    fs::File,
    time::{Duration, UNIX_EPOCH},
};

async fn end(server: &Server, device: &Device) {
    let now = server.clock.now();
    let mut tx = server.db.begin("test").await.unwrap();
    qm_db::devices::end(&mut tx, device.id, EndReason::Revoked, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Live targets wait for ever, so that nothing but retention could take them away.
async fn without_deadlines(server: &Server) {
    let forever = "UPDATE targets SET deadline = NULL";
    server.db.execute_raw(forever).await.unwrap();
}

async fn counts(server: &Server, deployment: qm_core::DeploymentId) -> Option<BTreeMap<TargetState, i64>> {
    let mut conn = server.db.read().await.unwrap();
    qm_db::deployments::find(&mut conn, deployment).await.unwrap()?;
    Some(qm_db::deployments::counts(&mut conn, deployment).await.unwrap())
}

#[tokio::test]
async fn a_finished_deployment_goes_after_its_time_but_for_what_still_needs_a_seat() {
    for server in servers().await {
        let notes = server.app("Notes", LicenseKind::Online).await;
        let names = ["ann", "bob", "cid"];
        let mut devices = Vec::new();
        for name in names {
            devices.push(server.device(name, &format!("{name}@example.com")).await);
        }
        let held = server
            .deployed(
                &notes,
                &[
                    (&devices[0], TargetState::Installed),
                    (&devices[1], TargetState::Failed),
                ],
            )
            .await;
        let seat = server
            .seat(&notes, "ann@example.com", SeatState::Assigned, &[&held[0]])
            .await;
        let done = server
            .deployed(&notes, &[(&devices[1], TargetState::Cancelled)])
            .await;
        let live = server
            .deployed(&notes, &[(&devices[2], TargetState::Queued)])
            .await;
        without_deadlines(&server).await;
        server.clock.advance(364 * DAY);
        server.orchestrator.run_schedule().await.unwrap();
        assert!(counts(&server, done[0].deployment_id).await.is_some(), "not yet");

        server.clock.advance(2 * DAY);
        server.orchestrator.run_schedule().await.unwrap();
        let at = server.engine;
        assert_eq!(counts(&server, done[0].deployment_id).await, None, "{at}");
        assert_eq!(
            counts(&server, held[0].deployment_id).await,
            Some(BTreeMap::from([(TargetState::Installed, 1)])),
            "{at}: counts follow what went"
        );
        assert_eq!(
            counts(&server, live[0].deployment_id).await,
            Some(BTreeMap::from([(TargetState::Queued, 1)])),
            "{at}"
        );
        assert_eq!(server.seat_state(seat).await.0, SeatState::Assigned, "{at}");
        let mut conn = server.db.read().await.unwrap();
        let reasons = qm_db::seats::reasons_of(&mut conn, seat).await.unwrap();
        assert_eq!(reasons, [held[0].id], "{at}");
    }
}

#[tokio::test]
async fn a_device_that_left_goes_with_all_that_hangs_on_it_unless_it_holds_something() {
    for server in servers().await {
        let notes = server.app("Notes", LicenseKind::Online).await;
        let stays = server.device("stays", "ann@example.com").await;
        let gone = server.device("gone", "bob@example.com").await;
        let holds = server.device("holds", "cid@example.com").await;
        let busy = server.device("busy", "dee@example.com").await;
        let installed = [&stays, &gone, &holds].map(|device| (device, TargetState::Installed));
        let targets = server.deployed(&notes, &installed).await;
        server
            .seat(&notes, "cid@example.com", SeatState::Assigned, &[&targets[2]])
            .await;
        server.deployed(&notes, &[(&busy, TargetState::Queued)]).await;
        without_deadlines(&server).await;
        for device in [&gone, &holds, &busy] {
            end(&server, device).await;
        }
        server.clock.advance(89 * DAY);
        server.orchestrator.run_schedule().await.unwrap();
        assert!(server.orchestrator.device(gone.id).await.is_ok(), "not yet");

        server.clock.advance(2 * DAY);
        server.orchestrator.run_schedule().await.unwrap();
        let at = server.engine;
        assert!(is_missing(server.orchestrator.device(gone.id).await), "{at}");
        for device in [&stays, &holds, &busy] {
            assert!(
                server.orchestrator.device(device.id).await.is_ok(),
                "{at}: {}",
                device.name
            );
        }
        assert_eq!(
            counts(&server, targets[0].deployment_id).await,
            Some(BTreeMap::from([(TargetState::Installed, 2)])),
            "{at}"
        );
    }
}

#[tokio::test]
async fn a_backlog_is_worked_off_in_many_transactions_at_once() {
    for server in servers().await {
        let old = server.clock.now();
        let mut tx = server.db.begin("test").await.unwrap();
        for n in 0..1700 {
            let entry = AuditEntry {
                id: AuditId::new(old, &server.rng),
                at: old,
                actor: "test".to_owned(),
                action: "device.leave".to_owned(),
                object: n.to_string(),
                detail: "{}".to_owned(),
                source: None,
            };
            qm_db::audit::insert(&mut tx, &entry).await.unwrap();
        }
        tx.commit().await.unwrap();
        server.clock.advance(364 * DAY);
        server.orchestrator.run_schedule().await.unwrap();
        let page = PageRequest::first(10);
        assert_eq!(
            server.orchestrator.audit_trail(page).await.unwrap().items.len(),
            10
        );
        server.clock.advance(2 * DAY);
        server.orchestrator.run_schedule().await.unwrap();
        let left = server.orchestrator.audit_trail(page).await.unwrap().items;
        assert_eq!(left, [], "{}", server.engine);
    }
}

/// Content as it is in the folder some time after it was stored.
async fn stored(server: &Server, bytes: &[u8]) -> Sha256 {
    let mut writer = server.content.writer().await.unwrap();
    writer.write(bytes).await.unwrap();
    let sha256 = writer.finish(None, None).await.unwrap().sha256;
    age(server, &sha256);
    sha256
}

/// Files are written by the system's clock, which the test does not move.
fn age(server: &Server, sha256: &Sha256) {
    let now = u64::try_from(server.clock.now().as_millis()).unwrap();
    let file = File::options()
        .write(true)
        .open(server.content.path(sha256))
        .unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_millis(now))
        .unwrap();
}

#[tokio::test]
async fn content_that_nothing_names_goes_when_no_link_to_it_works_any_more() {
    for server in servers().await {
        // The package of the app is the content of the same bytes.
        server.offline_app("Notes").await;
        let named = stored(&server, b"package").await;
        let unused = stored(&server, b"unused").await;
        let young = stored(&server, b"young").await;
        let here = async |sha256: &Sha256| server.content.contains(sha256).await.unwrap();

        server.clock.advance(2 * DAY);
        server.orchestrator.run_schedule().await.unwrap();
        assert!(here(&unused).await, "found unused, but links may be under way");
        server.clock.advance(2 * DAY);
        age(&server, &young);
        server.orchestrator.run_schedule().await.unwrap();
        let at = server.engine;
        assert!(!here(&unused).await, "{at}");
        assert!(here(&young).await, "{at}: stored again a moment ago");
        assert!(here(&named).await, "{at}");
    }
}
