//! One message's turn in a transaction: learn, gather what is due, tell.

use super::{
    Answered, CheckInError, Incoming,
    admit::{Progress, opens_session, progress, stored_state},
    facts::Visit,
    unanswered::close,
};
use crate::{Orchestrator, exchanges::masked};
use qm_core::{ExchangeId, SessionRowId, session::SessionRow};
use qm_db::{DbError, Tx, commands, devices::CheckIn, exchanges::Exchange, targets::Moves};
use qm_engine::session::{
    Budget, MAX_COMMAND_ATTEMPTS, Purpose, Received, Reply, Session, Work, receive, reply,
};

/// What a turn came to; the caller stores what is kept, for all turns of a commit at once.
pub(super) struct Turn {
    pub answered: Answered,
    pub kept: Option<Kept>,
    pub moves: Moves,
}

/// What is kept of a message.
pub(super) struct Kept {
    pub session: SessionRow,
    pub exchange: Exchange,
}

impl Turn {
    /// Answered without work: another connection was quicker.
    fn passed(bytes: Vec<u8>) -> Self {
        let answered = Answered {
            bytes,
            commands: 0,
            jobs: false,
        };
        Self {
            answered,
            kept: None,
            moves: Moves::default(),
        }
    }
}

impl Orchestrator {
    /// Answers a message by what is stored now.
    pub(super) async fn turn(
        &self,
        tx: &mut Tx,
        found: Option<Box<CheckIn>>,
        incoming: &Incoming,
    ) -> Result<Turn, CheckInError> {
        let Some(found) = found.filter(|found| opens_session(found, incoming)) else {
            self.note_refused("ended", None, incoming.now);
            return Err(CheckInError::UnknownDevice);
        };
        Ok(match progress(found.session.as_ref(), incoming) {
            Progress::Next(session) => self.work_through(tx, &found, session, incoming).await?,
            Progress::Repeat(stored) => Turn::passed(stored),
            Progress::Stale => Turn::passed(Self::dismiss(incoming)),
            Progress::Broken => Turn::passed(Self::abort(incoming)),
        })
    }

    async fn work_through(
        &self,
        tx: &mut Tx,
        found: &CheckIn,
        session: Session,
        incoming: &Incoming,
    ) -> Result<Turn, DbError> {
        if incoming.message.header.msg_id == 1 && found.open_commands > 0 {
            // Nothing refers to what the session with this id had sent any more.
            let given_up = found.session.as_ref().map(stored_state).unwrap_or_default();
            close(tx, &given_up.sent, incoming.now).await?;
            commands::requeue_unanswered(tx, found.device.id, MAX_COMMAND_ATTEMPTS, incoming.now).await?;
        }
        let received = receive(session, &incoming.message);
        let mut visit = Visit::begin(self, tx, found, received.session.clone(), incoming).await?;
        visit.apply(tx, &received.facts).await?;
        let due = if received.may_command {
            visit.work(tx).await?
        } else {
            Work::default()
        };
        let received = Received {
            session: visit.session.clone(),
            ..received
        };
        let reply = reply(&incoming.message.header, received, due, Budget::default());
        visit.told(tx, &reply.told).await?;
        visit.finish(tx).await?;
        let bytes = qm_syncml::encode(incoming.encoding, &reply.message);
        Ok(Turn {
            kept: Some(self.kept(found, incoming, &reply, &bytes)),
            moves: std::mem::take(&mut visit.moves),
            answered: Answered {
                bytes,
                commands: reply.told.len(),
                jobs: visit.jobs,
            },
        })
    }

    /// The session and the exchange as they are to be stored.
    fn kept(&self, found: &CheckIn, incoming: &Incoming, reply: &Reply, bytes: &[u8]) -> Kept {
        let header = &incoming.message.header;
        let known = found.session.as_ref().map(|row| row.id);
        let session = SessionRow {
            id: known.unwrap_or_else(|| SessionRowId::new(incoming.now, &self.rng)),
            device_id: found.device.id,
            session_id: header.session_id.clone(),
            last_msg_id: i64::from(header.msg_id),
            request_digest: incoming.digest(),
            opened_digest: match header.msg_id {
                1 => Some(incoming.digest()),
                _ => found.session.as_ref().and_then(|row| row.opened_digest),
            },
            response: bytes.to_vec(),
            state: serde_json::to_string(&reply.session).unwrap_or_default(),
            updated_at: incoming.now,
        };
        let exchange = Exchange {
            id: ExchangeId::new(incoming.now, &self.rng),
            device_id: found.device.id,
            session_id: header.session_id.clone(),
            msg_id: i64::from(header.msg_id),
            request: masked(&incoming.message),
            response: masked(&reply.message),
            at: incoming.now,
        };
        Kept { session, exchange }
    }
}

impl Visit<'_> {
    /// Marks what the reply tells the device.
    async fn told(&mut self, tx: &mut Tx, told: &[Purpose]) -> Result<(), DbError> {
        let custom: Vec<_> = told
            .iter()
            .filter_map(|purpose| match purpose {
                Purpose::Custom { id } => Some(*id),
                _ => None,
            })
            .collect();
        if !custom.is_empty() {
            commands::mark_sent(tx, &custom, self.now).await?;
        }
        self.mark_targets_sent(tx, told).await
    }
}
