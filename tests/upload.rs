//! A package that an administrator uploads.

use anyhow::Result;
use qm_core::{Architecture, Version};
use qm_store_sim::appx::PackageSpec;
use qm_testkit::{count, stages};

#[tokio::test]
async fn an_uploaded_package_reaches_its_devices_without_any_license() -> Result<()> {
    for stage in stages(2, 0).await? {
        stage.enroll().await?;
        let folder = std::env::temp_dir().join(format!("qm-upload-{}-{}", stage.engine, std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let file = folder.join("Dock Scheduler.msix");
        let publisher = "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI";
        let spec = PackageSpec::app(
            "Harborline.DockScheduler",
            publisher,
            Version([4, 2, 17, 0]),
            Architecture::X64,
        );
        std::fs::write(&file, spec.build()?)?;
        let app = stage.api.upload(&file, &[]).await?;
        std::fs::remove_dir_all(&folder)?;
        assert_eq!((app.source.as_str(), app.license.as_str()), ("upload", "none"));
        assert_eq!(
            app.package_family_name.as_deref(),
            Some("Harborline.DockScheduler_z1enpheh36ccm")
        );
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        let done = stage.rounds(deployment.id, |d| d.state == "completed").await?;
        assert_eq!(count(&done, "installed"), 2, "{}", stage.engine);
        stage.strike().await?;
    }
    Ok(())
}
