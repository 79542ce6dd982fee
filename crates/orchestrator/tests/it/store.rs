//! Background work while the Store is out of order: nothing is lost, nothing is used up, and it goes on by itself.

#[path = "../../../store-sync/tests/it/connect.rs"]
mod connect;

use crate::admin::server::{NOW, Server, server_at};
use connect::{config, connect};
use qm_content::ContentStore;
use qm_core::{
    AppId, Clock, JobId, Rng, SeatId,
    circuit::CircuitState,
    job::{JobKind, JobState},
    seat::{Seat, SeatState},
};
use qm_db::{Db, apps, jobs, jobs::NewJob, run, seats, store_circuit, test_support::test_databases};
use qm_store_sim::{
    Fault, Operation, SimConfig, StoreSim, StoreSimHandle,
    catalogue::{DEMO_ONLINE, demo},
};
use qm_store_sync::StoreSync;
use std::time::Duration;

const ANN: &str = "ann@fjord.example";
const ALL: [JobKind; 3] = [JobKind::Seats, JobKind::Content, JobKind::StoreSync];

/// A server with a Store; what its worker does is done by hand.
struct Stage {
    server: Server,
    sim: StoreSimHandle,
}

/// A synchronized server on each database, with a seat that is wanted for one user.
async fn stages() -> Vec<Stage> {
    let mut stages = Vec::new();
    for (engine, db) in test_databases().await {
        let clock = Clock::mock(NOW);
        let sim = StoreSim::start(SimConfig {
            products: demo(5).unwrap(),
            users: vec![ANN.to_owned()],
            clock: clock.clone(),
            ..SimConfig::default()
        })
        .await
        .unwrap();
        let store = |content: ContentStore, db: Db, clock: Clock| {
            let client = connect(config(&sim), clock.clone());
            Some(StoreSync::new(client, db, content, clock, Rng::seeded(7)))
        };
        let server = server_at(engine, db, clock, store).await;
        let stage = Stage { server, sim };
        stage.request_sync().await;
        stage.work().await;
        stage.want_a_seat().await;
        stages.push(stage);
    }
    stages
}

impl Stage {
    async fn request_sync(&self) -> JobId {
        let server = &self.server;
        server
            .orchestrator
            .request_store_sync(&server.caller)
            .await
            .unwrap()
    }

    /// Carries out what is due.
    async fn work(&self) {
        while self.server.orchestrator.run_due_jobs(&ALL).await.unwrap() {}
    }

    async fn app(&self) -> AppId {
        let mut conn = self.server.db.read().await.unwrap();
        let app = apps::find_by_product(&mut conn, DEMO_ONLINE.0, DEMO_ONLINE.1).await;
        app.unwrap().unwrap().id
    }

    async fn want_a_seat(&self) {
        let (now, rng, app_id) = (self.server.clock.now(), &self.server.rng, self.app().await);
        let seat = Seat {
            id: SeatId::new(now, rng),
            app_id,
            upn: ANN.to_owned(),
            state: SeatState::Assigning,
            reason: "wanted".to_owned(),
            since: now,
            attempts: 0,
        };
        let job = NewJob {
            id: JobId::new(now, rng),
            kind: JobKind::Seats,
            key: app_id.to_string(),
            payload: String::new(),
            run_at: now,
            created_at: now,
        };
        let stored: Result<_, qm_db::DbError> = run!(self.server.db, "test", |tx| {
            seats::upsert(tx, &seat).await?;
            jobs::enqueue(tx, &job).await
        });
        stored.unwrap();
    }

    async fn seat_job(&self) -> jobs::Job {
        let key = self.app().await.to_string();
        let mut conn = self.server.db.read().await.unwrap();
        let job = jobs::newest(&mut conn, JobKind::Seats, &key).await;
        job.unwrap().unwrap()
    }

    async fn seat_state(&self) -> SeatState {
        let app = self.app().await;
        let mut conn = self.server.db.read().await.unwrap();
        seats::find(&mut conn, app, ANN).await.unwrap().unwrap().state
    }

    async fn circuit(&self) -> CircuitState {
        let mut conn = self.server.db.read().await.unwrap();
        store_circuit::find(&mut conn).await.unwrap().state
    }
}

#[tokio::test]
async fn jobs_wait_for_a_store_that_is_left_alone_and_lose_no_attempt() {
    for stage in stages().await {
        stage.sim.set_activated(false);
        stage.work().await;
        let first = stage.seat_job().await;
        assert_eq!((stage.circuit().await, first.attempts), (CircuitState::Open, 1));
        assert!(
            first.run_at > stage.server.clock.now() + Duration::from_mins(20),
            "it waits as long as the Store is left alone"
        );
        for _ in 0..20 {
            stage.server.clock.advance(Duration::from_hours(8));
            stage.work().await;
        }
        let waiting = stage.seat_job().await;
        assert_eq!((waiting.state, waiting.attempts), (JobState::Queued, 1));
        assert!(waiting.error.unwrap().contains("Management tools"));
        assert_eq!(stage.seat_state().await, SeatState::Assigning);

        stage.sim.set_activated(true);
        stage.server.clock.advance(Duration::from_hours(8));
        stage.work().await;
        assert_eq!(
            stage.seat_state().await,
            SeatState::Assigned,
            "{}",
            stage.server.engine
        );
        assert_eq!(stage.circuit().await, CircuitState::Closed);
    }
}

#[tokio::test]
async fn a_synchronization_by_hand_asks_at_once_and_everything_else_follows() {
    for stage in stages().await {
        stage.sim.set_activated(false);
        stage.work().await;
        let asked = stage.sim.requests().len();
        stage.server.clock.advance(Duration::from_secs(1));
        stage.work().await;
        assert_eq!(stage.sim.requests().len(), asked);

        stage.request_sync().await;
        stage.work().await;
        assert_eq!(stage.sim.requests().len(), asked + 1, "one probe, and no more");
        let (status, circuit) = stage.server.orchestrator.store_status().await.unwrap();
        assert_eq!(circuit.state, CircuitState::Open);
        assert!(status.last_error.unwrap().contains("Management tools"));

        stage.sim.set_activated(true);
        stage.request_sync().await;
        stage.work().await;
        let (status, circuit) = stage.server.orchestrator.store_status().await.unwrap();
        assert_eq!((circuit.state, status.last_error), (CircuitState::Closed, None));
        assert_eq!(
            stage.seat_state().await,
            SeatState::Assigned,
            "the seat did not wait for its own time"
        );
    }
}

#[tokio::test]
async fn an_outage_spends_few_attempts_and_ends_by_itself() {
    for stage in stages().await {
        stage.sim.inject(Fault::status(503).always());
        for _ in 0..60 {
            stage.server.clock.advance(Duration::from_mins(3));
            stage.server.orchestrator.run_schedule().await.unwrap();
            stage.work().await;
        }
        assert_eq!(stage.circuit().await, CircuitState::Open);
        let spent = stage.seat_job().await.attempts;
        assert!(spent <= 3, "{spent} attempts");
        let probes = stage.sim.count(Operation::Inventory);
        assert!(probes < 40, "{probes} requests in three hours");

        stage.sim.clear_faults();
        for _ in 0..12 {
            stage.server.clock.advance(Duration::from_mins(3));
            stage.server.orchestrator.run_schedule().await.unwrap();
            stage.work().await;
        }
        assert_eq!(
            stage.seat_state().await,
            SeatState::Assigned,
            "{}",
            stage.server.engine
        );
        assert_eq!(stage.sim.seat_holders(&key()), [ANN]);
    }
}

fn key() -> qm_store_sim::ProductKey {
    qm_store_sim::ProductKey::new(DEMO_ONLINE.0, DEMO_ONLINE.1)
}
