//! The circuit around every operation: whether the Store may be asked, and what came of asking. The rules are
//! `qm_engine::circuit`; the row in the database is what all servers know.

use crate::{StoreSync, SyncError};
use futures_util::future::BoxFuture;
use qm_core::{
    Timestamp,
    circuit::{Circuit, CircuitState},
};
use qm_db::{DbError, run, store_circuit};
use qm_engine::circuit::{
    Admission, Trouble, Verdict, admit, on_answer, on_probe_answered, on_probe_failed,
    on_suspicion_confirmed, on_trouble,
};
use qm_store_client::{StoreError, TokenError};

impl StoreSync {
    /// Does something at the Store if the Store is well, and draws the conclusions from how it went.
    pub(crate) async fn guarded<T>(&self, work: BoxFuture<'_, Result<T, SyncError>>) -> Result<T, SyncError> {
        self.admitted().await?;
        let result = work.await;
        if let Err(error) = self.conclude(result.as_ref().err()).await {
            // The result counts; the next operation will notice as well how the Store is.
            tracing::warn!(%error, "the health of the Store could not be noted");
        }
        result
    }

    /// Returns when the Store may be asked. Where it was left alone for long enough, a probe finds out first.
    async fn admitted(&self) -> Result<(), SyncError> {
        let now = self.clock.now();
        let known = store_circuit::find(&mut self.db.read().await?).await?;
        if known.state == CircuitState::Closed {
            // Perhaps another server has found out that the Store is back.
            known.since.inspect(|since| self.client.found_well(*since));
            return Ok(());
        }
        let admission = run!(self.db, "circuit.admit", |tx| {
            let admission = admit(&store_circuit::lock(tx).await?, now);
            if let Admission::Probe(circuit) = &admission {
                store_circuit::update(tx, circuit).await?;
            }
            Ok::<_, DbError>(admission)
        })?;
        match admission {
            Admission::Pass => Ok(()),
            Admission::Probe(_) => self.probe(now).await,
            Admission::Wait(retry_at) => Err(SyncError::LeftAlone {
                retry_at,
                reason: known.reason.unwrap_or_default(),
            }),
        }
    }

    /// The one request of a half-open circuit.
    async fn probe(&self, began: Timestamp) -> Result<(), SyncError> {
        let answer = self.client.probe().await;
        let (now, chance) = (self.clock.now(), self.chance());
        let trouble = answer
            .as_ref()
            .err()
            .and_then(|error| Some((trouble_of(error)?, error.to_string())));
        run!(self.db, "circuit.probe", |tx| {
            let circuit = store_circuit::lock(tx).await?;
            let after = match &trouble {
                None => on_probe_answered(&circuit, began, now),
                Some((trouble, reason)) => on_probe_failed(&circuit, began, *trouble, reason, now, chance),
            };
            store(tx, after).await
        })?;
        let Some((_, reason)) = trouble else {
            tracing::info!("the Store answers again");
            return Ok(());
        };
        tracing::warn!(error = reason, "the Store is still not well");
        let known = store_circuit::find(&mut self.db.read().await?).await?;
        Err(SyncError::LeftAlone {
            retry_at: known.retry_at.unwrap_or(now),
            reason,
        })
    }

    async fn conclude(&self, error: Option<&SyncError>) -> Result<(), DbError> {
        match error {
            None => self.note_answer().await,
            Some(SyncError::Store(error)) => match trouble_of(error) {
                Some(trouble) => self.note_trouble(trouble, error).await,
                None => self.note_answer().await,
            },
            // Our own database, disk or the content network: nothing about the Store.
            Some(_) => Ok(()),
        }
    }

    async fn note_answer(&self) -> Result<(), DbError> {
        let known = store_circuit::find(&mut self.db.read().await?).await?;
        if on_answer(&known).is_none() {
            return Ok(());
        }
        run!(self.db, "circuit.answer", |tx| {
            let after = on_answer(&store_circuit::lock(tx).await?);
            store(tx, after).await
        })
    }

    async fn note_trouble(&self, trouble: Trouble, error: &StoreError) -> Result<(), DbError> {
        let (now, chance, reason) = (self.clock.now(), self.chance(), error.to_string());
        let verdict = run!(self.db, "circuit.trouble", |tx| {
            let verdict = on_trouble(&store_circuit::lock(tx).await?, trouble, &reason, now, chance);
            if let Verdict::Noted(circuit) = &verdict {
                store_circuit::update(tx, circuit).await?;
            }
            Ok::<_, DbError>(verdict)
        })?;
        match verdict {
            Verdict::Suspect => self.look_closer().await,
            Verdict::Known | Verdict::Noted(_) => Ok(()),
        }
    }

    /// Something failed as it would if the Store were out of order: the probe tells whether it is.
    async fn look_closer(&self) -> Result<(), DbError> {
        let answer = self.client.probe().await;
        let (now, chance) = (self.clock.now(), self.chance());
        let found = answer
            .as_ref()
            .err()
            .and_then(|error| Some((trouble_of(error)?, error)));
        let Some((trouble, error)) = found else {
            return self.note_answer().await;
        };
        let reason = error.to_string();
        tracing::warn!(error = reason, "the Store is left alone for a while");
        run!(self.db, "circuit.open", |tx| {
            let circuit = store_circuit::lock(tx).await?;
            store(
                tx,
                on_suspicion_confirmed(&circuit, trouble, &reason, now, chance),
            )
            .await
        })
    }

    fn chance(&self) -> u64 {
        self.rng.below(1000)
    }
}

async fn store(tx: &mut qm_db::Tx, after: Option<Circuit>) -> Result<(), DbError> {
    match after {
        Some(circuit) => store_circuit::update(tx, &circuit).await,
        None => Ok(()),
    }
}

/// What an error says about the service as a whole; `None` where it says that it answers.
pub(crate) fn trouble_of(error: &StoreError) -> Option<Trouble> {
    match error {
        StoreError::Ambiguous(_)
        | StoreError::NotTheService { .. }
        | StoreError::Throttled { .. }
        | StoreError::Token(TokenError::BadAnswer | TokenError::Unavailable { .. })
        | StoreError::Unavailable { .. }
        | StoreError::Unreachable { .. } => Some(Trouble::Outage {
            wait: error.retry_after(),
        }),
        StoreError::Forbidden(_)
        | StoreError::Retired(_)
        | StoreError::Token(_)
        | StoreError::Unauthorized(_) => Some(Trouble::Refusal),
        // One product or user, or an answer that makes no sense: whoever sent it is there.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_store_client::{AnswerProblem, Conflict, Fault, Missing, NotTheService, Operation};
    use std::time::Duration;

    #[test]
    fn only_what_concerns_the_whole_service_is_trouble() {
        let (operation, minute) = (Operation::Seat, Some(Duration::from_mins(1)));
        let outage = |wait| Some(Trouble::Outage { wait });
        let fault = Box::<Fault>::default;
        let table = [
            (StoreError::Ambiguous(operation), outage(None)),
            (
                StoreError::NotTheService {
                    operation,
                    answer: NotTheService::Html,
                },
                outage(None),
            ),
            (StoreError::Throttled { retry_after: minute }, outage(minute)),
            (
                StoreError::Unavailable {
                    operation,
                    status: 503,
                    retry_after: minute,
                },
                outage(minute),
            ),
            (
                StoreError::Unreachable {
                    operation,
                    detail: "refused".to_owned(),
                },
                outage(None),
            ),
            (
                StoreError::Token(TokenError::Unavailable {
                    detail: "status 503".to_owned(),
                    retry_after: minute,
                }),
                outage(minute),
            ),
            (StoreError::Token(TokenError::BadAnswer), outage(None)),
            (
                StoreError::Token(TokenError::CredentialsExpired),
                Some(Trouble::Refusal),
            ),
            (
                StoreError::Token(TokenError::ResourceDisabled),
                Some(Trouble::Refusal),
            ),
            (StoreError::Unauthorized(fault()), Some(Trouble::Refusal)),
            (StoreError::Forbidden(fault()), Some(Trouble::Refusal)),
            (StoreError::Retired(operation), Some(Trouble::Refusal)),
            (StoreError::UnknownUser, None),
            (StoreError::NoSeatsLeft, None),
            (
                StoreError::Refused {
                    operation,
                    fault: fault(),
                },
                None,
            ),
            (
                StoreError::NotFound {
                    operation,
                    missing: Missing::Product,
                    fault: fault(),
                },
                None,
            ),
            (
                StoreError::Conflict {
                    operation,
                    conflict: Conflict::NotOwned,
                    fault: fault(),
                },
                None,
            ),
            (
                StoreError::BadAnswer {
                    operation,
                    problem: AnswerProblem::NotJson,
                },
                None,
            ),
            (StoreError::PageLoop(operation), None),
        ];
        for (error, expected) in table {
            assert_eq!(trouble_of(&error), expected, "{error:?}");
        }
    }
}
