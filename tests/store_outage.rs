//! The Store service fails while seats are assigned and packages are fetched.

use anyhow::{Result, bail};
use qm_admin_api::types::StoreCircuit;
use qm_store_sim::{Fault, Loss, Operation, ProductKey, catalogue::DEMO_ONLINE};
use qm_testkit::{Stage, count, stages};
use std::time::Duration;

#[tokio::test]
async fn a_lost_answer_costs_no_seat_and_no_user() -> Result<()> {
    for stage in stages(2, 2).await? {
        stage.enroll().await?;
        let app = stage.app("online").await?;
        stage
            .store
            .inject(Fault::LoseAnswer(Loss::Drop).on(Operation::BulkSeats));
        stage
            .store
            .inject(Fault::LoseAnswer(Loss::Drop).on(Operation::AssignSeat));
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(deployment.id, |d| count(d, "queued") == 2).await?;
        let key = ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1);
        assert_eq!(stage.store.seat_holders(&key).len(), 2, "{}", stage.engine);
        stage
            .rounds(deployment.id, |d| count(d, "installed") == 2)
            .await?;
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_corrupt_package_is_fetched_again_and_never_served() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        stage.store.inject(Fault::Corrupted.on(Operation::Content));
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(deployment.id, |d| count(d, "queued") == 1).await?;
        stage
            .rounds(deployment.id, |d| count(d, "installed") == 1)
            .await?;
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_lets_nobody_in_is_left_alone_and_asked_again_by_hand() -> Result<()> {
    for stage in stages(1, 1).await? {
        stage.enroll().await?;
        let app = stage.app("online").await?;
        stage.store.set_activated(false);
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        let open = circuit(&stage, "open").await?;
        assert!(open.reason.unwrap().contains("Management tools"));
        assert!(open.retry_at > open.since);
        assert_eq!(
            count(&stage.api.deployment(deployment.id).await?, "awaiting_seat"),
            1
        );

        stage.store.set_activated(true);
        stage.api.synchronize().await?;
        assert_eq!(circuit(&stage, "closed").await?.reason, None, "{}", stage.engine);
        stage.settle(deployment.id, |d| count(d, "queued") == 1).await?;
        stage.strike().await?;
    }
    Ok(())
}

/// Waits until the circuit is in a state.
async fn circuit(stage: &Stage, wanted: &str) -> Result<StoreCircuit> {
    for _ in 0..1200 {
        let circuit = stage.api.store_status().await?.circuit;
        if circuit.state == wanted {
            return Ok(circuit);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!(
        "the circuit is not {wanted}: {:?}",
        stage.api.store_status().await?
    )
}
