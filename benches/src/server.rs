//! The real server on an installation of its own.

use crate::process::{Process, free_port, neighbour};
use anyhow::{Context as _, Result, ensure};
use qm_core::{Rng, Secret};
use qm_device_sim::{
    Device, DeviceOptions,
    load::{self, Admin, Caller, Connections},
};
use quartermaster::{config::Config, demo::api::Api};
use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::process::Command;

/// An installation in a temporary folder.
pub struct Installation {
    folder: TempDir,
    program: PathBuf,
}

impl Installation {
    /// On the embedded database, or on the one with this URL.
    pub async fn make(database: Option<&str>) -> Result<Self> {
        let made = Self {
            folder: tempfile::Builder::new()
                .prefix("quartermaster-bench-")
                .tempdir()?,
            program: neighbour("quartermaster")?,
        };
        let mut init = Command::new(&made.program);
        init.args(["init", "--host", "localhost", "--data-dir"])
            .arg(made.folder.path());
        for flag in ["--enrollment-port", "--management-port", "--admin-port"] {
            init.args([flag, &free_port()?.to_string()]);
        }
        let output = init.output().await?;
        ensure!(
            output.status.success(),
            "init: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut text = fs::read_to_string(made.file())?.replace("0.0.0.0:", "127.0.0.1:");
        if let Some(url) = database {
            text = text.replace("sqlite:quartermaster.db", url);
        }
        fs::write(made.file(), text)?;
        Ok(made)
    }

    /// The configuration file.
    pub fn file(&self) -> PathBuf {
        self.path("quartermaster.toml")
    }

    /// A file of the installation.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration.
    pub fn config(&self) -> Result<Config> {
        Ok(Config::load(&self.file())?)
    }

    /// The only root that clients trust, PEM.
    pub fn root(&self) -> Result<String> {
        Ok(fs::read_to_string(self.path("tls/root.pem"))?)
    }

    /// Runs the server.
    pub async fn start(&self) -> Result<Process> {
        Process::start(
            Command::new(&self.program)
                .arg("serve")
                .arg("--config")
                .arg(self.file()),
        )
        .await
    }

    /// Enrolls devices with the running server, and prepares them to call in.
    pub async fn callers(&self, count: usize) -> Result<Vec<Caller>> {
        let (upn, root, config) = ("bench@quartermaster.example", self.root()?, self.config()?);
        let admin = Admin::new(config.admin.public_url.as_str(), self.token().await?, &root)?;
        let token = admin.enrollment_token(upn, count).await?;
        let discovery = format!("{}EnrollmentServer/Discovery.svc", config.enrollment.public_url);
        let options = || DeviceOptions::new(&discovery, upn, token.expose(), &root, Rng::system());
        let device = |_| Device::new(options());
        let concurrency = NonZeroUsize::new(8).context("eight")?;
        let callers = load::prepare((0..count).map(device), Connections::New, concurrency).await;
        let ready = callers.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure!(ready.iter().all(Caller::is_idle), "some devices are still busy");
        Ok(ready)
    }

    /// An administrator.
    pub async fn api(&self) -> Result<Api> {
        let url = self.config()?.admin.public_url;
        Api::new(
            url.as_str().trim_end_matches('/').to_owned(),
            self.token().await?,
            &self.root()?,
        )
    }

    async fn token(&self) -> Result<Secret<String>> {
        let mut create = Command::new(&self.program);
        create.args([
            "token", "create", "--name", "bench", "--role", "admin", "--config",
        ]);
        let output = create.arg(self.file()).output().await?;
        ensure!(
            output.status.success(),
            "token: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(Secret::new(String::from_utf8(output.stdout)?.trim().to_owned()))
    }
}
