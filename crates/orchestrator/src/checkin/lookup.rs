//! The callers of messages that arrive at the same time are read together: a statement costs more than the rows it reads.

use super::{CheckInError, Incoming};
use crate::Orchestrator;
use qm_core::Sha256;
use qm_db::{Batches, DbError, devices, devices::CheckIn};
use std::sync::Arc;

/// Whom a message is from, as it says.
pub(super) struct Caller {
    fingerprint: Sha256,
    session_id: String,
}

type Found = Result<Option<Box<CheckIn>>, CheckInError>;

/// The callers that wait to be read.
pub(crate) struct Lookups(Batches<(), Caller, Found>);

impl Lookups {
    /// One connection keeps up with the handshakes of all processors: the more callers wait, the more it reads at once. Several
    /// would read fewer at once, and cost more.
    pub(crate) fn new() -> Self {
        Self(Batches::new(1, MOST))
    }
}

impl Orchestrator {
    /// The device behind a message, as it is stored now. Read after the message arrived, never remembered: a certificate
    /// that was revoked opens nothing, and no command is overlooked.
    pub(super) async fn admitted(
        self: &Arc<Self>,
        incoming: &Incoming,
    ) -> Result<Box<CheckIn>, CheckInError> {
        let caller = Caller {
            fingerprint: incoming.fingerprint,
            session_id: incoming.message.header.session_id.clone(),
        };
        let server = Arc::clone(self);
        let serve = move |group| Arc::clone(&server).look_up(group);
        let found = self.lookups.0.pass(None, caller, serve).await;
        let found = found.unwrap_or_else(|| Err(DbError::Aborted.into()))?;
        self.admit(found, incoming).await
    }

    async fn look_up(self: Arc<Self>, group: Vec<Caller>) -> Vec<Found> {
        let error = match self.read(&group).await {
            Ok(found) => return found.into_iter().map(Ok).collect(),
            Err(error) => Arc::new(error),
        };
        if group.len() == 1 || error.outage().is_some() {
            let told = |_| Err(CheckInError::Unavailable(Arc::clone(&error)));
            return group.iter().map(told).collect();
        }
        // One row that cannot be read shall not keep the others out.
        let mut found = Vec::with_capacity(group.len());
        for caller in &group {
            let alone = self.read(std::slice::from_ref(caller)).await;
            found.push(alone.map(|mut found| found.pop().flatten()).map_err(Into::into));
        }
        found
    }

    async fn read(&self, group: &[Caller]) -> Result<Vec<Option<Box<CheckIn>>>, DbError> {
        let callers: Vec<_> = group
            .iter()
            .map(|c| (&c.fingerprint, c.session_id.as_str()))
            .collect();
        devices::check_in_many(&mut self.db.read().await?, &callers).await
    }
}

/// The most callers read by one statement.
const MOST: usize = 64;
