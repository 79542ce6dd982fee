//! A deployment that wants something else than the one before, of a device that is still at work.

use anyhow::Result;
use qm_device_sim::Device;
use qm_testkit::{Stage, count, stages};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Sessions that an installation takes.
const SLOW: u32 = 4;

async fn slow_device(stage: &mut Stage) -> Result<Arc<Mutex<Device>>> {
    let mut options = stage.device_options("slow@demo.example").await?;
    options.install_ticks = SLOW;
    let device = Arc::new(Mutex::new(Device::new(options)));
    stage.add_device(Arc::clone(&device), "slow@demo.example");
    Ok(device)
}

async fn has(device: &Mutex<Device>, family: Option<&str>) -> bool {
    let device = device.lock().await;
    let mut packages = device.packages().iter();
    packages.any(|package| Some(package.family_name.as_str()) == family)
}

#[tokio::test]
async fn an_app_is_removed_only_after_its_installation_has_ended() -> Result<()> {
    for mut stage in stages(0, 0).await? {
        let device = slow_device(&mut stage).await?;
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        let family = app.package_family_name.as_deref();
        let install = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(install.id, |d| count(d, "queued") == 1).await?;
        stage.rounds(install.id, |d| count(d, "installing") == 1).await?;
        assert!(!has(&device, family).await, "it is still at work");
        let removal = stage.api.deploy(&app, "uninstall", &stage.upns).await?;
        stage.rounds(removal.id, |d| count(d, "removed") == 1).await?;
        for _ in 0..2 * SLOW {
            stage.call_in().await?;
            assert!(!has(&device, family).await, "{}: it came back", stage.engine);
        }
        stage.strike().await?;
    }
    Ok(())
}
