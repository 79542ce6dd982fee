//! Messages that have to be stored share commits: those that wait together run one after another in one transaction, each
//! in a part of its own that is undone alone where it fails. One commit, then all the replies leave.

use super::{Answered, CheckInError, Incoming, turn::Turn};
use crate::Orchestrator;
use qm_core::{DeviceId, session::SessionRow};
use qm_db::{
    Batches, Db, DbError, Engine, Tx, devices, devices::CheckIn, exchanges, exchanges::Exchange, run,
    sessions, targets,
};
use std::sync::Arc;
use tracing::Instrument;

/// A message that waits for its turn.
pub(super) struct Waiting {
    pub device: DeviceId,
    pub incoming: Incoming,
    /// The request it came with, for the log.
    pub span: tracing::Span,
}

/// How one message's turn ended.
pub(super) type Outcome = Result<Answered, CheckInError>;

/// The messages that wait for the database.
pub(crate) struct Line {
    batches: Batches<DeviceId, Waiting, Outcome>,
    /// Each message in the line holds it.
    present: Arc<()>,
}

impl Line {
    /// SQLite has one writer. On PostgreSQL one group works while the other one's commit is on its way to the disk; more would
    /// make the groups smaller.
    pub(crate) fn new(db: &Db) -> Self {
        let lanes = match db.engine() {
            Engine::Sqlite => 1,
            Engine::Postgres => 2,
        };
        Self {
            batches: Batches::new(lanes, MOST),
            present: Arc::new(()),
        }
    }
}

impl Orchestrator {
    /// How many messages wait for their commit.
    pub fn waiting_messages(&self) -> usize {
        Arc::strong_count(&self.line.present) - 1
    }

    /// Waits for the turn of a message and answers when what it changed is committed.
    pub(super) async fn in_turn(self: &Arc<Self>, waiting: Waiting) -> Outcome {
        let _present = Arc::clone(&self.line.present);
        let server = Arc::clone(self);
        let serve = move |group| Arc::clone(&server).serve(group);
        let outcome = self.line.batches.pass(Some(waiting.device), waiting, serve).await;
        outcome.unwrap_or_else(|| Err(DbError::Aborted.into()))
    }

    async fn serve(self: Arc<Self>, group: Vec<Waiting>) -> Vec<Outcome> {
        let error = match self.stored(&group).await {
            Ok(outcomes) => return self.once_more(&group, outcomes).await,
            Err(error) => error,
        };
        match error {
            error if group.len() == 1 => vec![Err(error)],
            CheckInError::Unavailable(error) if error.outage().is_some() => {
                let told = |_| Err(CheckInError::Unavailable(Arc::clone(&error)));
                group.iter().map(told).collect()
            }
            error => {
                tracing::warn!(%error, messages = group.len(), "messages that were to share a commit are stored one by one");
                let mut outcomes = Vec::with_capacity(group.len());
                for waiting in &group {
                    outcomes.push(self.alone(waiting).await);
                }
                outcomes
            }
        }
    }

    /// Those that lost against other transactions get one of their own, which is tried several times.
    async fn once_more(&self, group: &[Waiting], mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
        for (waiting, outcome) in group.iter().zip(&mut outcomes) {
            if outcome.as_ref().is_err_and(CheckInError::is_contended) {
                *outcome = self.alone(waiting).await;
            }
        }
        outcomes
    }

    async fn alone(&self, waiting: &Waiting) -> Outcome {
        let outcome = self.stored(std::slice::from_ref(waiting)).await?;
        outcome
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(DbError::Aborted.into()))
    }

    /// Stores a group in one transaction. An error is the whole group's, and nothing of it is stored.
    async fn stored(&self, group: &[Waiting]) -> Result<Vec<Outcome>, CheckInError> {
        let turns: Result<_, CheckInError> = run!(self.db, NAME, |tx| self.turns(tx, group).await);
        let turns: Vec<Result<Turn, CheckInError>> = turns?;
        let stored = turns.iter().filter(|turn| turn.is_ok()).count();
        #[expect(clippy::cast_precision_loss, reason = "a group is small")]
        metrics::histogram!("device_messages_per_commit").record(stored as f64);
        Ok(turns
            .into_iter()
            .map(|turn| turn.map(|turn| turn.answered))
            .collect())
    }

    async fn turns(
        &self,
        tx: &mut Tx,
        group: &[Waiting],
    ) -> Result<Vec<Result<Turn, CheckInError>>, CheckInError> {
        let found = callers(tx, group).await?;
        let mut turns = Vec::with_capacity(group.len());
        for (waiting, found) in group.iter().zip(found) {
            turns.push(match group {
                [_] => Ok(self.turn_of(tx, found, waiting).await?),
                _ => self.turn_apart(tx, found, waiting).await?,
            });
        }
        let done: Vec<_> = turns.iter().filter_map(|turn| turn.as_ref().ok()).collect();
        self.keep(tx, &done).await?;
        Ok(turns)
    }

    /// A turn that is undone alone where it fails.
    async fn turn_apart(
        &self,
        tx: &mut Tx,
        found: Option<Box<CheckIn>>,
        waiting: &Waiting,
    ) -> Result<Result<Turn, CheckInError>, DbError> {
        tx.begin_part().await?;
        let turn = self.turn_of(tx, found, waiting).await;
        if turn.is_err() {
            tx.undo_part().await?;
        }
        Ok(turn)
    }

    async fn turn_of(
        &self,
        tx: &mut Tx,
        found: Option<Box<CheckIn>>,
        waiting: &Waiting,
    ) -> Result<Turn, CheckInError> {
        let turn = self.turn(tx, found, &waiting.incoming);
        turn.instrument(waiting.span.clone()).await
    }

    /// What all messages leave behind, in few statements: sessions, exchanges, counts.
    async fn keep(&self, tx: &mut Tx, turns: &[&Turn]) -> Result<(), DbError> {
        let mut moves = targets::Moves::default();
        for turn in turns {
            moves.add(&turn.moves);
        }
        targets::count(tx, &moves).await?;
        let kept = || turns.iter().filter_map(|turn| turn.kept.as_ref());
        let rows: Vec<SessionRow> = kept().map(|kept| kept.session.clone()).collect();
        sessions::upsert_many(tx, &rows).await?;
        let begun: Vec<_> = kept()
            .filter(|kept| kept.exchange.msg_id == 1)
            .map(|kept| kept.exchange.device_id)
            .collect();
        if !begun.is_empty() {
            exchanges::trim(tx, &begun, self.settings.exchanges_per_device).await?;
        }
        let rows: Vec<Exchange> = kept().map(|kept| kept.exchange.clone()).collect();
        exchanges::insert(tx, &rows).await
    }
}

/// The devices as they are now that nobody else works on them: other messages may have been answered since they were
/// admitted.
async fn callers(tx: &mut Tx, group: &[Waiting]) -> Result<Vec<Option<Box<CheckIn>>>, DbError> {
    let ids: Vec<_> = group.iter().map(|waiting| waiting.device).collect();
    devices::lock(tx, &ids).await?;
    let callers: Vec<_> = group.iter().map(|waiting| waiting.incoming.caller()).collect();
    devices::check_in_many(tx, &callers).await
}

const NAME: &str = "device.check_in";
/// The most messages in one commit: what is behind them in the line waits for all of them.
const MOST: usize = 32;
