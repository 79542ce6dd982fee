//! Two servers, real processes, on one PostgreSQL. Without one (`QUARTERMASTER_TEST_POSTGRES`) there is nothing to test.

mod restart;
mod share;
mod takeover;

use anyhow::Result;
use qm_core::Rng;
use qm_device_sim::Device;
use qm_store_sim::{SimConfig, StoreSim, StoreSimHandle, catalogue};
use qm_testkit::process::{Installation, Plan, Server, databases, enroll};
use quartermaster::demo::api::Api;
use std::{sync::Arc, time::Duration};

/// Two servers that do not run yet, with everything around them.
struct Pair {
    store: Arc<StoreSimHandle>,
    installation: Installation,
    servers: [Server; 2],
    upns: Vec<String>,
}

impl Pair {
    /// `None` where there is no PostgreSQL.
    async fn make(users: usize) -> Result<Option<Self>> {
        let Some(postgres) = databases().await.into_iter().flatten().next() else {
            return Ok(None);
        };
        let upns: Vec<_> = (1..=users).map(|n| format!("user{n}@pair.example")).collect();
        let config = SimConfig {
            products: catalogue::demo(100)?,
            users: upns.clone(),
            ..SimConfig::default()
        };
        let store = Arc::new(StoreSim::start(config).await?);
        let plan = Plan {
            postgres: Some(postgres),
            store: Some(&store),
            limits: "lease_seconds = 2\ndrain_seconds = 30",
            watcher: None,
        };
        let installation = Installation::make(env!("CARGO_BIN_EXE_quartermaster"), plan).await?;
        let servers = [installation.server("a")?, installation.server("b")?];
        Ok(Some(Self {
            store,
            installation,
            servers,
            upns,
        }))
    }

    /// Both at once, on whatever is in the database.
    async fn start(&self) -> Result<Api> {
        let [a, b] = &self.servers;
        tokio::try_join!(a.start(), b.start())?;
        self.installation.lead_to(&[a, b]);
        self.installation.administrator()
    }

    /// A device of each user; each of its messages takes a new connection where `fresh`.
    async fn enroll(&self, api: &Api, fresh: bool) -> Result<Vec<Device>> {
        let mut devices = Vec::new();
        for upn in &self.upns {
            let token = api.enrollment_token(upn).await?;
            let mut options = self.installation.device(&self.store, upn, token, Rng::system())?;
            options.fresh_connections = fresh;
            devices.push(enroll(options).await?);
        }
        Ok(devices)
    }

    /// Fails with every rule that the simulators saw broken.
    fn judge(&self, devices: &[Device]) -> Result<()> {
        let mut broken: Vec<_> = self.store.violations().iter().map(ToString::to_string).collect();
        broken.extend(
            devices
                .iter()
                .flat_map(Device::violations)
                .map(ToString::to_string),
        );
        anyhow::ensure!(broken.is_empty(), "rules broken:\n{}", broken.join("\n"));
        Ok(())
    }
}

/// How many lines of a server's log hold a text.
fn lines(server: &Server, text: &str) -> Result<usize> {
    let log = std::fs::read_to_string(server.log())?;
    Ok(log.lines().filter(|line| line.contains(text)).count())
}

const PAUSE: Duration = Duration::from_millis(50);
/// How many pauses the servers may take: a minute, since machines that run tests are busy.
const PATIENCE: u32 = 1200;
