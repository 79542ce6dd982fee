//! Offline licenses: given out, refused for each reason, renewed, revoked.

use crate::setup::{Setup, offline_key};
use qm_core::{
    AppId,
    app::{AppState, OfflineLicense, PackageRole},
};
use qm_db::licenses;
use qm_store_sim::{Fault, Operation, Ownership, SimConfig, catalogue::demo};
use qm_store_sync::SyncError;
use std::time::Duration;

async fn held(setup: &Setup, app: AppId) -> Vec<OfflineLicense> {
    licenses::list_for_app(&mut setup.db.read().await.unwrap(), app)
        .await
        .unwrap()
}

async fn content_id(setup: &Setup) -> (AppId, String) {
    let app = setup.offline().await.id;
    let packages = setup.packages(app).await;
    let main = packages.into_iter().find(|one| one.role == PackageRole::Main);
    (app, main.unwrap().content_id.unwrap())
}

#[tokio::test]
async fn a_license_comes_as_it_is_but_for_line_breaks() {
    for setup in Setup::on_each(5).await {
        setup.sim.inject(Fault::LicenseLineBreaks.always());
        assert_eq!(setup.full().await.licenses, 1);
        let (app, id) = content_id(&setup).await;
        let license = held(&setup, app).await.remove(0);
        assert_eq!(license.content_id, id);
        let blob = license.blob.expose();
        assert!(blob.len() > 100 && !blob.contains(char::is_whitespace));
        setup.sim.assert_no_violations();
    }
}

#[tokio::test]
async fn a_license_that_is_refused_is_reported_and_the_one_at_hand_is_kept() {
    for (turn, status) in [404, 409, 411, 500].into_iter().enumerate() {
        let setup = Setup::in_turn(turn, 5).await;
        setup.full().await;
        let (app, id) = content_id(&setup).await;
        let before = held(&setup, app).await;
        setup.clock.advance(Duration::from_hours(31 * 24));
        setup
            .sim
            .inject(Fault::status(status).on(Operation::OfflineLicense).always());
        let report = setup.full().await;
        assert_eq!((report.licenses, report.failures.len()), (0, 1), "{status}");
        assert!(
            setup.status().await.last_error.is_some(),
            "{status}: {:?}",
            report.failures
        );
        assert_eq!(held(&setup, app).await, before, "{status}");
        let error = setup.sync.fetch_license(app, &id).await.unwrap_err();
        assert_eq!(error.is_transient(), status == 500, "{error}");
        assert_eq!(setup.offline().await.state, AppState::Available);
    }
}

#[tokio::test]
async fn an_app_that_is_not_owned_any_more_says_so() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let (app, id) = content_id(&setup).await;
        setup.sim.set_ownership(&offline_key(), Ownership::NotOwned);
        let error = setup.sync.fetch_license(app, &id).await.unwrap_err();
        assert!(error.to_string().contains("does not own"), "{error}");
        setup.sim.forget_product(&offline_key());
        let error = setup.sync.fetch_license(app, &id).await.unwrap_err();
        assert!(matches!(error, SyncError::NoLicense(_)), "{error}");
        assert_eq!(held(&setup, app).await.len(), 1, "what was given out stays");
    }
}

#[tokio::test]
async fn an_app_that_is_not_offline_has_no_license_whatever_the_status() {
    for (online_license_is_not_found, words) in
        [(false, "not licensed offline"), (true, "no offline license")]
    {
        let make = || SimConfig {
            products: demo(5).unwrap(),
            online_license_is_not_found,
            ..SimConfig::default()
        };
        for setup in Setup::on_each_with(make).await {
            setup.full().await;
            let app = setup.online().await.id;
            let error = setup
                .sync
                .fetch_license(app, "00000000-0000-4000-8000-000000000000")
                .await
                .unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[tokio::test]
async fn another_instance_replaces_a_license() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let (app, id) = content_id(&setup).await;
        let before = held(&setup, app).await;
        setup.sim.renew_license(&offline_key(), id.parse().unwrap());
        setup.full().await;
        assert_eq!(held(&setup, app).await, before, "not asked for every time");
        setup.clock.advance(Duration::from_hours(31 * 24));
        assert_eq!(setup.full().await.licenses, 1);
        let after = held(&setup, app).await;
        assert_eq!(after.len(), 1);
        assert_ne!(after[0].instance_id, before[0].instance_id);
    }
}
