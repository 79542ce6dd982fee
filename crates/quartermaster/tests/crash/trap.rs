//! Waits for its cues and kills, from within the conversation where that is wanted.

use crate::cues::{Cue, Event};
use qm_store_sim::{Moment, Observer, Operation};
use qm_testkit::process::{Flow, Listener, Process, Watcher};
use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// Set for some cues at a time; the first that comes springs it.
#[derive(Default)]
pub struct Trap {
    set: Mutex<Set>,
    process: OnceLock<Arc<Process>>,
    sprung: Notify,
}

#[derive(Default)]
struct Set {
    cues: Vec<Cue>,
    came: Option<Cue>,
}

impl Trap {
    /// Whom it kills.
    pub fn aim(&self, process: Arc<Process>) {
        let _ = self.process.set(process);
    }

    /// Waits for one of the cues, at most `patience`; which one came. The process is dead afterwards, or for the caller to
    /// kill.
    pub async fn spring(&self, cues: Vec<Cue>, patience: Duration) -> Option<Cue> {
        *self.set() = Set { cues, came: None };
        let _ = tokio::time::timeout(patience, self.sprung.notified()).await;
        let came = std::mem::take(&mut *self.set()).came;
        if let Some(cue) = came {
            tokio::time::sleep(cue.after).await;
        }
        came
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the conversation goes on.
    fn goes_on(&self, event: Event) -> bool {
        let mut set = self.set();
        let Some(place) = set.cues.iter().position(|cue| cue.event == event) else {
            return true;
        };
        if set.cues[place].skip > 0 {
            set.cues[place].skip -= 1;
            return true;
        }
        let cue = set.cues[place];
        *set = Set {
            cues: Vec::new(),
            came: Some(cue),
        };
        let on_the_spot = cue.after.is_zero();
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
