//! Packages and the content host: what is listed, what arrives, and what becomes of it.

use crate::setup::{Setup, offline_key};
use qm_core::{
    PackageId,
    app::{App, Package},
};
use qm_store_sim::{Fault, FaultRule, Operation};
use qm_store_sync::SyncError;
use std::time::Duration;

async fn offline(setup: &Setup) -> (App, Vec<PackageId>) {
    let app = setup.offline().await;
    let packages = setup.packages(app.id).await;
    (app, packages.iter().map(|one| one.id).collect())
}

async fn arrived(setup: &Setup, app: &App) -> Vec<Package> {
    let packages = setup.packages(app.id).await;
    packages.into_iter().filter(|one| one.sha256.is_some()).collect()
}

#[tokio::test]
async fn an_empty_set_and_a_phone_package_leave_an_app_without_packages() {
    type Change = fn(&mut qm_store_sim::Product);
    let changes: [Change; 2] = [
        |product| product.packages.clear(),
        |product| {
            for package in &mut product.packages {
                package.file.full_name.clear();
                "Xap".clone_into(&mut package.file.format);
            }
        },
    ];
    for change in changes {
        for setup in Setup::on_each(5).await {
            setup.sim.update_product(&offline_key(), change);
            let report = setup.full().await;
            assert_eq!((report.products, report.failures), (2, vec![]));
            assert!(setup.packages(setup.offline().await.id).await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_package_without_an_address_is_told_and_the_others_come() {
    for setup in Setup::on_each(5).await {
        setup.sim.update_product(&offline_key(), |product| {
            product.packages[0].file.downloadable = false;
        });
        setup.full().await;
        let (app, files) = offline(&setup).await;
        let error = setup.sync.fetch_content(app.id, &files).await.unwrap_err();
        assert!(
            matches!(error, SyncError::NoAddress(_)) && !error.is_transient(),
            "{error}"
        );
        assert_eq!(arrived(&setup, &app).await.len(), 2);
    }
}

/// What befalls the content host once, and how many of its answers are partial then.
fn mishaps() -> Vec<(FaultRule, usize)> {
    let content = |fault: Fault| fault.on(Operation::Content);
    vec![
        (content(Fault::Truncated), 1),
        (content(Fault::ExpiresMidway), 1),
        (content(Fault::Short), 0),
        (content(Fault::Corrupted), 0),
        (content(Fault::Drop), 0),
        (content(Fault::status(403)), 0),
        (content(Fault::status(404)), 0),
        (content(Fault::Redirect), 0),
        (Fault::AddressesLast(Duration::ZERO).on(Operation::Package), 0),
    ]
}

#[tokio::test]
async fn a_mishap_of_the_content_host_is_made_good_and_credentials_never_go_there() {
    for (turn, (rule, partial)) in mishaps().into_iter().enumerate() {
        let setup = Setup::in_turn(turn, 5).await;
        setup.full().await;
        let (app, files) = offline(&setup).await;
        setup.sim.inject(rule.clone());
        let fetched = setup.sync.fetch_content(app.id, &files).await.unwrap();
        assert_eq!(fetched.packages.len(), 3, "{rule:?}");
        for package in arrived(&setup, &app).await {
            let stored = setup.content.size(&package.sha256.unwrap()).await.unwrap();
            assert_eq!(stored, u64::try_from(package.size).ok(), "{rule:?}");
        }
        let requests = setup.sim.requests();
        let resumed = requests.iter().filter(|one| one.status == Some(206)).count();
        assert_eq!(resumed, partial, "{rule:?}");
        setup.sim.assert_no_violations();
    }
}

#[tokio::test]
async fn what_stays_broken_is_never_stored_and_comes_when_it_is_mended() {
    let broken = [
        Fault::Corrupted.on(Operation::Content),
        Fault::Short.on(Operation::Content),
        Fault::WrongHash.into(),
        Fault::WrongSize.into(),
        Fault::Html.on(Operation::Content),
        Fault::status(403).on(Operation::Content),
        Fault::status(503).on(Operation::Content),
        Fault::AddressesLast(Duration::ZERO).into(),
    ];
    for (turn, rule) in broken.map(FaultRule::always).into_iter().enumerate() {
        let setup = Setup::in_turn(turn, 5).await;
        setup.full().await;
        let (app, files) = offline(&setup).await;
        setup.sim.inject(rule.clone());
        let error = setup.sync.fetch_content(app.id, &files).await.unwrap_err();
        assert!(error.is_transient(), "{rule:?}: {error}");
        assert!(arrived(&setup, &app).await.is_empty(), "{rule:?}");
        setup.sim.clear_faults();
        let fetched = setup.sync.fetch_content(app.id, &files).await.unwrap();
        assert_eq!(fetched.packages.len(), 3, "{rule:?}");
    }
}

#[tokio::test]
async fn two_servers_that_want_the_same_package_at_once_download_it_well() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let (app, files) = offline(&setup).await;
        setup.sim.inject(
            Fault::Delay(Duration::from_millis(30))
                .on(Operation::Content)
                .always(),
        );
        let other = setup.another_server();
        let (one, two) = tokio::join!(
            setup.sync.fetch_content(app.id, &files),
            other.fetch_content(app.id, &files)
        );
        // Whoever finds the other at work on a file leaves it to the other, and looks again later.
        for error in [one.err(), two.err()].into_iter().flatten() {
            assert!(error.is_transient(), "{error}");
        }
        let fetched = other.fetch_content(app.id, &files).await.unwrap();
        assert_eq!(fetched.packages.len() + fetched.present.len(), 3);
        assert_eq!(arrived(&setup, &app).await.len(), 3, "{}", setup.engine);
    }
}

#[tokio::test]
async fn a_package_that_does_not_fit_on_the_disk_is_not_begun_and_tried_again_later() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let (app, files) = offline(&setup).await;
        let huge = Fault::Overwrite {
            field: "fileSize".to_owned(),
            value: (1_u64 << 60).into(),
        };
        setup.sim.inject(huge.on(Operation::Package).always());
        let error = setup.sync.fetch_content(app.id, &files).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(
            error.to_string().contains("the content folder is full"),
            "{error}"
        );
        assert_eq!(setup.sim.count(Operation::Content), 0, "nothing is transferred");
        setup.sim.clear_faults();
        assert_eq!(
            setup
                .sync
                .fetch_content(app.id, &files)
                .await
                .unwrap()
                .packages
                .len(),
            3
        );
    }
}

#[tokio::test]
async fn a_content_folder_that_takes_nothing_costs_the_icons_and_not_the_catalogue() {
    let setup = Setup::new(5).await;
    let somewhere = setup.content.path(&qm_core::Sha256([0; 32]));
    let folder = somewhere.ancestors().nth(2).unwrap();
    std::fs::remove_dir_all(folder.join("tmp")).unwrap();
    let report = setup.full().await;
    assert_eq!((report.products, report.failures), (2, vec![]));
    assert_eq!(setup.online().await.icon, None);
    std::fs::create_dir(folder.join("tmp")).unwrap();
    setup.full().await;
    assert!(setup.online().await.icon.is_some(), "a whole walk fills the gap");
}
