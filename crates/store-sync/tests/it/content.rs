use crate::setup::{Setup, offline_key};
use qm_content::ContentError;
use qm_core::{
    PackageId,
    app::{App, Package, PackageRole},
};
use qm_db::licenses;
use qm_store_sim::{Fault, Operation};
use qm_store_sync::SyncError;
use std::time::Duration;

/// The synchronized offline app and its main package.
async fn offline() -> (Setup, App, PackageId) {
    let setup = Setup::new(2).await;
    setup.full().await;
    let app = setup.offline().await;
    let packages = setup.packages(app.id).await;
    let main = packages
        .iter()
        .find(|package| package.role == PackageRole::Main)
        .unwrap()
        .id;
    (setup, app, main)
}

async fn main_package(setup: &Setup, app: &App) -> Package {
    let packages = setup.packages(app.id).await;
    packages
        .into_iter()
        .find(|package| package.role == PackageRole::Main)
        .unwrap()
}

#[tokio::test]
async fn brings_a_package_with_its_frameworks() {
    let (setup, app, main) = offline().await;
    let fetched = setup.sync.fetch_content(app.id, &[main]).await.unwrap();
    assert_eq!(
        (
            fetched.packages.len(),
            fetched.present.len(),
            fetched.licenses.len()
        ),
        (3, 0, 0)
    );
    for package in setup.packages(app.id).await {
        let stored = setup.content.size(&package.sha256.unwrap()).await.unwrap();
        assert_eq!(stored, u64::try_from(package.size).ok());
    }
    // An address is asked for right before each download.
    assert_eq!(
        (
            setup.sim.count(Operation::Package),
            setup.sim.count(Operation::Content)
        ),
        (3, 3)
    );
    let again = setup.sync.fetch_content(app.id, &[main]).await.unwrap();
    assert_eq!((again.packages.len(), again.present.len()), (0, 3));
    assert_eq!(setup.sim.count(Operation::Content), 3);
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn content_survives_another_walk() {
    let (setup, app, main) = offline().await;
    setup.sync.fetch_content(app.id, &[main]).await.unwrap();
    let before = main_package(&setup, &app).await;
    setup.full().await;
    assert_eq!(main_package(&setup, &app).await, before);
}

#[tokio::test]
async fn content_that_vanished_is_fetched_again() {
    let (setup, app, main) = offline().await;
    setup.sync.fetch_content(app.id, &[main]).await.unwrap();
    let sha256 = main_package(&setup, &app).await.sha256.unwrap();
    setup.content.delete(&sha256).await.unwrap();
    let fetched = setup.sync.fetch_content(app.id, &[main]).await.unwrap();
    assert_eq!((fetched.packages, fetched.present.len()), (vec![main], 2));
    assert!(setup.content.contains(&sha256).await.unwrap());
}

#[tokio::test]
async fn a_missing_license_comes_along() {
    let (setup, app, main) = offline().await;
    setup.db.execute_raw("DELETE FROM licenses").await.unwrap();
    let fetched = setup.sync.fetch_content(app.id, &[main]).await.unwrap();
    let content_id = main_package(&setup, &app).await.content_id.unwrap();
    assert_eq!(fetched.licenses, std::slice::from_ref(&content_id));
    let mut conn = setup.db.read().await.unwrap();
    assert!(
        licenses::find(&mut conn, app.id, &content_id)
            .await
            .unwrap()
            .is_some()
    );
    drop(conn);
    setup.sync.fetch_license(app.id, &content_id).await.unwrap();
    assert!(matches!(
        setup
            .sync
            .fetch_license(app.id, "00000000-0000-4000-8000-000000000000")
            .await,
        Err(SyncError::NoLicense(_))
    ));
}

#[tokio::test]
async fn a_lapsed_address_is_asked_for_once_more() {
    let (setup, app, main) = offline().await;
    setup
        .sim
        .inject(Fault::AddressesLast(Duration::ZERO).on(Operation::Package));
    assert_eq!(
        setup
            .sync
            .fetch_content(app.id, &[main])
            .await
            .unwrap()
            .packages
            .len(),
        3
    );
    assert_eq!(setup.sim.count(Operation::Package), 4);

    let (setup, app, main) = offline().await;
    setup.sim.inject(
        Fault::AddressesLast(Duration::ZERO)
            .on(Operation::Package)
            .always(),
    );
    let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
    assert!(
        matches!(error, SyncError::Download(_)) && error.is_transient(),
        "{error}"
    );
    assert_eq!(
        setup.sim.count(Operation::Package),
        6,
        "twice for each of three files"
    );
    assert_eq!(main_package(&setup, &app).await.sha256, None);
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    for fault in [Fault::Truncated, Fault::ExpiresMidway] {
        let (setup, app, main) = offline().await;
        setup.sim.inject(fault.on(Operation::Content));
        assert_eq!(
            setup
                .sync
                .fetch_content(app.id, &[main])
                .await
                .unwrap()
                .packages
                .len(),
            3
        );
        let partial = setup
            .sim
            .requests()
            .into_iter()
            .filter(|request| request.status == Some(206))
            .count();
        assert_eq!(partial, 1);
        setup.sim.assert_no_violations();
    }
}

#[tokio::test]
async fn damaged_files_are_fetched_again_once() {
    for fault in [Fault::Corrupted, Fault::Short] {
        let (setup, app, main) = offline().await;
        setup.sim.inject(fault.clone().on(Operation::Content));
        assert_eq!(
            setup
                .sync
                .fetch_content(app.id, &[main])
                .await
                .unwrap()
                .packages
                .len(),
            3,
            "{fault:?}"
        );
    }
    let (setup, app, main) = offline().await;
    setup.sim.inject(Fault::Corrupted.on(Operation::Content).always());
    let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
    assert!(
        matches!(error, SyncError::Content(ContentError::Digest { .. })),
        "{error}"
    );
    assert!(
        setup
            .packages(app.id)
            .await
            .iter()
            .all(|package| package.sha256.is_none())
    );
}

#[tokio::test]
async fn what_is_listed_with_a_wrong_size_or_hash_is_refused() {
    for fault in [Fault::WrongSize, Fault::WrongHash] {
        let (setup, app, main) = offline().await;
        setup.sim.inject(fault.clone().always());
        let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
        assert!(matches!(error, SyncError::Content(_)), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn another_package_than_listed_is_refused() {
    let (setup, app, main) = offline().await;
    let framework = setup
        .sim
        .products()
        .into_iter()
        .find(|product| product.key == offline_key())
        .unwrap();
    let framework = framework.packages[0].frameworks[0].clone();
    setup.sim.update_product(&offline_key(), |product| {
        let file = &mut product.packages[0].file;
        file.content = framework.content.clone();
        file.hash.clone_from(&framework.hash);
    });
    let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
    assert!(
        matches!(&error, SyncError::WrongPackage { .. }) && !error.is_transient(),
        "{error}"
    );
    assert_eq!(main_package(&setup, &app).await.sha256, None);
    assert!(
        setup
            .packages(app.id)
            .await
            .iter()
            .filter(|p| p.role == PackageRole::Framework)
            .all(|p| p.sha256.is_some())
    );
}

#[tokio::test]
async fn noise_without_a_hash_is_refused() {
    let (setup, app, main) = offline().await;
    setup.sim.update_product(&offline_key(), |product| {
        let file = &mut product.packages[0].file;
        file.content = vec![b'x'; file.content.len()].into();
    });
    let no_hash = Fault::Overwrite {
        field: "fileHash".to_owned(),
        value: "unreadable".into(),
    };
    setup.sim.inject(no_hash.on(Operation::Package).always());
    let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
    assert!(matches!(&error, SyncError::Unreadable { .. }), "{error}");
    assert_eq!(main_package(&setup, &app).await.sha256, None);
}

#[tokio::test]
async fn packages_that_cannot_be_had_are_told() {
    let (setup, app, main) = offline().await;
    setup.sim.inject(Fault::NoAddresses.always());
    let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
    assert!(matches!(error, SyncError::NoAddress(_)), "{error}");
    setup.sim.clear_faults();
    setup
        .sim
        .update_product(&offline_key(), |product| product.packages.clear());
    let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
    assert!(matches!(error, SyncError::PackageGone(_)), "{error}");
    let nothing = PackageId::new(setup.clock.now(), &qm_core::Rng::seeded(1));
    let error = setup.sync.fetch_content(app.id, &[nothing]).await.unwrap_err();
    assert!(matches!(error, SyncError::UnknownPackage(_)), "{error}");
}

#[tokio::test]
async fn a_dead_content_host_is_transient() {
    let (setup, app, main) = offline().await;
    setup.sim.stop_content_host();
    let error = setup.sync.fetch_content(app.id, &[main]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}
