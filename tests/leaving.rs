//! Devices that leave, by their own wish or the server's.

use anyhow::Result;
use qm_device_sim::{Ended, Trigger};
use qm_testkit::{count, stages};

#[tokio::test]
async fn a_device_that_leaves_gives_its_seat_to_the_next_user() -> Result<()> {
    for stage in stages(2, 1).await? {
        stage.enroll().await?;
        let app = stage.app("online").await?;
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(deployment.id, |d| count(d, "queued") == 1).await?;
        stage
            .rounds(deployment.id, |d| count(d, "installed") == 1)
            .await?;
        let holder = stage
            .api
            .targets(deployment.id)
            .await?
            .into_iter()
            .find(|t| t.state == "installed")
            .unwrap();
        let index = stage.upns.iter().position(|upn| *upn == holder.upn).unwrap();
        let mut leaver = stage.devices[index].lock().await;
        leaver.unenroll().await?;
        drop(leaver);
        let known = stage
            .api
            .devices()
            .await?
            .into_iter()
            .find(|device| device.upn == holder.upn)
            .unwrap();
        assert_eq!(known.state, "unenrolled", "{}", stage.engine);
        stage
            .settle(deployment.id, |d| count(d, "awaiting_seat") == 0)
            .await?;
        let ledger = stage.api.seats().await?;
        assert!(
            ledger
                .iter()
                .any(|s| s.upn == holder.upn && s.state == "reclaimed"),
            "{ledger:?}"
        );
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_device_that_is_told_to_leave_goes() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let id = stage.api.devices().await?[0].id;
        stage.api.unenroll(id).await?;
        let mut device = stage.devices[0].lock().await;
        let mut ended = device.session(Trigger::Schedule).await?.ended;
        for _ in 0..2 {
            if ended == Ended::Unenrolled {
                break;
            }
            ended = device.session(Trigger::Alert).await?.ended;
        }
        drop(device);
        assert_eq!(
            stage.api.devices().await?[0].state,
            "unenrolled",
            "{}",
            stage.engine
        );
        stage.strike().await?;
    }
    Ok(())
}
