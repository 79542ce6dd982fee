//! What is done under load.

use super::{Caller, Failure, caller::Called};
use crate::{Device, DeviceOptions, SimError};
use tokio::sync::Mutex;

/// The work of a run: session by session, by number.
pub enum Work {
    /// Enrolled devices call in, one after the other.
    Calls(Vec<Mutex<Caller>>),
    /// Each session is an enrollment of a device of its own.
    Enrollments {
        /// Makes a device to be.
        options: Box<dyn Fn() -> DeviceOptions + Send + Sync>,
        /// How many devices.
        devices: u64,
    },
}

impl Work {
    /// Of callers.
    pub fn calls(callers: Vec<Caller>) -> Self {
        Self::Calls(callers.into_iter().map(Mutex::new).collect())
    }

    /// Gives the callers back.
    pub fn into_callers(self) -> Vec<Caller> {
        match self {
            Self::Calls(callers) => callers.into_iter().map(Mutex::into_inner).collect(),
            Self::Enrollments { .. } => Vec::new(),
        }
    }

    /// Asks every caller.
    pub async fn each<T>(&self, ask: impl Fn(&Caller) -> T) -> Vec<T> {
        let Self::Calls(callers) = self else {
            return Vec::new();
        };
        let mut answers = Vec::with_capacity(callers.len());
        for caller in callers {
            answers.push(ask(&*caller.lock().await));
        }
        answers
    }

    /// Whether there is a session with this number.
    pub(super) fn goes_on(&self, number: u64) -> bool {
        match self {
            Self::Calls(callers) => !callers.is_empty(),
            Self::Enrollments { devices, .. } => number < *devices,
        }
    }

    /// The session with this number. A device has one at a time, as Windows does; a second one waits.
    pub(super) async fn act(&self, number: u64) -> Result<Called, Failure> {
        match self {
            Self::Calls(callers) => {
                let count = callers.len() as u64;
                let index = usize::try_from(number % count).unwrap_or_default();
                callers[index].lock().await.call().await
            }
            Self::Enrollments { options, .. } => enroll(options()).await,
        }
    }
}

async fn enroll(options: DeviceOptions) -> Result<Called, Failure> {
    let mut device = Device::new(options);
    device.enroll().await.map_err(kind)?;
    match device.violations().first() {
        Some(violation) => Err(Failure::Violation(violation.rule)),
        None => Ok(Called::default()),
    }
}

/// Refusals are counted by their status.
fn kind(error: SimError) -> Failure {
    match error {
        SimError::Refused(status) => Failure::Status(status),
        other => Failure::Device(other),
    }
}
