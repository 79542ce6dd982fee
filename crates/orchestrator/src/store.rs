//! The Store from the administrators' side: synchronize now, how does it stand.

use crate::{Caller, Orchestrator, UseCaseError, audit};
use qm_core::{JobId, job::JobKind};
use qm_db::{apps, jobs, jobs::NewJob, run, store_status, store_status::StoreStatus};

impl Orchestrator {
    /// Enqueues a full synchronization; one that is queued already serves.
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

    /// How the synchronization stands.
    pub async fn store_status(&self) -> Result<StoreStatus, UseCaseError> {
        let mut conn = self.db.read().await?;
        let status = store_status::find(&mut conn).await?;
        // Seats change between synchronizations: the apps' own counts are newer than the last walk's.
        let counts = apps::available_from_store(&mut conn)
            .await?
            .into_iter()
            .filter_map(|app| app.seats);
        Ok(StoreStatus {
            seats_assigned: counts.map(|seats| seats.assigned).sum(),
            ..status
        })
    }
}
