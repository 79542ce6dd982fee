//! Devices whose connections break and whose messages come twice.

use anyhow::Result;
use qm_device_sim::{Device, Quirk, Quirks};
use qm_testkit::{count, stages};
use std::sync::Arc;
use tokio::sync::Mutex;

#[tokio::test]
async fn an_app_arrives_whatever_happens_to_the_messages() -> Result<()> {
    for mut stage in stages(0, 0).await? {
        let quirks = [
            Quirk::AlertWithoutCmdId,
            Quirk::ChunkResults(100),
            Quirk::LateAlerts,
            Quirk::LoseAlerts,
            Quirk::LoseReply(2),
            Quirk::RepeatMessage(1),
            Quirk::RepeatMessage(2),
            Quirk::ReuseSessionId,
            Quirk::UnsignedCodes,
            Quirk::WithoutFinal(1),
        ];
        let all = i64::try_from(quirks.len())?;
        for (index, quirk) in quirks.into_iter().enumerate() {
            let upn = format!("odd{index}@demo.example");
            let mut options = stage.device_options(&upn).await?;
            options.quirks = Quirks::from([quirk]);
            stage.add_device(Arc::new(Mutex::new(Device::new(options))), &upn);
        }
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(deployment.id, |d| count(d, "queued") == all).await?;
        stage
            .rounds(deployment.id, |d| count(d, "installed") == all)
            .await?;
        stage.strike().await?;
    }
    Ok(())
}
