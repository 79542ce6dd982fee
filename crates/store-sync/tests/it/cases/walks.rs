//! The inventory page by page: sizes, continuation tokens, the bound of incremental walks.

use super::failure;
use crate::{
    connect::{config, connect},
    setup::Setup,
};
use qm_core::app::AppState;
use qm_db::store_status::SyncState;
use qm_store_client::{InventoryQuery, StoreError};
use qm_store_sim::{Bound, EndOfList, Fault, Operation, SimConfig, catalogue::many};
use qm_store_sync::{Mode, SyncError};
use std::time::Duration;

fn with(count: usize) -> SimConfig {
    SimConfig {
        products: many(count),
        ..SimConfig::default()
    }
}

#[tokio::test]
async fn inventories_of_0_1_25_and_26_entries_are_walked_to_the_end() {
    for (count, pages) in [(0, 1), (1, 1), (25, 1), (26, 2)] {
        for setup in Setup::on_each_with(|| with(count)).await {
            let report = setup.full().await;
            assert_eq!((report.products, report.added.len()), (count, count));
            assert_eq!(setup.sim.count(Operation::Inventory), pages, "{count} entries");
            let status = setup.status().await;
            assert_eq!(
                (status.state, status.last_error),
                (SyncState::Idle, None),
                "{count}"
            );
            setup.sim.assert_no_violations();
        }
    }
}

#[tokio::test]
async fn an_inventory_of_2000_entries_is_walked_to_the_end() {
    let setup = Setup::with(with(2000)).await;
    let client = connect(config(&setup.sim), setup.clock.clone());
    let walk = client.inventory(&InventoryQuery::default()).await.unwrap();
    assert_eq!((walk.items.len(), walk.skipped), (2000, 0));
    assert_eq!(setup.sim.count(Operation::Inventory), 80);
    let encoded = setup.sim.requests().iter().any(|one| one.query.contains("%2B"));
    assert!(encoded, "tokens hold characters that need encoding");
    setup.sim.assert_no_violations();
}

#[tokio::test]
async fn a_continuation_that_lapses_in_mid_walk_starts_the_walk_over_once() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.sim.inject(Fault::ContinuationExpired.after(1));
        assert_eq!(setup.full().await.products, 60);
        assert_eq!(setup.sim.count(Operation::Inventory), 6);

        setup.sim.inject(Fault::ContinuationExpired.always());
        let (error, _) = failure(&setup).await;
        assert!(
            matches!(error, SyncError::Store(StoreError::Refused { .. })),
            "{error}"
        );
        assert_eq!(
            setup.sim.count(Operation::Inventory),
            6 + 4,
            "twice, and no oftener"
        );
        assert_eq!(setup.status().await.products, 60);
    }
}

#[tokio::test]
async fn a_repeated_continuation_fails_the_walk_and_removes_nothing() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.full().await;
        setup.sim.inject(Fault::ContinuationRepeated.always());
        let (_, told) = failure(&setup).await;
        assert!(told.contains("never ends"), "{told}");
        assert_eq!(setup.status().await.products, 60);
    }
}

#[tokio::test]
async fn blank_continuations_end_a_list_and_empty_pages_do_not() {
    for end in [EndOfList::Null, EndOfList::Empty, EndOfList::Blank] {
        for setup in Setup::on_each_with(|| with(26)).await {
            setup.sim.inject(Fault::EndOfList(end).always());
            setup.sim.inject(Fault::EmptyPage.on(Operation::Inventory));
            assert_eq!(setup.full().await.products, 26, "{end:?}");
            assert_eq!(setup.sim.count(Operation::Inventory), 3);
        }
    }
}

#[tokio::test]
async fn the_bound_of_an_incremental_walk_may_be_inclusive_or_exclusive() {
    for bound in [Bound::Inclusive, Bound::Exclusive] {
        let make = || SimConfig {
            modified_since: bound,
            ..with(3)
        };
        for setup in Setup::on_each_with(make).await {
            setup.clock.advance(Duration::from_hours(1));
            setup.full().await;
            let changed = setup.sim.products()[0].key.clone();
            setup
                .sim
                .update_product(&changed, |product| "Games".clone_into(&mut product.category));
            // Changed in the very moment at which the last walk began.
            let report = setup.sync.synchronize(Mode::Incremental).await.unwrap();
            assert_eq!(report.products, 1, "{bound:?}");
            let asked = setup
                .sim
                .requests()
                .iter()
                .any(|one| one.query.contains("modifiedSince"));
            assert!(asked);
            setup.sim.assert_no_violations();
        }
    }
}

#[tokio::test]
async fn a_refused_bound_makes_the_walk_a_whole_one() {
    for setup in Setup::on_each_with(|| with(3)).await {
        setup.clock.advance(Duration::from_hours(1));
        setup.full().await;
        setup.sim.inject(Fault::status(400).on(Operation::Inventory));
        let report = setup.sync.synchronize(Mode::Incremental).await.unwrap();
        assert_eq!((report.products, report.removed.len()), (3, 0));
    }
}

#[tokio::test]
async fn a_walk_that_breaks_on_its_second_page_removes_nothing() {
    for setup in Setup::on_each_with(|| with(60)).await {
        setup.full().await;
        let before = setup.status().await.modified_since;
        setup
            .sim
            .inject(Fault::status(503).on(Operation::Inventory).after(1).always());
        let (_, told) = failure(&setup).await;
        assert!(told.contains("503"), "{told}");
        let status = setup.status().await;
        assert_eq!((status.products, status.modified_since), (60, before));
        let key = &setup.sim.products()[59].key;
        let last = setup.app((&key.product_id, &key.sku_id)).await;
        assert_eq!(last.state, AppState::Available);
    }
}
