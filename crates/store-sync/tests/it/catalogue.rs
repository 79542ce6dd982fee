use crate::setup::{Setup, USERS, offline_key, online_key};
use qm_core::{
    Architecture,
    app::{AppState, LicenseKind, PackageRole},
    seat::SeatState,
};
use qm_db::{licenses, store_status::SyncState};
use qm_store_client::StoreError;
use qm_store_sim::{
    Fault, Operation, Ownership, SimConfig,
    catalogue::{DEMO_OFFLINE, demo, many},
};
use qm_store_sync::{Mode, SyncError};
use std::time::Duration;

#[tokio::test]
async fn a_full_walk_brings_the_whole_catalogue() {
    let setup = Setup::new(5).await;
    let report = setup.full().await;
    assert_eq!((report.products, report.added.len(), report.licenses), (2, 2, 1));
    assert_eq!(report.failures, []);

    let online = setup.online().await;
    assert_eq!(
        (online.name.as_str(), online.license),
        ("Tern Sketch", LicenseKind::Online)
    );
    let seats = online.seats.unwrap();
    assert_eq!(
        (seats.total, seats.assigned, seats.available),
        (Some(5), 0, Some(5))
    );
    assert!(
        online
            .package_family_name
            .unwrap()
            .starts_with("Saltmarsh.TernSketch_")
    );
    assert!(setup.content.contains(&online.icon.unwrap()).await.unwrap());

    let offline = setup.offline().await;
    assert_eq!((offline.license, offline.seats), (LicenseKind::Offline, None));
    assert_eq!(offline.publisher.as_deref(), Some("Saltmarsh Software"));
    let packages = setup.packages(offline.id).await;
    let main = packages
        .iter()
        .find(|package| package.role == PackageRole::Main)
        .unwrap();
    assert!(main.bundle && main.sha256.is_none() && main.file_name.ends_with(".msixbundle"));
    assert_eq!(main.architectures, [Architecture::X86, Architecture::X64]);
    assert!(main.size > 0 && !main.families.is_empty());
    assert_eq!((packages.len(), main.frameworks.len()), (3, 2));
    let mut conn = setup.db.read().await.unwrap();
    let content_id = main.content_id.as_deref().unwrap();
    let license = licenses::find(&mut conn, offline.id, content_id)
        .await
        .unwrap()
        .unwrap();
    assert!(license.instance_id.is_some() && !license.blob.expose().is_empty());

    let status = setup.status().await;
    assert_eq!(
        (status.state, status.products, status.last_error),
        (SyncState::Idle, 2, None)
    );
    assert!(status.last_success_at.is_some() && status.modified_since.is_some());
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn a_second_walk_changes_nothing_and_fetches_no_license_again() {
    let setup = Setup::new(5).await;
    setup.full().await;
    let before = (
        setup.online().await.id,
        setup.packages(setup.offline().await.id).await,
    );
    let report = setup.full().await;
    assert_eq!(
        (
            report.added.len(),
            report.changed.len(),
            report.removed.len(),
            report.licenses
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(
        before,
        (
            setup.online().await.id,
            setup.packages(setup.offline().await.id).await
        )
    );
    setup.clock.advance(Duration::from_hours(31 * 24));
    assert_eq!(setup.full().await.licenses, 1);
}

#[tokio::test]
async fn walks_many_pages_and_odd_answers() {
    let mut products = demo(3).unwrap();
    products.extend(many(60));
    let setup = Setup::with(SimConfig {
        products,
        ..SimConfig::default()
    })
    .await;
    for fault in [
        Fault::MixedCase,
        Fault::NumbersAsStrings,
        Fault::ByteOrderMark,
        Fault::UnknownFields,
    ] {
        setup.sim.inject(fault.always());
    }
    let report = setup.full().await;
    assert_eq!(
        (report.products, report.added.len(), report.failures),
        (62, 62, vec![])
    );
    assert!(setup.sim.peak_in_flight() <= 3, "{}", setup.sim.peak_in_flight());
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn only_a_whole_walk_finds_what_is_gone() {
    let setup = Setup::new(5).await;
    setup.full().await;
    setup.sim.set_ownership(&online_key(), Ownership::NotOwned);
    let report = setup.sync.synchronize(Mode::Incremental).await.unwrap();
    assert_eq!(report.removed, []);
    let report = setup.full().await;
    let online = setup.online().await;
    assert_eq!(
        (report.removed, online.state),
        (vec![online.id], AppState::Removed)
    );
    assert_eq!(
        setup.packages(online.id).await.len(),
        1,
        "what was synchronized stays"
    );

    setup.sim.set_ownership(&online_key(), Ownership::Active);
    assert_eq!(setup.full().await.added, [online.id]);
    assert_eq!(setup.online().await.state, AppState::Available);
}

#[tokio::test]
async fn an_entry_shown_as_removed_is_withdrawn_at_once() {
    let setup = Setup::new(5).await;
    setup.full().await;
    setup.clock.advance(Duration::from_hours(1));
    setup.sim.set_ownership(&offline_key(), Ownership::Removed);
    let report = setup.sync.synchronize(Mode::Incremental).await.unwrap();
    let offline = setup.offline().await;
    assert_eq!(
        (report.removed, offline.state),
        (vec![offline.id], AppState::Removed)
    );
    assert_eq!(setup.online().await.state, AppState::Available);
}

#[tokio::test]
async fn an_incremental_walk_asks_only_for_what_changed() {
    let setup = Setup::new(5).await;
    // Walks overlap, so the first one has to be some time after the products came.
    setup.clock.advance(Duration::from_hours(1));
    setup.full().await;
    setup.clock.advance(Duration::from_hours(6));
    setup.sim.update_product(&online_key(), |product| {
        product.texts.get_mut("en-us").unwrap().name = "Tern Sketch Pro".to_owned();
    });
    let mark = setup.status().await.modified_since.unwrap();
    let asked = setup.sim.count(Operation::ProductDetails);
    let report = setup.sync.synchronize(Mode::Incremental).await.unwrap();
    assert_eq!((report.products, report.changed.len()), (1, 1));
    assert_eq!(setup.sim.count(Operation::ProductDetails), asked + 1);
    assert_eq!(setup.online().await.name, "Tern Sketch Pro");
    assert!(setup.status().await.modified_since.unwrap() > mark);
}

#[tokio::test]
async fn a_bad_product_is_reported_and_fails_nothing_else() {
    let setup = Setup::new(5).await;
    setup.sim.inject(
        Fault::status(500)
            .on(Operation::ProductDetails)
            .at(DEMO_OFFLINE.0)
            .always(),
    );
    setup.sim.inject(
        Fault::status(409)
            .on(Operation::Packages)
            .at(DEMO_OFFLINE.0)
            .always(),
    );
    let report = setup.full().await;
    assert_eq!((report.added.len(), report.failures.len()), (2, 2));
    assert!(
        report
            .failures
            .iter()
            .all(|failure| failure.key.product_id == DEMO_OFFLINE.0)
    );
    assert_eq!(setup.online().await.name, "Tern Sketch");
    assert_eq!(setup.offline().await.package_family_name, None);
    let status = setup.status().await;
    assert_eq!(
        (status.state, status.products, status.modified_since),
        (SyncState::Idle, 2, None)
    );
    assert!(status.last_error.unwrap().contains(DEMO_OFFLINE.0));

    setup.sim.clear_faults();
    let report = setup.sync.synchronize(Mode::Incremental).await.unwrap();
    assert_eq!(
        (report.changed.len(), report.failures.len()),
        (1, 0),
        "what failed for now is looked at again"
    );
    assert!(setup.offline().await.package_family_name.is_some());
}

#[tokio::test]
async fn an_outage_leaves_the_catalogue_as_it_is() {
    let setup = Setup::new(5).await;
    for fault in [
        Fault::status(503).always(),
        Fault::Html.always(),
        Fault::Redirect.always(),
        Fault::Drop.always(),
        Fault::status(403).on(Operation::ProductDetails).always(),
        Fault::status(410).on(Operation::Inventory).always(),
    ] {
        setup.full().await;
        let mark = setup.status().await.modified_since;
        setup.sim.inject(fault.clone());
        let error = setup.sync.synchronize(Mode::Full).await.unwrap_err();
        assert!(matches!(error, SyncError::Store(_)), "{fault:?}: {error}");
        setup.recover();
        let status = setup.status().await;
        assert_eq!(
            (status.state, status.modified_since),
            (SyncState::Failed, mark),
            "{fault:?}"
        );
        assert_eq!(status.last_error, Some(error.to_string()));
        assert_eq!(setup.online().await.state, AppState::Available, "{fault:?}");
        assert_eq!(setup.offline().await.state, AppState::Available, "{fault:?}");
    }
    setup.full().await;
    setup.sim.set_activated(false);
    let error = setup.sync.synchronize(Mode::Full).await.unwrap_err();
    assert!(matches!(error, SyncError::Store(StoreError::Forbidden(_))) && !error.is_transient());
}

#[tokio::test]
async fn a_service_that_fails_product_after_product_is_an_outage() {
    let setup = Setup::with(SimConfig {
        products: many(10),
        ..SimConfig::default()
    })
    .await;
    setup.full().await;
    setup
        .sim
        .inject(Fault::status(500).on(Operation::ProductDetails).always());
    let error = setup.sync.synchronize(Mode::Full).await.unwrap_err();
    assert!(matches!(&error, SyncError::Store(StoreError::Unavailable { .. })) && error.is_transient());
    assert_eq!(setup.status().await.products, 10);
}

#[tokio::test]
async fn packages_follow_the_store_and_uploads_stay() {
    let setup = Setup::new(5).await;
    setup.full().await;
    let offline = setup.offline().await;
    let mut uploaded = setup.packages(offline.id).await.remove(0);
    uploaded.store_package_id = None;
    uploaded.full_name = "Saltmarsh.Extra_1.0.0.0_x64__8wekyb3d8bbwe".to_owned();
    uploaded.id = qm_core::PackageId::new(setup.clock.now(), &qm_core::Rng::seeded(9));
    let mut tx = setup.db.begin("test").await.unwrap();
    qm_db::packages::upsert(&mut tx, &uploaded).await.unwrap();
    tx.commit().await.unwrap();
    setup.sim.update_product(&offline_key(), |product| {
        product.packages[0].frameworks.truncate(1);
    });
    setup.full().await;
    let packages = setup.packages(offline.id).await;
    assert_eq!(packages.len(), 3, "main, one framework, upload");
    assert!(
        packages
            .iter()
            .any(|package| package.full_name == uploaded.full_name)
    );
}

#[tokio::test]
async fn a_license_that_goes_by_another_id_is_asked_for_by_that_id() {
    let setup = Setup::new(5).await;
    let own = "0a1b2c3d-0000-4000-8000-00000000beef";
    let overwrite = Fault::Overwrite {
        field: "contentId".to_owned(),
        value: own.into(),
    };
    setup.sim.inject(overwrite.on(Operation::OfflineLicense).always());
    setup.full().await;
    for _ in 0..2 {
        let offline = setup.offline().await;
        let mains = setup.packages(offline.id).await;
        let main = mains
            .iter()
            .find(|package| package.role == PackageRole::Main)
            .unwrap();
        assert_eq!(main.content_id.as_deref(), Some(own));
        let mut conn = setup.db.read().await.unwrap();
        assert!(
            licenses::find(&mut conn, offline.id, own)
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(setup.full().await.licenses, 0);
    }
}

#[tokio::test]
async fn a_license_type_that_is_not_known_removes_nothing() {
    let setup = Setup::new(5).await;
    setup.full().await;
    let odd = Fault::Overwrite {
        field: "licenseType".to_owned(),
        value: "Leased".into(),
    };
    setup.sim.inject(odd.on(Operation::Inventory));
    let report = setup.full().await;
    assert_eq!(
        (report.failures.len(), report.changed.len(), report.removed.len()),
        (2, 0, 0)
    );
    assert_eq!(setup.online().await.state, AppState::Available);
}

#[tokio::test]
async fn an_entry_without_a_key_leaves_open_what_is_gone() {
    let setup = Setup::new(5).await;
    setup.full().await;
    let spoiled = Fault::Overwrite {
        field: "productKey".to_owned(),
        value: 7.into(),
    };
    setup.sim.inject(spoiled.on(Operation::Inventory));
    let report = setup.full().await;
    assert_eq!((report.unreadable, report.removed.len()), (2, 0));
    assert_eq!(setup.offline().await.state, AppState::Available);
}

#[tokio::test]
async fn a_seat_lost_at_the_store_is_asked_for_again_where_it_is_needed() {
    let setup = Setup::new(9).await;
    setup.full().await;
    let app = setup.online().await.id;
    setup.enter(app, SeatState::Assigned, &USERS[..2]).await;
    // A reason without the deployment around it.
    setup.db.execute_raw("PRAGMA foreign_keys = OFF").await.unwrap();
    let reason = "INSERT INTO seat_reasons (seat_id, target_id) SELECT id, randomblob(16) FROM seats WHERE upn LIKE 'ann%'";
    assert_eq!(setup.db.execute_raw(reason).await.unwrap(), 1);
    let report = setup.sync.synchronize(Mode::Reconcile).await.unwrap();
    assert_eq!((report.seats_lost, report.seat_work), (2, vec![app]));
    assert_eq!(setup.seat_state(app, USERS[0]).await, SeatState::Assigning);
    assert_eq!(setup.seat_state(app, USERS[1]).await, SeatState::Reclaimed);
}

#[tokio::test]
async fn the_operations_can_run_in_tasks_of_their_own() {
    let setup = Setup::new(5).await;
    let sync = setup.sync.clone();
    let report = tokio::spawn(async move { sync.synchronize(Mode::Reconcile).await })
        .await
        .unwrap();
    assert_eq!(report.unwrap().products, 2);
    let (sync, app) = (setup.sync.clone(), setup.online().await.id);
    let packages: Vec<_> = setup
        .packages(app)
        .await
        .iter()
        .map(|package| package.id)
        .collect();
    let task = tokio::spawn(async move {
        (
            sync.seat_round(app).await,
            sync.fetch_content(app, &packages).await,
        )
    });
    let (round, fetched) = task.await.unwrap();
    assert_eq!(
        (round.unwrap().changes.len(), fetched.unwrap().packages.len()),
        (0, 1)
    );
}

#[tokio::test]
async fn a_reconciliation_makes_the_ledger_agree_with_the_store() {
    let setup = Setup::new(9).await;
    setup.full().await;
    let app = setup.online().await.id;
    let [ann, bo, cleo, dan] = USERS;
    setup.sim.claim_seat(&online_key(), ann).unwrap();
    setup.sim.claim_seat(&online_key(), cleo).unwrap();
    setup.enter(app, SeatState::Reclaimed, &[cleo]).await;
    setup.enter(app, SeatState::Assigned, &[bo]).await;
    setup.enter(app, SeatState::Assigning, &[dan]).await;

    let report = setup.sync.synchronize(Mode::Reconcile).await.unwrap();
    assert_eq!((report.seats_found, report.seats_lost), (2, 1));
    assert_eq!(report.seat_work, [app]);
    let found = setup.seat(app, ann).await.unwrap();
    assert_eq!(
        (found.state, found.reason.as_str()),
        (SeatState::Assigned, "found at the Store")
    );
    assert_eq!(setup.seat_state(app, cleo).await, SeatState::Assigned);
    assert_eq!(setup.seat_state(app, bo).await, SeatState::Reclaimed);
    assert_eq!(setup.seat_state(app, dan).await, SeatState::Assigning);
    assert_eq!(setup.online().await.seats.unwrap().assigned, 2);
    assert_eq!(setup.status().await.seats_assigned, 2);
    assert_eq!(
        setup.sync.synchronize(Mode::Reconcile).await.unwrap().seats_found,
        0
    );
}
