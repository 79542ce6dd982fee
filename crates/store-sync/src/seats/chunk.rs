//! Up to 25 rows of one action: one call if it goes well, looks and single calls where it does not.

use super::{Round, Settled};
use crate::SyncError;
use qm_core::{SeatId, seat::Seat};
use qm_db::{run, seats};
use qm_store_client::{Conflict, Missing, SeatAction, StoreError, Verdict};

/// Rows with how they were settled.
type Results = Vec<(Seat, Settled)>;

impl Round<'_> {
    /// Settles up to 25 rows, and stores what was settled also where it breaks off.
    pub(super) async fn chunk(&mut self, action: SeatAction, rows: &[Seat]) -> Result<(), SyncError> {
        let ids: Vec<SeatId> = rows.iter().map(|row| row.id).collect();
        run!(self.sync.db, "seats.attempt", |tx| seats::count_attempt(tx, &ids)
            .await)?;
        let mut results = Vec::with_capacity(rows.len());
        let ended = self.call(action, rows, &mut results).await;
        self.record(action, results).await?;
        ended.map_err(SyncError::Store)
    }

    /// What an earlier call may have settled, before its answer was lost or the server died, is looked at first.
    async fn call(
        &mut self,
        action: SeatAction,
        rows: &[Seat],
        results: &mut Results,
    ) -> Result<(), StoreError> {
        let (doubtful, mut rows): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(|row| row.attempts > 0);
        rows.extend(self.look(action, doubtful, results).await?);
        if rows.len() < 2 {
            return self.singly(action, rows, results).await;
        }
        self.together(action, rows, results).await
    }

    /// One bulk call. A lost answer is followed by a look at every seat, and the remainder is sent once more.
    async fn together(
        &mut self,
        action: SeatAction,
        mut rows: Vec<Seat>,
        results: &mut Results,
    ) -> Result<(), StoreError> {
        for _ in 0..CALLS {
            let upns: Vec<_> = rows.iter().map(|row| row.upn.clone()).collect();
            match self.sync.client.change_seats(&self.key, action, &upns).await {
                Ok(result) => {
                    let verdicts = rows
                        .into_iter()
                        .map(|row| (result.verdict(&row.upn), row))
                        .collect();
                    return self.after_bulk(action, verdicts, results).await;
                }
                Err(StoreError::Ambiguous(_)) => {
                    rows = self.look(action, rows, results).await?;
                    if rows.len() < 2 {
                        return self.singly(action, rows, results).await;
                    }
                }
                Err(error) if concerns_product(&error) => {
                    let reason = error.to_string();
                    results.extend(
                        rows.into_iter()
                            .map(|row| (row, Settled::Refused(reason.clone()))),
                    );
                    return Ok(());
                }
                // One bad name spoils the batch: find out which.
                Err(error) if is_refusal(&error) => return self.singly(action, rows, results).await,
                Err(error) => return Err(error),
            }
        }
        results.extend(rows.into_iter().map(|row| (row, Settled::Open)));
        Ok(())
    }

    async fn after_bulk(
        &mut self,
        action: SeatAction,
        verdicts: Vec<(Verdict, Seat)>,
        results: &mut Results,
    ) -> Result<(), StoreError> {
        let (mut doubtful, mut failed) = (Vec::new(), Vec::new());
        for (verdict, row) in verdicts {
            match verdict {
                Verdict::Done => results.push((row, Settled::Done)),
                Verdict::Failed(_) => failed.push(row),
                Verdict::Unknown => doubtful.push(row),
            }
        }
        // The service's reasons are free text; a call for one user answers with a status.
        failed.extend(self.look(action, doubtful, results).await?);
        self.singly(action, failed, results).await
    }

    /// Reads the seats of rows in doubt; answers with those that are not as wanted.
    async fn look(
        &mut self,
        action: SeatAction,
        rows: Vec<Seat>,
        results: &mut Results,
    ) -> Result<Vec<Seat>, StoreError> {
        let mut rest = Vec::new();
        for row in rows {
            if self.is_as_wanted(action, &row.upn).await? {
                results.push((row, Settled::Done));
            } else {
                rest.push(row);
            }
        }
        Ok(rest)
    }

    async fn singly(
        &mut self,
        action: SeatAction,
        rows: Vec<Seat>,
        results: &mut Results,
    ) -> Result<(), StoreError> {
        for row in rows {
            let settled = self.one(action, &row.upn).await?;
            results.push((row, settled));
        }
        Ok(())
    }

    async fn one(&mut self, action: SeatAction, upn: &str) -> Result<Settled, StoreError> {
        if self.exhausted && action == SeatAction::Assign {
            let held = self.is_as_wanted(action, upn).await?;
            return Ok(if held { Settled::Done } else { Settled::Waiting });
        }
        for _ in 0..CALLS {
            let called = match action {
                SeatAction::Assign => self.sync.client.assign_seat(&self.key, upn).await.map(|_| ()),
                SeatAction::Reclaim => self.sync.client.reclaim_seat(&self.key, upn).await.map(|_| ()),
            };
            match called {
                Ok(()) => return Ok(Settled::Done),
                Err(StoreError::Ambiguous(_)) => {
                    if self.is_as_wanted(action, upn).await? {
                        return Ok(Settled::Done);
                    }
                }
                Err(StoreError::NoSeatsLeft) => {
                    self.exhausted = true;
                    return Ok(Settled::Waiting);
                }
                Err(error) if is_refusal(&error) => return Ok(Settled::Refused(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        Ok(Settled::Open)
    }

    async fn is_as_wanted(&self, action: SeatAction, upn: &str) -> Result<bool, StoreError> {
        let held = match self.sync.client.seat(&self.key, upn).await {
            Ok(seat) => seat.is_some(),
            Err(StoreError::UnknownUser) => false,
            Err(error) => return Err(error),
        };
        Ok(held == (action == SeatAction::Assign))
    }
}

/// The Store's last word on a user or product.
fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Conflict { .. }
            | StoreError::InvalidIdentifier(_)
            | StoreError::NotFound { .. }
            | StoreError::Refused { .. }
            | StoreError::UnknownUser
    )
}

/// A refusal that would meet every user of the product.
fn concerns_product(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Conflict {
            conflict: Conflict::NotOnline | Conflict::NotOwned,
            ..
        } | StoreError::NotFound {
            missing: Missing::Inventory | Missing::Product,
            ..
        }
    )
}

/// A call and, where its answer was lost and it took no effect, one more.
const CALLS: usize = 2;
