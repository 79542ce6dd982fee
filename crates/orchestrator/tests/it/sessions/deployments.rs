//! Deployments, as the device sees them.

use super::alert;
use crate::{
    admin::server::{DAY, Server, servers},
    device::TestDevice,
};
use qm_core::{
    PageRequest,
    app::LicenseKind,
    deployment::{Context, Intent, TargetState},
    job::JobKind,
    seat::SeatState,
};
use qm_db::seats;
use qm_orchestrator::deployments::{Control, Request as Deploy};
use std::time::Duration;

const FAMILY: &str = "Notes_0000000000000";

async fn deploy(server: &Server, device: &TestDevice, intent: Intent) -> qm_core::DeploymentId {
    let _ = device;
    server.clock.advance(Duration::from_millis(1));
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
async fn a_retry_leaves_alone_what_was_never_begun_where_a_newer_deployment_wants_something_else() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        server.offline_app("Notes").await;
        let first = deploy(&server, &device, Intent::Required).await;
        let double = deploy(&server, &device, Intent::Required).await;
        let removal = deploy(&server, &device, Intent::Uninstall).await;
        let control = |id, c| server.orchestrator.control_deployment(&server.caller, id, c);
        control(removal, Control::Cancel).await.unwrap();
        for old in [first, double] {
            let before = state(&server, old).await;
            control(old, Control::Retry).await.unwrap();
            assert_eq!(state(&server, old).await, before, "{}", server.engine);
        }
        let newest = deploy(&server, &device, Intent::Required).await;
        control(newest, Control::Cancel).await.unwrap();
        control(newest, Control::Retry).await.unwrap();
        assert_eq!(state(&server, newest).await, TargetState::Queued);
    }
}

#[tokio::test]
async fn a_seat_stays_until_an_installation_that_was_overtaken_is_removed() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.call(&server).await;
        let app = server.app("Notes", LicenseKind::Online).await;
        for given_up in [true, false] {
            deploy(&server, &device, Intent::Required).await;
            let seat = async || {
                let mut conn = server.db.read().await.unwrap();
                let seat = seats::find(&mut conn, app.id, "mara@fabrik.example").await;
                seat.unwrap().unwrap()
            };
            let mut tx = server.db.begin("test").await.unwrap();
            let (from, to) = (SeatState::Assigning, SeatState::Assigned);
            let moved =
                seats::set_state(&mut tx, seat().await.id, from, to, "test", server.clock.now()).await;
            assert!(moved.unwrap());
            tx.commit().await.unwrap();
            server.orchestrator.run_due_jobs(&[JobKind::Seats]).await.unwrap();
            device.call(&server).await;
            let removal = deploy(&server, &device, Intent::Uninstall).await;
            assert_eq!(
                seat().await.state,
                SeatState::Assigned,
                "{}: the device may still be installing it",
                server.engine
            );
            if given_up {
                let control = |c| server.orchestrator.control_deployment(&server.caller, removal, c);
                control(Control::Cancel).await.unwrap();
            } else {
                device.call(&server).await;
                device.call(&server).await;
                assert_eq!(state(&server, removal).await, TargetState::Removed);
            }
            assert_eq!(seat().await.state, SeatState::Reclaiming);
        }
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
