use crate::connect::{config, connect};
use qm_content::ContentStore;
use qm_core::{
    AppId, Clock, Rng, SeatId, Timestamp,
    app::{App, Package},
    circuit::Circuit,
    seat::{Seat, SeatState},
};
use qm_db::{
    Db, apps, packages, seats, store_circuit, store_status, store_status::StoreStatus, test_support,
};
use qm_store_client::StoreClient;
use qm_store_sim::{
    ProductKey, SimConfig, StoreSim, StoreSimHandle,
    catalogue::{DEMO_OFFLINE, DEMO_ONLINE, demo},
};
use qm_store_sync::{Mode, StoreSync, SyncReport};
use std::time::Duration;
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
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
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
        Self::on(("sqlite", test_support::sqlite().await), config).await
    }

    /// The demo catalogue, once on each database.
    pub async fn on_each(seats: u64) -> Vec<Self> {
        Self::on_each_with(|| SimConfig {
            products: demo(seats).unwrap(),
            ..SimConfig::default()
        })
        .await
    }

    /// The same Store, once on each database.
    pub async fn on_each_with(make: impl Fn() -> SimConfig) -> Vec<Self> {
        let mut setups = Vec::new();
        for database in test_support::test_databases().await {
            setups.push(Self::on(database, make()).await);
        }
        setups
    }

    /// The demo catalogue on one of the databases, each in its turn.
    pub async fn in_turn(turn: usize, seats: u64) -> Self {
        let mut databases = vec![("sqlite", test_support::sqlite().await)];
        if let Some(url) = test_support::postgres_url().filter(|_| turn % 2 == 1) {
            databases = vec![("postgres", test_support::postgres(&url).await)];
        }
        let products = demo(seats).unwrap();
        let sim = SimConfig {
            products,
            ..SimConfig::default()
        };
        Self::on(databases.remove(0), sim).await
    }

    async fn on((engine, db): (&'static str, Db), sim: SimConfig) -> Self {
        let clock = Clock::mock(Timestamp::from_millis(1_760_000_000_000));
        let sim = SimConfig {
            clock: clock.clone(),
            rng: Rng::seeded(1),
            users: USERS.map(str::to_owned).into(),
            ..sim
        };
        let sim = StoreSim::start(sim).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let content = ContentStore::open(folder.path()).await.unwrap();
        let client = connect(config(&sim), clock.clone());
        let sync = StoreSync::new(client, db.clone(), content.clone(), clock.clone(), Rng::seeded(3));
        Self {
            engine,
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

    pub async fn circuit(&self) -> Circuit {
        store_circuit::find(&mut self.db.read().await.unwrap())
            .await
            .unwrap()
    }

    /// Waits until the Store is asked again.
    pub async fn wait_for_retry(&self) {
        let retry_at = self.circuit().await.retry_at.unwrap();
        self.clock.advance(retry_at.since(self.clock.now()));
    }

    /// Mends the Store, and waits until it may be asked again where it was left alone.
    pub fn recover(&self) {
        self.sim.clear_faults();
        self.clock.advance(Duration::from_hours(24));
    }

    /// Another server on the same database and content.
    pub fn another_server(&self) -> StoreSync {
        self.server_with(connect(config(&self.sim), self.clock.clone()))
    }

    /// Another server with this connection to the Store.
    pub fn server_with(&self, client: StoreClient) -> StoreSync {
        let (db, content) = (self.db.clone(), self.content.clone());
        StoreSync::new(client, db, content, self.clock.clone(), Rng::seeded(4))
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
