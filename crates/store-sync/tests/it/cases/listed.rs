//! What the inventory may list: one app twice, removed and vanished entries, subscriptions, a product that changes sides.

use crate::setup::{Setup, USERS, offline_key, online_key};
use qm_core::{
    app::{AppState, LicenseKind},
    seat::SeatState,
};
use qm_store_sim::{
    Ownership, Product, ProductKey,
    catalogue::{DEMO_ONLINE, LicenseType},
};
use qm_store_sync::{Mode, SyncError};
use std::time::Duration;

#[tokio::test]
async fn an_online_and_an_offline_entry_of_one_family_name_are_two_apps() {
    for setup in Setup::on_each(5).await {
        let mut products = setup.sim.products();
        let offline = products.swap_remove(products.iter().position(|one| one.key == offline_key()).unwrap());
        setup.sim.put_product(offline.online_twin("0099", 7));
        assert_eq!(setup.full().await.products, 3);
        let (one, twin) = (
            setup.offline().await,
            setup.app((&offline.key.product_id, "0099")).await,
        );
        assert_eq!(one.package_family_name, twin.package_family_name);
        assert_ne!(one.id, twin.id);
        assert_eq!(
            (one.license, twin.license),
            (LicenseKind::Offline, LicenseKind::Online)
        );
        assert_eq!(twin.seats.unwrap().total, Some(7));
    }
}

#[tokio::test]
async fn a_removed_and_a_vanished_entry_are_withdrawn_and_keep_what_they_had() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let app = setup.online().await.id;
        setup.enter(app, SeatState::Assigned, &USERS[..1]).await;
        setup.clock.advance(Duration::from_hours(1));
        setup.sim.set_ownership(&offline_key(), Ownership::Removed);
        setup.sim.set_ownership(&online_key(), Ownership::NotOwned);
        let report = setup.sync.synchronize(Mode::Incremental).await.unwrap();
        assert_eq!(report.removed, [setup.offline().await.id], "{}", setup.engine);
        assert_eq!(
            setup.online().await.state,
            AppState::Available,
            "no increment tells it"
        );
        let report = setup.full().await;
        assert_eq!(report.removed.len(), 1);
        assert_eq!(setup.online().await.state, AppState::Removed);
        assert_eq!(setup.packages(setup.offline().await.id).await.len(), 3);
        assert_eq!(setup.seat_state(app, USERS[0]).await, SeatState::Assigned);
    }
}

#[tokio::test]
async fn a_subscription_without_packages_is_listed_and_fails_nothing() {
    for setup in Setup::on_each(5).await {
        let key = ProductKey::new("9SUBSCRIBE00", "0001");
        let mut subscription = Product::online(key, "Tern Plus", "", 10);
        "Subscription".clone_into(&mut subscription.product_type);
        subscription.family_name = None;
        setup.sim.put_product(subscription);
        let report = setup.full().await;
        assert_eq!((report.products, report.failures), (3, vec![]));
        let app = setup.app(("9SUBSCRIBE00", "0001")).await;
        assert_eq!((app.name.as_str(), app.package_family_name), ("Tern Plus", None));
        assert!(setup.packages(app.id).await.is_empty());
    }
}

#[tokio::test]
async fn a_product_that_turns_from_offline_to_online_changes_sides() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let before = setup.offline().await;
        setup.sim.update_product(&offline_key(), |product| {
            product.license_type = LicenseType::Online;
            product.seat_capacity = 4;
        });
        let report = setup.full().await;
        assert_eq!((report.changed, report.failures), (vec![before.id], vec![]));
        let after = setup.offline().await;
        assert_eq!((after.id, after.license), (before.id, LicenseKind::Online));
        setup.enter(after.id, SeatState::Assigning, &USERS[..1]).await;
        assert_eq!(setup.sync.seat_round(after.id).await.unwrap().changes.len(), 1);
        setup.sim.assert_no_violations();
    }
}

#[tokio::test]
async fn a_product_that_turns_from_online_to_offline_gives_out_no_more_seats() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        let app = setup.online().await.id;
        setup.enter(app, SeatState::Assigning, &USERS[..1]).await;
        setup.sync.seat_round(app).await.unwrap();
        setup.enter(app, SeatState::Assigning, &USERS[1..3]).await;
        setup.sim.update_product(&online_key(), |product| {
            product.license_type = LicenseType::Offline;
        });
        let round = setup.sync.seat_round(app).await.unwrap();
        assert_eq!(round.changes.len(), 2);
        assert!(
            round.changes.iter().all(|one| one.state == SeatState::Failed),
            "{round:?}"
        );
        assert!(round.changes[0].reason.contains("not licensed online"));
        setup.full().await;
        let app = setup.app(DEMO_ONLINE).await;
        assert_eq!((app.license, app.seats), (LicenseKind::Offline, None));
        assert!(matches!(
            setup.sync.seat_round(app.id).await,
            Err(SyncError::NotOnline)
        ));
        setup.enter(app.id, SeatState::Reclaiming, &USERS[..1]).await;
        setup.enter(app.id, SeatState::Assigning, &USERS[1..2]).await;
        let asked = setup.sim.requests().len();
        setup.sync.seat_round(app.id).await.unwrap();
        assert_eq!(
            (
                setup.seat_state(app.id, USERS[0]).await,
                setup.seat_state(app.id, USERS[1]).await
            ),
            (SeatState::Reclaimed, SeatState::Failed),
            "no row waits for a seat that cannot be"
        );
        assert_eq!(setup.sim.requests().len(), asked);
    }
}
