//! Store, installation and devices around the server that is killed.

use crate::trap::Trap;
use anyhow::{Context as _, Result};
use qm_core::{Architecture, Rng, Version};
use qm_device_sim::{Device, Trigger};
use qm_store_sim::{ProductKey, SimConfig, StoreSim, StoreSimHandle, appx::PackageSpec, catalogue};
use qm_testkit::process::{Installation, Plan, Server, enroll};
use quartermaster::demo::api::Api;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Everything but the chaos.
pub struct World {
    pub trap: Arc<Trap>,
    pub store: Arc<StoreSimHandle>,
    pub installation: Installation,
    pub server: Server,
    pub api: Api,
    pub devices: Vec<Arc<Mutex<Device>>>,
}

/// Whose the devices are: the first user has two.
const OWNERS: &[usize] = &[0, 0, 1, 2, 3, 4];
const USERS: usize = 5;
/// One too few, so that somebody waits until the end.
const SEATS: u64 = 4;

/// The users.
pub fn upns() -> Vec<String> {
    (1..=USERS).map(|n| format!("user{n}@crash.example")).collect()
}

/// The product of the online-licensed app.
pub fn online() -> ProductKey {
    ProductKey::new(catalogue::DEMO_ONLINE.0, catalogue::DEMO_ONLINE.1)
}

impl World {
    /// Starts everything and enrolls the devices.
    pub async fn make(postgres: Option<String>, rng: &Rng) -> Result<Self> {
        let trap = Arc::new(Trap::default());
        let config = SimConfig {
            products: catalogue::demo(SEATS)?,
            users: upns(),
            ..SimConfig::default()
        };
        let store = Arc::new(StoreSim::start(config).await?);
        store.observe(Arc::clone(&trap) as _);
        let program = env!("CARGO_BIN_EXE_quartermaster");
        let plan = Plan {
            postgres,
            store: Some(&store),
            limits: "lease_seconds = 1\ndrain_seconds = 0",
            watcher: Some(Arc::clone(&trap) as _),
        };
        let installation = Installation::make(program, plan).await?;
        let server = installation.server("server")?;
        installation.lead_to(&[&server]);
        server.start().await?;
        trap.aim(server.process());
        let api = installation.administrator()?;
        let mut world = Self {
            trap,
            store,
            installation,
            server,
            api,
            devices: Vec::new(),
        };
        world.enroll(rng).await?;
        Ok(world)
    }

    async fn enroll(&mut self, rng: &Rng) -> Result<()> {
        let upns = upns();
        for (number, owner) in OWNERS.iter().enumerate() {
            let upn = &upns[*owner];
            let token = self.api.enrollment_token(upn).await?;
            let own = Rng::seeded(rng.below(u64::MAX));
            let mut options = self.installation.device(&self.store, upn, token, own)?;
            options.name = format!("PC-{number}");
            // Some are still at work when the next order comes.
            options.install_ticks = 1 + u32::try_from(number % 3)?;
            let device = enroll(options).await.with_context(|| self.server.tail())?;
            self.devices.push(Arc::new(Mutex::new(device)));
        }
        Ok(())
    }

    /// A package for administrators to upload, large enough to be on its way for a moment.
    pub fn package(&self, number: usize) -> Result<(String, PathBuf)> {
        let spec = PackageSpec {
            payload: 1 << 20,
            ..PackageSpec::app(
                &format!("Harborline.Ledger{number}"),
                "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI",
                Version([1, 0, 0, 0]),
                Architecture::X64,
            )
        };
        let file = self.installation.path(&format!("Ledger {number}.msix"));
        std::fs::write(&file, spec.build()?)?;
        Ok((spec.family_name(), file))
    }
}

/// A device calls in over and over; in some sessions it sends again what failed, in others it gives up.
pub async fn call_in(device: Arc<Mutex<Device>>, rng: Rng, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let mut device = device.lock().await;
        device.set_patience(if rng.below(3) == 0 { 0 } else { PATIENCE });
        if device.session(Trigger::Schedule).await.is_err() {
            // Time passes all the same; the connection's end is no news.
            let _ = device.tick().await;
        }
        drop(device);
        tokio::time::sleep(Duration::from_millis(rng.below(30))).await;
    }
}

/// Longer than the server is away.
pub const PATIENCE: u32 = 40;
