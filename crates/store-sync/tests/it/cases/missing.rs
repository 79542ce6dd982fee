//! Walks that end without an error and without everything: nothing is removed that is not confirmed to be gone.

use super::failure;
use crate::setup::{Setup, offline_key, online_key};
use qm_core::app::AppState;
use qm_db::{apps, store_status::SyncState};
use qm_store_sim::{
    EndOfList, Fault, FaultRule, Operation, Ownership, Product, ProductKey, SimConfig, catalogue::many,
};
use qm_store_sync::{Mode, SyncError};
use std::time::Duration;

fn with(count: usize) -> SimConfig {
    SimConfig {
        products: many(count),
        ..SimConfig::default()
    }
}

/// How many products the catalogue offers, and how many of them a walk missed.
async fn offered(setup: &Setup) -> (usize, usize) {
    let mut conn = setup.db.read().await.unwrap();
    let offered = apps::available_from_store(&mut conn).await.unwrap().len();
    (offered, apps::missing(&mut conn).await.unwrap().len())
}

/// The Store has it no more and does not say so in its inventory.
fn disown(setup: &Setup, keys: &[ProductKey]) {
    for key in keys {
        setup.sim.set_ownership(key, Ownership::NotOwned);
    }
}

fn keys(setup: &Setup) -> Vec<ProductKey> {
    setup
        .sim
        .products()
        .into_iter()
        .map(|product| product.key)
        .collect()
}

/// A list of 60 that loses its tail of 10 or of 35, its middle, or everything.
fn lossy() -> [(FaultRule, usize); 4] {
    [
        (Fault::CutShort.on(Operation::Inventory).after(1), 10),
        (Fault::CutShort.on(Operation::Inventory), 35),
        (Fault::PageLost.on(Operation::Inventory).after(1), 25),
        (Fault::EmptyList.on(Operation::Inventory), 60),
    ]
}

#[tokio::test]
async fn a_walk_that_lost_a_part_without_an_error_removes_nothing() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.full().await;
        for (fault, lost) in lossy() {
            setup.sim.inject(fault.clone());
            let walk = setup.sync.synchronize(Mode::Full).await;
            let told = setup.status().await.last_error.unwrap();
            if lost > 30 {
                assert!(
                    matches!(walk, Err(SyncError::GreatLoss { .. })),
                    "{fault:?}: {walk:?}"
                );
                assert!(told.contains(&format!("{lost} of 60")), "{told}");
            } else {
                let report = walk.unwrap();
                assert_eq!((report.removed.len(), report.failures.len()), (0, lost));
                assert!(told.contains("not confirmed"), "{told}");
            }
            assert_eq!(offered(&setup).await.0, 60, "{fault:?}");
            // The next walk is whole again, and nothing is left of the suspicion.
            assert_eq!(setup.full().await.failures, []);
            assert_eq!(offered(&setup).await, (60, 0), "{fault:?}");
        }
        setup.sim.assert_no_violations();
    }
}

#[tokio::test]
async fn a_list_that_stays_lossy_for_days_removes_nothing_that_the_store_still_offers() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.full().await;
        for fault in [Fault::CutShort, Fault::EmptyList] {
            setup.sim.inject(fault.on(Operation::Inventory).always());
            for _ in 0..3 {
                setup.clock.advance(Duration::from_hours(24));
                failure(&setup).await;
                assert_eq!(offered(&setup).await.0, 60);
            }
            setup.sim.clear_faults();
        }
    }
}

#[tokio::test]
async fn a_catalogue_that_is_gone_at_once_goes_when_a_later_walk_and_each_answer_confirm_it() {
    for setup in Setup::on_each_with(|| with(6)).await {
        setup.full().await;
        disown(&setup, &keys(&setup));
        for hours in [0, 1, 10] {
            setup.clock.advance(Duration::from_hours(hours));
            let asked = setup.sim.count(Operation::Packages);
            let (error, told) = failure(&setup).await;
            assert!(
                matches!(error, SyncError::GreatLoss { missing: 6, known: 6 }),
                "{error}"
            );
            assert!(told.contains("there is nothing to do"), "{told}");
            assert_eq!(offered(&setup).await, (6, 6), "after {hours} more hours");
            assert_eq!(setup.sim.count(Operation::Packages), asked);
        }
        setup.clock.advance(Duration::from_hours(1));
        assert_eq!(setup.full().await.removed.len(), 6);
        assert_eq!(offered(&setup).await, (0, 0));
        assert_eq!(setup.status().await.state, SyncState::Idle);
    }
}

#[tokio::test]
async fn one_that_is_missing_goes_at_once_where_the_store_disowns_it() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.full().await;
        let keys = keys(&setup);
        disown(&setup, &keys[3..4]);
        setup.sim.forget_product(&keys[7]);
        let report = setup.full().await;
        assert_eq!((report.removed.len(), report.failures.len()), (2, 0));
        assert_eq!(offered(&setup).await, (58, 0));
    }
}

#[tokio::test]
async fn one_that_nothing_is_said_of_goes_when_the_next_walk_misses_it_too() {
    for setup in Setup::on_each(5).await {
        let key = ProductKey::new("9SUBSCRIBE00", "0001");
        let subscription = Product::online(key.clone(), "Tern Plus", "", 10);
        setup.sim.put_product(subscription);
        setup.full().await;
        setup.sim.set_ownership(&key, Ownership::NotOwned);
        // 404 for its packages is what a product without any has always answered.
        setup.sim.inject(
            Fault::status(404)
                .on(Operation::Packages)
                .at(&key.product_id)
                .always(),
        );
        let report = setup.full().await;
        assert_eq!(report.removed, []);
        assert!(
            report.failures[0].error.contains("the next complete walk"),
            "{report:?}"
        );
        assert_eq!(setup.status().await.state, SyncState::Idle);
        let report = setup.full().await;
        assert_eq!((report.removed.len(), report.failures.len()), (1, 0));
        let app = setup.app((&key.product_id, &key.sku_id)).await;
        assert_eq!(app.state, AppState::Removed);
    }
}

#[tokio::test]
async fn one_that_two_walks_miss_goes_though_the_store_still_answers_for_it() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.full().await;
        let cut = || Fault::CutShort.on(Operation::Inventory).after(1);
        setup.sim.inject(cut());
        assert_eq!(setup.full().await.removed.len(), 0);
        assert_eq!(offered(&setup).await, (60, 10));
        setup.sim.inject(cut());
        assert_eq!(setup.full().await.removed.len(), 10);
        assert_eq!(setup.full().await.failures, []);
        assert_eq!(offered(&setup).await, (60, 0), "a whole walk brings them back");
    }
}

#[tokio::test]
async fn a_store_that_fails_while_it_is_asked_about_a_missing_product_removes_nothing() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        disown(&setup, &[online_key()]);
        let broken = Fault::status(503)
            .on(Operation::Packages)
            .at(&online_key().product_id);
        setup.sim.inject(broken.always());
        let report = setup.full().await;
        assert_eq!((report.removed.len(), report.failures.len()), (0, 1));
        assert_eq!(offered(&setup).await, (2, 1));
        setup.recover();
        assert_eq!(setup.full().await.removed.len(), 1);
        assert_eq!(setup.offline().await.state, AppState::Available);
    }
}

#[tokio::test]
async fn one_that_an_increment_shows_is_not_missing_any_more() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.full().await;
        setup.sim.inject(Fault::EmptyList.on(Operation::Inventory));
        failure(&setup).await;
        assert_eq!(offered(&setup).await, (60, 60));
        setup.clock.advance(Duration::from_hours(1));
        setup.sim.update_product(&keys(&setup)[0], |product| {
            "Games".clone_into(&mut product.category);
        });
        setup.sync.synchronize(Mode::Incremental).await.unwrap();
        assert!(offered(&setup).await.1 < 60);
    }
}

#[tokio::test]
async fn a_short_catalogue_that_vanishes_as_a_whole_is_not_believed_either() {
    for setup in Setup::on_each(5).await {
        setup.full().await;
        for end in [EndOfList::Null, EndOfList::Blank] {
            setup.sim.inject(Fault::EndOfList(end));
            setup.sim.inject(Fault::EmptyList.on(Operation::Inventory));
            let (error, _) = failure(&setup).await;
            assert!(matches!(error, SyncError::GreatLoss { missing: 2, known: 2 }));
        }
        disown(&setup, &[offline_key()]);
        assert_eq!(setup.full().await.removed, [setup.offline().await.id]);
    }
}
