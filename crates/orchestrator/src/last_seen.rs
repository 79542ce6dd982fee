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
    /// Remembers a device; an earlier moment never replaces a later one.
    pub fn note(&self, device: DeviceId, at: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = seen.entry(device).or_insert(at);
        *latest = at.max(*latest);
    }

    fn take(&self) -> HashMap<DeviceId, Timestamp> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Orchestrator {
    /// Writes what was seen since the last call, in one statement. What cannot be written is kept for the next call: one
    /// moment for each device, however long the database is away.
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

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::Rng;

    #[test]
    fn what_could_not_be_written_never_replaces_what_was_seen_since() {
        let (seen, now) = (LastSeen::default(), Timestamp::from_millis(1_800_000_000_000));
        let device = DeviceId::new(now, &Rng::seeded(1));
        let later = Timestamp::from_millis(now.as_millis() + 5);
        seen.note(device, later);
        seen.note(device, now);
        assert_eq!(seen.take(), HashMap::from([(device, later)]));
    }
}
