//! The Store from the administrators' side: synchronize now, how does it stand.

use crate::{Caller, Orchestrator, UseCaseError, audit};
use qm_core::{JobId, circuit::Circuit, job::JobKind};
use qm_db::{apps, jobs, jobs::NewJob, run, store_circuit, store_status, store_status::StoreStatus};
use qm_engine::circuit::hasten;

impl Orchestrator {
    /// Enqueues a full synchronization; one that is queued already serves. A Store that is left alone is asked at once.
    pub async fn request_store_sync(&self, caller: &Caller) -> Result<JobId, UseCaseError> {
        if self.store.is_none() {
            return Err(UseCaseError::Conflict(
                "no Store service is configured: add the section [store] to the configuration and restart"
                    .to_owned(),
            ));
        }
        let now = self.clock.now();
        let id: Result<JobId, UseCaseError> = run!(self.db, "store.sync", |tx| {
            let id = JobId::new(now, &self.rng);
            let (key, payload) = ("full".to_owned(), "full".to_owned());
            let job = NewJob {
                id,
                kind: JobKind::StoreSync,
                key,
                payload,
                run_at: now,
                created_at: now,
            };
            let id = jobs::enqueue(tx, &job).await?;
            if let Some(due) = hasten(&store_circuit::lock(tx).await?, now) {
                store_circuit::update(tx, &due).await?;
            }
            audit::record(
                tx,
                now,
                &self.rng,
                caller,
                "store.sync",
                id,
                serde_json::json!({}),
            )
            .await?;
            Ok(id)
        });
        self.wake.all();
        id
    }

    /// How the synchronization stands, and whether the Store is asked at all: the same on every server.
    pub async fn store_status(&self) -> Result<(StoreStatus, Circuit), UseCaseError> {
        let mut conn = self.db.read().await?;
        let status = store_status::find(&mut conn).await?;
        // Seats change between synchronizations: the apps' own counts are newer than the last walk's.
        let counts = apps::available_from_store(&mut conn)
            .await?
            .into_iter()
            .filter_map(|app| app.seats);
        let status = StoreStatus {
            seats_assigned: counts.map(|seats| seats.assigned).sum(),
            ..status
        };
        Ok((status, store_circuit::find(&mut conn).await?))
    }
}
