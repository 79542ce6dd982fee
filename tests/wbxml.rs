//! A device that speaks WBXML.

use anyhow::Result;
use qm_device_sim::Device;
use qm_syncml::Encoding;
use qm_testkit::{count, stages};
use std::sync::Arc;
use tokio::sync::Mutex;

#[tokio::test]
async fn a_device_that_speaks_wbxml_is_served_like_any_other() -> Result<()> {
    for mut stage in stages(0, 0).await? {
        let mut options = stage.device_options("wb@demo.example").await?;
        options.encoding = Some(Encoding::Wbxml);
        stage.add_device(Arc::new(Mutex::new(Device::new(options))), "wb@demo.example");
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(deployment.id, |d| count(d, "queued") == 1).await?;
        stage
            .rounds(deployment.id, |d| count(d, "installed") == 1)
            .await?;
        stage.strike().await?;
    }
    Ok(())
}
