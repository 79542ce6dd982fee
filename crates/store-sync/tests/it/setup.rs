use qm_content::ContentStore;
use qm_core::{
    AppId, Clock, Rng, SeatId, Secret, Timestamp,
    app::{App, Package},
    seat::{Seat, SeatState},
};
use qm_db::{Db, apps, packages, seats, store_status, store_status::StoreStatus, test_support};
use qm_store_client::{RetryPolicy, StoreClient, StoreConfig, api_client, content_client};
use qm_store_sim::{
    ProductKey, SimConfig, StoreSim, StoreSimHandle,
    catalogue::{DEMO_OFFLINE, DEMO_ONLINE, demo},
};
use qm_store_sync::{Mode, StoreSync, SyncReport};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

pub const USERS: [&str; 4] = [
    "ann@fjord.example",
    "bo@fjord.example",
    "cleo_guest.example#EXT#@fjord.example",
    "dan@fjord.example",
];

/// A Store, a database and a content store with the synchronization between them.
pub struct Setup {
    pub sim: StoreSimHandle,
    pub db: Db,
    pub content: ContentStore,
    pub clock: Clock,
    pub sync: StoreSync,
    _folder: TempDir,
}

impl Setup {
    /// The demo catalogue with this number of seats.
    pub async fn new(seats: u64) -> Self {
        Self::with(SimConfig {
            products: demo(seats).unwrap(),
            ..SimConfig::default()
        })
        .await
    }

    pub async fn with(config: SimConfig) -> Self {
        let clock = Clock::mock(Timestamp::from_millis(1_760_000_000_000));
        let users = USERS.map(str::to_owned).into();
        let config = SimConfig {
            clock: clock.clone(),
            rng: Rng::seeded(1),
            users,
            ..config
        };
        let sim = StoreSim::start(config).await.unwrap();
        let db = test_support::sqlite().await;
        let folder = tempfile::tempdir().unwrap();
        let content = ContentStore::open(folder.path()).await.unwrap();
        let client = client(&sim, clock.clone());
        let sync = StoreSync::new(client, db.clone(), content.clone(), clock.clone(), Rng::seeded(3));
        Self {
            sim,
            db,
            content,
            clock,
            sync,
            _folder: folder,
        }
    }

    pub async fn full(&self) -> SyncReport {
        self.sync.synchronize(Mode::Full).await.unwrap()
    }

    pub async fn app(&self, key: (&str, &str)) -> App {
        apps::find_by_product(&mut self.db.read().await.unwrap(), key.0, key.1)
            .await
            .unwrap()
            .unwrap()
    }
    pub async fn online(&self) -> App {
        self.app(DEMO_ONLINE).await
    }
    pub async fn offline(&self) -> App {
        self.app(DEMO_OFFLINE).await
    }

    pub async fn packages(&self, app: AppId) -> Vec<Package> {
        packages::list_for_app(&mut self.db.read().await.unwrap(), app)
            .await
            .unwrap()
    }

    pub async fn status(&self) -> StoreStatus {
        store_status::find(&mut self.db.read().await.unwrap())
            .await
            .unwrap()
    }

    /// Enters rows into the ledger, with a new date where they exist.
    pub async fn enter(&self, app: AppId, state: SeatState, upns: &[&str]) {
        let (rng, now) = (Rng::system(), self.clock.now());
        let mut tx = self.db.begin("test").await.unwrap();
        for upn in upns {
            let seat = Seat {
                id: SeatId::new(now, &rng),
                app_id: app,
                upn: upn.to_lowercase(),
                state,
                reason: "wanted".to_owned(),
                since: now,
                attempts: 0,
            };
            seats::upsert(&mut tx, &seat).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub async fn seat(&self, app: AppId, upn: &str) -> Option<Seat> {
        seats::find(&mut self.db.read().await.unwrap(), app, &upn.to_lowercase())
            .await
            .unwrap()
    }
    pub async fn seat_state(&self, app: AppId, upn: &str) -> SeatState {
        self.seat(app, upn).await.unwrap().state
    }
}

pub fn online_key() -> ProductKey {
    ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1)
}
pub fn offline_key() -> ProductKey {
    ProductKey::new(DEMO_OFFLINE.0, DEMO_OFFLINE.1)
}

fn client(sim: &StoreSimHandle, clock: Clock) -> StoreClient {
    let config = StoreConfig {
        base_url: sim.base_url().to_owned(),
        authority_url: sim.authority_url().to_owned(),
        resource: sim.resource(),
        tenant_id: sim.tenant_id(),
        client_id: sim.client_id(),
        client_secret: Secret::new(sim.client_secret()),
    };
    let retries = RetryPolicy {
        attempts: 2,
        first_pause: Duration::from_millis(1),
        budget: Duration::from_secs(20),
        ..RetryPolicy::default()
    };
    let builder = || {
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls())
            .no_proxy()
    };
    let [api, content] =
        [api_client(builder()), content_client(builder())].map(|builder| builder.build().unwrap());
    StoreClient::new(config, api, content, clock, Rng::seeded(2))
        .unwrap()
        .with_retries(retries)
}

fn tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
