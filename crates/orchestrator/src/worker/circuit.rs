//! What the worker does about a Store that is left alone: jobs wait for it, and are hurried when it is back.

use super::jobs::LANES;
use crate::Orchestrator;
use qm_core::{
    Timestamp,
    circuit::{Circuit, CircuitState},
};
use qm_db::{DbError, jobs, run, store_circuit};
use qm_engine::circuit::hasten;

impl Orchestrator {
    /// The Store's health as all servers know it.
    pub(super) async fn circuit(&self) -> Result<Circuit, DbError> {
        store_circuit::find(&mut self.db.read().await?).await
    }

    /// A server that starts may have been configured anew: what was refused is tried again.
    pub(super) async fn try_store_again(&self) -> Result<(), DbError> {
        let now = self.clock.now();
        run!(self.db, "circuit.start", |tx| {
            if let Some(due) = hasten(&store_circuit::lock(tx).await?, now) {
                store_circuit::update(tx, &due).await?;
                jobs::hurry(tx, &LANES, now).await?;
            }
            Ok::<_, DbError>(())
        })
    }

    /// When a job that failed at `at` the earliest may begin again: not while the Store is left alone.
    pub(super) async fn not_before(&self, at: Timestamp) -> Result<Timestamp, DbError> {
        let circuit = self.circuit().await?;
        Ok(match circuit.retry_at {
            Some(retry_at) if circuit.state == CircuitState::Open => retry_at,
            _ => at,
        })
    }

    /// After a job: who waited for the Store goes on as soon as it is back, whichever server found out.
    pub(super) async fn follow_circuit(&self, before: &Circuit) -> Result<(), DbError> {
        let after = self.circuit().await?;
        measure(&after);
        if before.state == CircuitState::Closed || after.state != CircuitState::Closed {
            return Ok(());
        }
        let now = self.clock.now();
        let hurried = run!(self.db, "job.hurry", |tx| jobs::hurry(tx, &LANES, now).await)?;
        tracing::info!(jobs = hurried, "the Store is back; what waited for it goes on");
        self.wake.all();
        Ok(())
    }

    /// Every server tells the same, also those that did not ask the Store.
    pub(super) async fn measure_circuit(&self) -> Result<(), DbError> {
        measure(&self.circuit().await?);
        Ok(())
    }
}

fn measure(circuit: &Circuit) {
    let open = circuit.state != CircuitState::Closed;
    metrics::gauge!("store_circuit_open").set(if open { 1.0 } else { 0.0 });
}
