//! Server, Store and devices of the demonstration.

use super::{api::Api, port::Port};
use crate::{
    config::Config,
    init::{self, Init},
    serve::Running,
};
use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use qm_core::{Clock, Rng, Version, access::Role};
use qm_db::Db;
use qm_device_sim::{Device, DeviceOptions, Seat, SeatOracle, StorePackage};
use qm_store_sim::{
    Product, ProductKey, SimConfig, StoreSim, StoreSimHandle,
    catalogue::{self, LicenseType},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Everything that plays a part.
pub struct Scene {
    folder: TempDir,
    server: Running,
    _ports: [Port; 3],
    /// The Store service.
    pub store: Arc<StoreSimHandle>,
    /// The admin API.
    pub api: Api,
    /// Users, in the order of their devices.
    pub upns: Vec<String>,
    /// The devices.
    pub devices: Vec<Arc<Mutex<Device>>>,
    /// Where devices begin.
    pub discovery: String,
    /// How the server was started.
    pub config: Config,
    /// The root that its certificate goes back to, PEM.
    pub root: String,
}

const HOST: &str = "localhost";

/// What is put on the stage.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many devices, each of a user of its own.
    pub devices: u64,
    /// Seats of the online-licensed app.
    pub seats: u64,
    /// Another database than the embedded one.
    pub database: Option<String>,
}

impl Scene {
    /// Starts everything; the devices are not enrolled yet.
    pub async fn set(options: &Options) -> Result<Self> {
        Self::set_with(options, "").await
    }

    /// With more lines of configuration.
    pub async fn set_with(options: &Options, more: &str) -> Result<Self> {
        let upns: Vec<_> = (1..=options.devices)
            .map(|n| format!("user{n}@demo.example"))
            .collect();
        let products = catalogue::demo(options.seats)?;
        let store = StoreSim::start(SimConfig {
            products,
            users: upns.clone(),
            ..SimConfig::default()
        })
        .await?;
        let folder = tempfile::Builder::new().prefix("quartermaster-demo-").tempdir()?;
        let ports = Port::three()?;
        let config = install(folder.path(), &store, &ports, options.database.as_deref(), more).await?;
        let server = Running::start(&config, recorder().await?).await?;
        let root = fs::read_to_string(folder.path().join("tls/root.pem"))?;
        let api = Api::new(address(&config), token(&config).await?, &root)?;
        let store = Arc::new(store);
        let discovery = format!("{}EnrollmentServer/Discovery.svc", config.enrollment.public_url);
        let mut scene = Self {
            folder,
            server,
            _ports: ports,
            store,
            api,
            upns,
            devices: Vec::new(),
            discovery,
            config,
            root,
        };
        for upn in &scene.upns {
            let device = Device::new(scene.device_options(upn).await?);
            scene.devices.push(Arc::new(Mutex::new(device)));
        }
        Ok(scene)
    }

    /// The configuration file of the server.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("quartermaster.toml")
    }

    /// Stops the server and goes on with another installation of it, at the same addresses.
    pub async fn move_to(self, config: &Path) -> Result<Self> {
        self.server.stop().await;
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let server = Running::start(&Config::load(config)?, metrics).await?;
        Ok(Self { server, ..self })
    }

    /// The server's database.
    pub fn database(&self) -> &Db {
        self.server.database()
    }

    /// A device to be, with a fresh enrollment token of its user.
    pub async fn device_options(&self, upn: &str) -> Result<DeviceOptions> {
        let token = self.api.enrollment_token(upn).await?;
        let (discovery, root) = (self.discovery.clone(), self.root.clone());
        let options = DeviceOptions::new(discovery, upn.to_owned(), token, root, Rng::system());
        Ok(at_the_store(options, &self.store))
    }

    /// How many devices there are.
    pub fn count(&self) -> i64 {
        i64::try_from(self.devices.len()).unwrap_or(i64::MAX)
    }

    /// Puts another device on the stage.
    pub fn add_device(&mut self, device: Arc<Mutex<Device>>, upn: &str) {
        self.store.add_user(upn);
        self.upns.push(upn.to_owned());
        self.devices.push(device);
    }

    /// Stops everything; where the installation was kept, if it was.
    pub async fn strike(self, keep: bool) -> Result<Option<PathBuf>> {
        self.server.stop().await;
        if keep {
            Ok(Some(self.folder.keep()))
        } else {
            Ok(self.folder.close().map(|()| None)?)
        }
    }
}

/// The device asks the Store's own books who holds a seat and what needs a license.
pub fn at_the_store(mut options: DeviceOptions, store: &Arc<StoreSimHandle>) -> DeviceOptions {
    options.seats = Some(Arc::new(AtTheStore(Arc::clone(store))));
    let store = Arc::clone(store);
    options.licenses = Some(Arc::new(move |family: &str| is_offline(&store, family)));
    options
}

/// What the simulated Store client of a device knows of seats: it asks the Store's own books.
struct AtTheStore(Arc<StoreSimHandle>);

impl SeatOracle for AtTheStore {
    fn holds_seat(&self, seat: Seat<'_>) -> bool {
        let key = ProductKey::new(seat.product_id, seat.sku_id);
        self.0
            .seat_holders(&key)
            .iter()
            .any(|upn| upn.eq_ignore_ascii_case(seat.upn))
    }

    fn package(&self, product_id: &str, sku_id: &str) -> Option<StorePackage> {
        let key = ProductKey::new(product_id, sku_id);
        let known = self.0.products().into_iter().any(|product| product.key == key);
        known.then(|| StorePackage {
            version: Version([4, 3, 210, 0]),
            publisher: String::new(),
            bundle: false,
        })
    }
}

/// Whether a family is an offline-licensed app of the Store's.
fn is_offline(store: &StoreSimHandle, family: &str) -> bool {
    let named = |name: &String| name.eq_ignore_ascii_case(family);
    let offline = |product: &Product| product.license_type == LicenseType::Offline;
    store
        .products()
        .iter()
        .any(|product| offline(product) && product.family_name.as_ref().is_some_and(named))
}

/// Metrics are the process's, however many scenes there are.
async fn recorder() -> Result<PrometheusHandle> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::const_new(None);
    let mut handle = HANDLE.lock().await;
    if let Some(handle) = &*handle {
        return Ok(handle.clone());
    }
    let new = PrometheusBuilder::new().install_recorder()?;
    Ok(handle.insert(new).clone())
}

async fn install(
    folder: &Path,
    store: &StoreSimHandle,
    ports: &[Port; 3],
    database: Option<&str>,
    more: &str,
) -> Result<Config> {
    let [enrollment_port, management_port, admin_port] = ports.each_ref().map(Port::number);
    let host = HOST.to_owned();
    let data_dir = folder.to_path_buf();
    let (file, _) = init::create(&Init {
        data_dir,
        host,
        enrollment_port,
        management_port,
        admin_port,
    })
    .await?;
    let mut text = fs::read_to_string(&file)?.replace("0.0.0.0:", "127.0.0.1:");
    text += &store_section(store);
    text += more;
    if let Some(url) = database {
        text = text.replace("sqlite:quartermaster.db", url);
    }
    fs::write(&file, text).context("cannot write the configuration")?;
    Ok(Config::load(&file)?)
}

/// `[store]`, for this service.
pub fn store_section(store: &StoreSimHandle) -> String {
    let (base_url, authority_url) = (store.base_url(), store.authority_url());
    let (tenant_id, client_id, client_secret) = (store.tenant_id(), store.client_id(), store.client_secret());
    format!(
        "\n[store]\nbase_url = \"{base_url}\"\nauthority_url = \"{authority_url}\"\ntenant_id = \"{tenant_id}\"\n\
         client_id = \"{client_id}\"\nclient_secret = \"{client_secret}\"\n"
    )
}

async fn token(config: &Config) -> Result<qm_core::Secret<String>> {
    let db = Db::connect(&config.database_url()).await?;
    let (clock, rng) = (Clock::system(), Rng::system());
    let token = qm_orchestrator::access::create_api_token(&db, &clock, &rng, "demo", Role::Admin).await?;
    db.close().await;
    Ok(token)
}

fn address(config: &Config) -> String {
    config.admin.public_url.as_str().trim_end_matches('/').to_owned()
}
