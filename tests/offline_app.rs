//! An offline-licensed app: license, package and frameworks from our own content store.

use anyhow::Result;
use qm_core::Architecture;
use qm_device_sim::{Device, Trigger};
use qm_testkit::{count, stages};
use std::sync::Arc;
use tokio::sync::Mutex;

#[tokio::test]
async fn the_license_is_accepted_before_the_package_and_its_frameworks_are_sent() -> Result<()> {
    for mut stage in stages(2, 0).await? {
        let mut options = stage.device_options("old@demo.example").await?;
        options.architecture = Architecture::X86;
        stage.add_device(Arc::new(Mutex::new(Device::new(options))), "old@demo.example");
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        assert!(
            app.packages.iter().all(|package| !package.downloaded),
            "content is fetched when it is needed"
        );
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(deployment.id, |d| count(d, "queued") == 3).await?;
        let reports = stage.call_in().await?;
        for report in &reports {
            let order: Vec<_> = report
                .commands
                .iter()
                .filter(|c| c.uri.ends_with("/AddLicense") || c.uri.ends_with("/HostedInstall"))
                .map(|c| (c.uri.rsplit('/').next().unwrap_or_default(), c.status))
                .collect();
            assert_eq!(order.first(), Some(&("AddLicense", 200)), "{}", stage.engine);
            assert_eq!(order.len(), 2, "{order:?}");
        }
        stage.rounds(deployment.id, |d| d.state == "completed").await?;
        for device in &stage.devices {
            let mut device = device.lock().await;
            let report = device.session(Trigger::Schedule).await?;
            assert_eq!(report.messages, 1, "what is installed is not asked after again");
        }
        stage.strike().await?;
    }
    Ok(())
}
