//! Waits for its cue and kills, from within the conversation where that is wanted.

use crate::cues::{Cue, Event};
use qm_store_sim::{Moment, Observer, Operation};
use qm_testkit::process::{Flow, Listener, Process, Watcher};
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Set for one cue at a time.
#[derive(Default)]
pub struct Trap {
    set: Mutex<Option<Cue>>,
    process: OnceLock<Arc<Process>>,
    sprung: Notify,
}

impl Trap {
    /// Whom it kills.
    pub fn aim(&self, process: Arc<Process>) {
        let _ = self.process.set(process);
    }

    /// Waits for the cue, at most `patience`; whether the event came. The process is dead afterwards, or about to be
    /// killed by the caller.
    pub async fn spring(&self, cue: Cue, patience: Duration) -> bool {
        if cue.event.is_none() {
            tokio::time::sleep(cue.after).await;
            return true;
        }
        *self.cue() = Some(cue);
        let came = tokio::time::timeout(patience, self.sprung.notified())
            .await
            .is_ok();
        let too_late = self.cue().take().is_none() && !came;
        if too_late {
            self.sprung.notified().await;
        }
        if came {
            tokio::time::sleep(cue.after).await;
        }
        came || too_late
    }

    fn cue(&self) -> std::sync::MutexGuard<'_, Option<Cue>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the conversation goes on.
    fn goes_on(&self, event: Event) -> bool {
        let mut set = self.cue();
        let Some(cue) = set.as_mut().filter(|cue| cue.event == Some(event)) else {
            return true;
        };
        if cue.skip > 0 {
            cue.skip -= 1;
            return true;
        }
        let on_the_spot = cue.after.is_zero();
        *set = None;
        if on_the_spot && let Some(process) = self.process.get() {
            process.kill();
        }
        self.sprung.notify_one();
        !on_the_spot
    }
}

impl Observer for Trap {
    fn sees(&self, operation: Operation, moment: Moment) -> bool {
        self.goes_on(Event::Store(operation, moment))
    }
}

impl Watcher for Trap {
    fn passes(&self, listener: Listener, flow: Flow) -> bool {
        self.goes_on(Event::Wire(listener, flow))
    }
}
