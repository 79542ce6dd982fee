//! Administrators who ask for things at the same time, on servers that share a database.

use crate::admin::server::{Server, servers};
use futures_util::future::join_all;
use qm_core::{
    AppId, DeviceId,
    app::LicenseKind,
    deployment::{Context, Intent, Target, TargetState},
    device::EndReason,
    seat::SeatState,
};
use qm_orchestrator::deployments::{Control, Request};
use std::time::Duration;

fn order(app_id: AppId, intent: Intent, device_ids: &[DeviceId]) -> Request {
    Request {
        app_id,
        intent,
        context: Context::Device,
        device_ids: device_ids.to_vec(),
        group_ids: Vec::new(),
        upns: Vec::new(),
    }
}

/// Live targets by device: how many there are of each.
async fn live(server: &Server, app: AppId, devices: &[DeviceId]) -> Vec<usize> {
    let mut conn = server.db.read().await.unwrap();
    let live = qm_db::targets::live_of_app(&mut conn, app, devices)
        .await
        .unwrap();
    let of = |device: &DeviceId| live.iter().filter(|target| target.device_id == *device).count();
    devices.iter().map(of).collect()
}

#[tokio::test]
async fn deployments_of_one_app_at_the_same_time_are_all_accepted() {
    for server in servers().await {
        let app = server.offline_app("Notes").await;
        let mut devices = Vec::new();
        for n in 0..5 {
            devices.push(server.device(&format!("PC-{n}"), "mara@fabrik.example").await.id);
        }
        for round in 0..5 {
            let orders = (0..6).map(|n| {
                let intent = if n % 2 == 0 {
                    Intent::Required
                } else {
                    Intent::Uninstall
                };
                server
                    .orchestrator
                    .create_deployment(&server.caller, order(app.id, intent, &devices))
            });
            for outcome in join_all(orders).await {
                outcome.unwrap_or_else(|error| panic!("{} in round {round}: {error}", server.engine));
            }
            assert_eq!(live(&server, app.id, &devices).await, [1; 5], "{}", server.engine);
        }
    }
}

/// Lets a device move its target while `order` is under way, which has seen the target as it was before.
async fn while_a_device_moves<T>(server: &Server, target: &Target, order: impl Future<Output = T>) -> T {
    let mut tx = server.db.begin("test").await.unwrap();
    let sent = Target {
        state: TargetState::Sent,
        ..target.clone()
    };
    assert!(
        qm_db::targets::update(&mut tx, &sent, target.state)
            .await
            .unwrap()
    );
    let commits = async {
        // Time for the order to read; the outcome is the same without it.
        tokio::time::sleep(Duration::from_millis(100)).await;
        tx.commit().await.unwrap();
    };
    futures_util::join!(order, commits).0
}

#[tokio::test]
async fn a_target_that_its_device_moves_meanwhile_is_overtaken_all_the_same() {
    for server in servers().await {
        let app = server.offline_app("Notes").await;
        let device = server.device("PC-1", "mara@fabrik.example").await;
        let older = server
            .deployed(&app, &[(&device, TargetState::Queued)])
            .await
            .remove(0);
        let newer = order(app.id, Intent::Uninstall, &[device.id]);
        let newer = server.orchestrator.create_deployment(&server.caller, newer);
        let newer = Box::pin(while_a_device_moves(&server, &older, newer))
            .await
            .unwrap();
        assert_eq!(newer.counts[&TargetState::Queued], 1, "{}", server.engine);
        let mut conn = server.db.read().await.unwrap();
        let older = qm_db::targets::find(&mut conn, older.id).await.unwrap().unwrap();
        assert_eq!(older.state, TargetState::Cancelled);
        assert_eq!(older.error.unwrap().code, "overtaken");
    }
}

#[tokio::test]
async fn a_target_that_its_device_moves_meanwhile_is_cancelled_all_the_same() {
    for server in servers().await {
        let app = server.offline_app("Notes").await;
        let device = server.device("PC-1", "mara@fabrik.example").await;
        let target = server
            .deployed(&app, &[(&device, TargetState::Queued)])
            .await
            .remove(0);
        let cancel = Control::Cancel;
        let cancel = server
            .orchestrator
            .control_deployment(&server.caller, target.deployment_id, cancel);
        let cancelled = Box::pin(while_a_device_moves(&server, &target, cancel))
            .await
            .unwrap();
        assert_eq!(cancelled.counts[&TargetState::Cancelled], 1, "{}", server.engine);
        assert_eq!(live(&server, app.id, &[device.id]).await, [0]);
    }
}

/// On PostgreSQL neither sees the other; SQLite lets one wait for the other, and this is what it would look like.
#[tokio::test]
async fn what_is_deployed_to_a_device_while_it_leaves_is_cancelled_by_the_clock() {
    for server in servers().await {
        let app = server.app("Notes", LicenseKind::Online).await;
        let device = server.device("PC-1", "mara@fabrik.example").await;
        let target = server
            .deployed(&app, &[(&device, TargetState::AwaitingSeat)])
            .await
            .remove(0);
        let seat = server
            .seat(&app, "mara@fabrik.example", SeatState::Assigning, &[&target])
            .await;
        let mut tx = server.db.begin("test").await.unwrap();
        qm_db::devices::end(&mut tx, device.id, EndReason::User, server.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();

        server.orchestrator.run_schedule().await.unwrap();

        let mut conn = server.db.read().await.unwrap();
        let target = qm_db::targets::find(&mut conn, target.id).await.unwrap().unwrap();
        assert_eq!(target.state, TargetState::Cancelled, "{}", server.engine);
        assert_eq!(target.error.unwrap().code, "device_unenrolled");
        drop(conn);
        assert_eq!(server.seat_state(seat).await.0, SeatState::Reclaiming);
        assert!(server.has_seats_job(&app).await);
    }
}
