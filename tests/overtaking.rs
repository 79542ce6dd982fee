//! A deployment that wants something else than the one before, of a device that is still at work.

use anyhow::Result;
use qm_device_sim::{Device, Quirk, Quirks};
use qm_testkit::{Stage, count, stages};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Sessions that an installation or a removal takes.
const SLOW: u32 = 6;

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

#[tokio::test]
async fn an_app_that_a_removal_is_about_to_take_away_does_not_count_as_installed() -> Result<()> {
    for mut stage in stages(0, 0).await? {
        let device = slow_device(&mut stage).await?;
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        let family = app.package_family_name.as_deref();
        let install = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(install.id, |d| count(d, "queued") == 1).await?;
        stage.rounds(install.id, |d| count(d, "installed") == 1).await?;
        let removal = stage.api.deploy(&app, "uninstall", &stage.upns).await?;
        stage.rounds(removal.id, |d| count(d, "removing") == 1).await?;
        assert!(has(&device, family).await, "it is still at work");
        let again = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(again.id, |d| count(d, "queued") == 1).await?;
        // The install command leaves after the license, and never arrives.
        device.lock().await.set_quirks([Quirk::StopAfter(2)]);
        stage.call_in().await?;
        assert_eq!(stage.target(again.id).await?.state, "sent");
        device.lock().await.set_quirks(Quirks::default());
        stage.rounds(again.id, |d| count(d, "installed") == 1).await?;
        for _ in 0..2 * SLOW {
            stage.call_in().await?;
        }
        assert!(has(&device, family).await, "{}: it is gone", stage.engine);
        stage.strike().await?;
    }
    Ok(())
}
