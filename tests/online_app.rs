//! An online-licensed app: seat first, proof by the inventory, and a seat that goes from one user to the next.

use anyhow::Result;
use qm_store_sim::{Operation, ProductKey, catalogue::DEMO_ONLINE};
use qm_testkit::{count, stages};

#[tokio::test]
async fn a_seat_is_assigned_before_the_install_and_used_again_after_a_removal() -> Result<()> {
    for stage in stages(3, 2).await? {
        stage.enroll().await?;
        let app = stage.app("online").await?;
        let key = ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1);
        assert!(stage.store.seat_holders(&key).is_empty(), "{}", stage.engine);
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage
            .settle(deployment.id, |d| {
                count(d, "queued") == 2 && count(d, "awaiting_seat") == 1
            })
            .await?;
        assert_eq!(stage.store.seat_holders(&key).len(), 2);

        stage
            .rounds(deployment.id, |d| count(d, "installed") == 2)
            .await?;
        let targets = stage.api.targets(deployment.id).await?;
        let giver = targets
            .iter()
            .find(|t| t.state == "installed")
            .unwrap()
            .upn
            .clone();
        let waiter = targets
            .iter()
            .find(|t| t.state == "awaiting_seat")
            .unwrap()
            .upn
            .clone();

        let removal = stage
            .api
            .deploy(&app, "uninstall", std::slice::from_ref(&giver))
            .await?;
        stage.rounds(removal.id, |d| count(d, "removed") == 1).await?;
        stage
            .settle(deployment.id, |d| count(d, "awaiting_seat") == 0)
            .await?;
        let holders = stage.store.seat_holders(&key);
        assert!(
            holders.contains(&waiter) && !holders.contains(&giver),
            "{holders:?}"
        );
        let done = stage
            .rounds(deployment.id, |d| count(d, "installed") == 3)
            .await?;
        assert_eq!(done.state, "completed");
        let ledger = stage.api.seats().await?;
        assert!(
            ledger
                .iter()
                .any(|seat| seat.upn == giver && seat.state == "reclaimed"),
            "{ledger:?}"
        );
        assert!(stage.store.count(Operation::AssignSeat) + stage.store.count(Operation::BulkSeats) >= 2);
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn seats_that_were_bought_are_used_after_the_next_synchronization() -> Result<()> {
    for stage in stages(2, 1).await? {
        stage.enroll().await?;
        let app = stage.app("online").await?;
        let key = ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1);
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage
            .settle(deployment.id, |d| {
                count(d, "awaiting_seat") == 1 && count(d, "queued") == 1
            })
            .await?;
        assert!(stage.store.set_seat_total(&key, 2), "{}", stage.engine);
        stage.api.synchronize().await?;
        stage.settle(deployment.id, |d| count(d, "queued") == 2).await?;
        stage.strike().await?;
    }
    Ok(())
}
