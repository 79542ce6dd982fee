//! When devices were last seen, written behind in batches: an idle check-in writes nothing by itself.

use crate::Orchestrator;
use qm_core::{DeviceId, Timestamp};
use qm_db::{DbError, devices, run};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Devices seen since the last write.
#[derive(Default)]
pub struct LastSeen(Mutex<HashMap<DeviceId, Timestamp>>);

impl LastSeen {
    /// Remembers a device.
    pub fn note(&self, device: DeviceId, at: Timestamp) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(device, at);
    }

    fn take(&self) -> HashMap<DeviceId, Timestamp> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Orchestrator {
    /// Writes what was seen since the last call, in one statement. What cannot be written is kept for the next call.
    pub async fn flush_last_seen(&self) -> Result<(), DbError> {
        let seen: Vec<_> = self.last_seen.take().into_iter().collect();
        if seen.is_empty() {
            return Ok(());
        }
        let written = run!(self.db, "device.touch", |tx| devices::touch(tx, &seen).await);
        if written.is_err() {
            for (device, at) in seen {
                self.last_seen.note(device, at);
            }
        }
        written
    }
}
