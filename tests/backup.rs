//! A backup taken while devices call in, restored elsewhere: the same devices go on.

use anyhow::Result;
use qm_db::test_support;
use qm_testkit::{Stage, count, stages};
use quartermaster::backup::{self, Backup, Restore, Restored};
use std::{
    fs,
    path::{Path, PathBuf},
};

async fn restored(file: &Path, folder: PathBuf, database_url: Option<String>) -> Result<Restored> {
    let restore = Restore {
        file: file.to_owned(),
        data_dir: folder,
        database_url,
    };
    backup::restore(&restore).await
}

/// What an operator does: the packages are copied by hand.
fn copy_content(from: &Path, to: &Path) -> Result<()> {
    for shelf in fs::read_dir(from)? {
        let shelf = shelf?.path();
        let place = to.join(shelf.file_name().unwrap_or_default());
        fs::create_dir_all(&place)?;
        for file in fs::read_dir(&shelf)? {
            let file = file?.path();
            fs::copy(&file, place.join(file.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// The databases that a backup of this one is restored into: an embedded one of its own and, where there is a server, one
/// of the other engine or on the same server.
async fn destinations(engine: &str) -> Vec<Option<String>> {
    let embedded = (engine == "postgres").then(|| "sqlite:quartermaster.db".to_owned());
    let mut all = vec![embedded];
    if let Some(url) = test_support::postgres_url() {
        all.push(Some(test_support::postgres_schema(&url).await));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_elsewhere_and_on_the_other_engine_serves_the_same_devices() -> Result<()> {
    for mut stage in stages(2, 0).await? {
        stage.enroll().await?;
        let app = stage.app("offline").await?;
        let deployment = stage.api.deploy(&app, "required", &stage.upns).await?;
        stage.settle(deployment.id, |d| count(d, "queued") == 2).await?;
        let folder = tempfile::tempdir()?;
        let backup = Backup {
            file: folder.path().join("a.backup"),
            config: stage.config(),
        };
        let (rows, calls) = tokio::join!(backup::create(&backup), stage.call_in());
        assert!(rows? > 20, "{}", stage.engine);
        calls?;
        let content = stage.config().with_file_name("content");
        for (index, url) in destinations(stage.engine).await.into_iter().enumerate() {
            let home = folder.path().join(index.to_string());
            let restored = restored(&backup.file, home.clone(), url).await?;
            assert!(!restored.missing.is_empty(), "the packages are not in the backup");
            copy_content(&content, &restored.content)?;
            stage = stage.move_to(&restored.config).await?;
        }
        goes_on(stage, deployment.id).await?;
    }
    Ok(())
}

/// Devices know more than the backup: what they were told after it is told again.
async fn goes_on(stage: Stage, deployment: uuid::Uuid) -> Result<()> {
    let devices = stage.api.devices().await?;
    assert_eq!(devices.len(), 2, "{}", stage.engine);
    stage.rounds(deployment, |d| d.state == "completed").await?;
    stage.strike().await
}

#[tokio::test]
async fn a_damaged_backup_and_a_folder_in_use_change_nothing() -> Result<()> {
    let stage = qm_testkit::embedded_stage(1).await?;
    stage.enroll().await?;
    let folder = tempfile::tempdir()?;
    let backup = Backup {
        file: folder.path().join("a.backup"),
        config: stage.config(),
    };
    backup::create(&backup).await?;
    assert_eq!(fs::metadata(&backup.file)?.permissions(), private(&stage)?);
    let again = backup::create(&backup).await.unwrap_err().to_string();
    assert!(again.contains("not overwritten"), "{again}");

    let bytes = fs::read(&backup.file)?;
    for (name, damaged) in [
        ("cut", bytes[..bytes.len() / 2].to_vec()),
        ("flipped", flipped(&bytes)),
        ("text", b"no backup".to_vec()),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, damaged)?;
        let home = folder.path().join(format!("{name}-home"));
        let error = restored(&file, home.clone(), None).await.unwrap_err();
        assert!(format!("{error:#}").contains("backup"), "{name}: {error:#}");
        assert!(!home.exists(), "{name}");
    }
    let home = stage.config().parent().unwrap().to_path_buf();
    let error = restored(&backup.file, home, None).await.unwrap_err();
    assert!(error.to_string().contains("not overwritten"), "{error:#}");
    stage.strike().await
}

/// A text with a NUL is one that PostgreSQL refuses, in one of the last tables.
#[tokio::test]
async fn a_restore_that_fails_at_its_end_leaves_folder_and_database_to_the_next_one() -> Result<()> {
    let Some(server) = test_support::postgres_url() else {
        return Ok(());
    };
    let stage = qm_testkit::embedded_stage(0).await?;
    let folder = tempfile::tempdir()?;
    let backup = |name: &str| Backup {
        file: folder.path().join(name),
        config: stage.config(),
    };
    backup::create(&backup("good")).await?;
    let spoil = "INSERT INTO settings VALUES ('spoilt', 'a' || char(0) || 'b')";
    stage.database().execute_raw(spoil).await?;
    backup::create(&backup("bad")).await?;
    let (home, url) = (
        folder.path().join("home"),
        test_support::postgres_schema(&server).await,
    );
    for _ in 0..2 {
        let error = restored(&backup("bad").file, home.clone(), Some(url.clone())).await;
        let told = format!("{:#}", error.unwrap_err());
        assert!(
            told.contains("restore again") && told.contains("table settings"),
            "{told}"
        );
    }
    restored(&backup("good").file, home, Some(url)).await?;
    stage.strike().await
}

#[tokio::test]
async fn what_a_killed_restore_left_is_in_nobodys_way() -> Result<()> {
    let stage = qm_testkit::embedded_stage(0).await?;
    let folder = tempfile::tempdir()?;
    let backup = Backup {
        file: folder.path().join("a.backup"),
        config: stage.config(),
    };
    backup::create(&backup).await?;
    let home = folder.path().join("home");
    let config = restored(&backup.file, home.clone(), None).await?.config;
    // As it was a moment before the end.
    fs::rename(&config, home.join("quartermaster.toml.restoring"))?;
    fs::rename(
        home.join("quartermaster.db"),
        home.join("quartermaster.db.restoring"),
    )?;
    assert!(restored(&backup.file, home.clone(), None).await?.config.exists());
    assert!(!home.join("quartermaster.db.restoring").exists());
    stage.strike().await
}

/// The mode of a key file.
fn private(stage: &Stage) -> Result<fs::Permissions> {
    Ok(fs::metadata(stage.config().with_file_name("keys").join("device-ca.key"))?.permissions())
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x40;
    bytes
}
