//! A running server in a test: the real one, on each database, with a Store service and simulated devices around it.
//!
//! What it is not: it mocks nothing. Devices enroll and call in over TLS; the Store service speaks HTTP; what a test looks
//! at is what the admin API says, and what the simulators saw.
//!
//! Start with [`stages`]: one [`Stage`] for SQLite, and one for PostgreSQL where `QUARTERMASTER_TEST_POSTGRES` names a
//! server.

pub mod admin;
pub mod forge;
pub mod log;
pub mod process;
pub mod wire;

use anyhow::{Result, bail, ensure};
use futures_util::future::try_join_all;
use qm_admin_api::types::{App, Deployment, Target};
use qm_db::test_support;
use qm_device_sim::{SessionReport, Trigger};
use quartermaster::demo::scene::{Options, Scene};
use std::{
    ops::{Deref, DerefMut},
    path::Path,
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// A server with everything around it.
pub struct Stage {
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    scene: Scene,
}

impl Deref for Stage {
    type Target = Scene;
    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Scene {
        &mut self.scene
    }
}

/// One stage for each database. The devices are not enrolled yet.
pub async fn stages(devices: u64, seats: u64) -> Result<Vec<Stage>> {
    stages_with(devices, seats, "").await
}

/// The same, with more lines of configuration.
pub async fn stages_with(devices: u64, seats: u64, more: &str) -> Result<Vec<Stage>> {
    let options = Options {
        devices,
        seats,
        database: None,
    };
    let mut stages = vec![Stage {
        engine: "sqlite",
        scene: Scene::set_with(&options, more).await?,
    }];
    if let Some(url) = test_support::postgres_url() {
        let database = Some(test_support::postgres_schema(&url).await);
        stages.push(Stage {
            engine: "postgres",
            scene: Scene::set_with(&Options { database, ..options }, more).await?,
        });
    }
    Ok(stages)
}

/// A stage on a PostgreSQL server that the test has to itself.
pub async fn stage_on(url: &str, devices: u64) -> Result<Stage> {
    stage_on_with(url, devices, 0, "").await
}

/// The same, with seats and more lines of configuration.
pub async fn stage_on_with(url: &str, devices: u64, seats: u64, more: &str) -> Result<Stage> {
    let options = Options {
        devices,
        seats,
        database: Some(url.to_owned()),
    };
    Ok(Stage {
        engine: "postgres",
        scene: Scene::set_with(&options, more).await?,
    })
}

/// The stage on SQLite alone.
pub async fn embedded_stage(devices: u64) -> Result<Stage> {
    let options = Options {
        devices,
        seats: 0,
        database: None,
    };
    Ok(Stage {
        engine: "sqlite",
        scene: Scene::set(&options).await?,
    })
}

const PAUSE: Duration = Duration::from_millis(50);
/// How many pauses the server may take for what it does by itself: 20 seconds.
const PATIENCE: usize = 1200;
/// How often the devices call in before a test gives up.
const ROUNDS: usize = 12;

impl Stage {
    /// Enrolls all devices and lets each have its first session.
    pub async fn enroll(&self) -> Result<()> {
        for device in &self.devices {
            let mut device = device.lock().await;
            device.enroll().await?;
            device.session(Trigger::PostEnrollment).await?;
        }
        Ok(())
    }

    /// Synchronizes with the Store; the app with this license.
    pub async fn app(&self, license: &str) -> Result<App> {
        self.api.synchronize().await?;
        for _ in 0..PATIENCE {
            let found = self
                .api
                .apps()
                .await?
                .into_iter()
                .find(|app| app.license == license);
            if let Some(app) = found.filter(|app| !app.packages.is_empty()) {
                return Ok(app);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!(
            "the catalogue has no {license} app: {:?}",
            self.api.store_status().await?
        )
    }

    /// Waits until a deployment is where it should be, by what the server does alone.
    pub async fn settle(&self, id: Uuid, done: impl Fn(&Deployment) -> bool) -> Result<Deployment> {
        for _ in 0..PATIENCE {
            let deployment = self.api.deployment(id).await?;
            if done(&deployment) {
                return Ok(deployment);
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!(
            "the server did not get on: {:?}",
            self.api.deployment(id).await?.counts
        )
    }

    /// Waits until something holds, by what the server does alone.
    pub async fn until(&self, holds: impl AsyncFn() -> bool) -> Result<()> {
        for _ in 0..PATIENCE {
            if holds().await {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("it did not come to pass")
    }

    /// Stops the server and goes on with another installation of it, at the same addresses.
    pub async fn move_to(self, config: &Path) -> Result<Self> {
        let scene = self.scene.move_to(config).await?;
        Ok(Self { scene, ..self })
    }

    /// Waits until the server says that it is ready; what it said before, if it was not.
    pub async fn ready(&self) -> Result<String> {
        let mut said = String::new();
        for _ in 0..PATIENCE {
            let answer = self.api.get("/readyz").await?;
            if answer.status() == 200 {
                return Ok(said);
            }
            said = answer.text().await?;
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the server is not ready: {said}")
    }

    /// Every device calls in once.
    pub async fn call_in(&self) -> Result<Vec<SessionReport>> {
        let sessions = self.devices.iter().map(|device| {
            let device = Arc::clone(device);
            async move { device.lock().await.session(Trigger::Schedule).await }
        });
        Ok(try_join_all(sessions).await?)
    }

    /// The devices call in until a deployment is where it should be.
    pub async fn rounds(&self, id: Uuid, done: impl Fn(&Deployment) -> bool) -> Result<Deployment> {
        for _ in 0..ROUNDS {
            self.call_in().await?;
            let deployment = self.api.deployment(id).await?;
            if done(&deployment) {
                return Ok(deployment);
            }
        }
        bail!("the devices did not get on: {:?}", self.api.targets(id).await?)
    }

    /// The only target of a deployment.
    pub async fn target(&self, id: Uuid) -> Result<Target> {
        let mut targets = self.api.targets(id).await?;
        ensure!(targets.len() == 1, "{} targets", targets.len());
        Ok(targets.remove(0))
    }

    /// Fails with every rule that the simulators saw broken, then stops everything.
    pub async fn strike(self) -> Result<()> {
        let mut broken = Vec::new();
        for device in &self.scene.devices {
            broken.extend(device.lock().await.violations().iter().map(|v| format!("{v:?}")));
        }
        broken.extend(self.scene.store.violations().iter().map(|v| format!("{v:?}")));
        self.scene.strike(false).await?;
        ensure!(
            broken.is_empty(),
            "rules broken on {}:\n{}",
            self.engine,
            broken.join("\n")
        );
        Ok(())
    }
}

/// How many targets of a deployment are in a state.
pub fn count(deployment: &Deployment, state: &str) -> i64 {
    deployment.counts.get(state).copied().unwrap_or(0)
}
