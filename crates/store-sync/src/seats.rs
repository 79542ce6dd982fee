//! Seat rounds: what the ledger wants of one app is done at the Store, one call after another, and what may have taken
//! effect is looked at before it is repeated.

mod chunk;

use crate::{SeatChange, SeatRound, StoreSync, SyncError, product::seat_counts};
use qm_core::{
    AppId,
    app::{App, LicenseKind, SeatCounts},
    seat::{Seat, SeatState},
};
use qm_db::{DbError, apps, run, seats};
use qm_store_client::{MAX_BULK_USERS, Operation, ProductKey, SeatAction, StoreError};
use std::collections::HashSet;

/// How the Store settled a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Settled {
    /// As wanted.
    Done,
    /// Refused for good; why, for people.
    Refused(String),
    /// No seat is left.
    Waiting,
    /// The answers were lost, and it did not take effect: another round.
    Open,
}

/// A round in progress.
struct Round<'a> {
    sync: &'a StoreSync,
    app: App,
    key: ProductKey,
    report: SeatRound,
    /// The Store said that no seat is left.
    exhausted: bool,
    /// A row stayed open after this operation.
    open: Option<Operation>,
}

impl StoreSync {
    /// Settles the rows of an app that are to be given back or assigned, in this order. Rows without a free seat stay
    /// `assigning` and are reported as waiting. What was settled before a failure is in the ledger; the rest stays for
    /// the next round.
    pub async fn seat_round(&self, app_id: AppId) -> Result<SeatRound, SyncError> {
        let (app, key) = self.store_app(app_id).await?;
        let online = app.license == LicenseKind::Online;
        let round = Round {
            sync: self,
            app,
            key,
            report: SeatRound::default(),
            exhausted: false,
            open: None,
        };
        let wanted = round.wanted().await?;
        match (online, wanted.is_empty()) {
            (true, true) => return Ok(round.report),
            (false, true) => return Err(SyncError::NotOnline),
            (false, false) => return round.end_without_seats(wanted).await,
            (true, false) => {}
        }
        self.guarded(Box::pin(round.carry_out(wanted))).await
    }
}

/// Rows to be settled, those to be given back first: that makes room.
struct Wanted {
    reclaiming: Vec<Seat>,
    assigning: Vec<Seat>,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.reclaiming.is_empty() && self.assigning.is_empty()
    }
}

impl Round<'_> {
    /// The app was licensed online once: its seats are gone with that, and there are no others.
    async fn end_without_seats(mut self, wanted: Wanted) -> Result<SeatRound, SyncError> {
        let gone = |row: Seat| (row, Settled::Done);
        let refused = |row: Seat| (row, Settled::Refused(SyncError::NotOnline.to_string()));
        self.record(
            SeatAction::Reclaim,
            wanted.reclaiming.into_iter().map(gone).collect(),
        )
        .await?;
        self.record(
            SeatAction::Assign,
            wanted.assigning.into_iter().map(refused).collect(),
        )
        .await?;
        Ok(self.report)
    }

    async fn carry_out(mut self, wanted: Wanted) -> Result<SeatRound, SyncError> {
        self.settle(wanted).await?;
        // The counts are for people; the next synchronization has them anyway.
        match self.refresh_counts().await {
            Ok(counts) => self.report.counts = counts,
            Err(error) => {
                tracing::warn!(app.id = %self.app.id, %error, "could not refresh the app's seat counts");
            }
        }
        match self.open {
            Some(operation) => Err(StoreError::Ambiguous(operation).into()),
            None => Ok(self.report),
        }
    }

    async fn wanted(&self) -> Result<Wanted, SyncError> {
        Ok(Wanted {
            reclaiming: self.rows(SeatState::Reclaiming).await?,
            assigning: self.rows(SeatState::Assigning).await?,
        })
    }

    async fn settle(&mut self, wanted: Wanted) -> Result<(), SyncError> {
        for rows in wanted.reclaiming.chunks(MAX_BULK_USERS) {
            self.chunk(SeatAction::Reclaim, rows).await?;
        }
        let mut chunks = wanted.assigning.chunks(MAX_BULK_USERS);
        while let Some(rows) = chunks.next() {
            self.chunk(SeatAction::Assign, rows).await?;
            if self.exhausted {
                let rest: Vec<_> = chunks.by_ref().flatten().cloned().collect();
                self.settle_without_calls(&rest).await?;
            }
        }
        Ok(())
    }

    async fn rows(&self, state: SeatState) -> Result<Vec<Seat>, SyncError> {
        Ok(seats::in_state(&mut self.sync.db.read().await?, self.app.id, state, MOST_ROWS).await?)
    }

    /// None is left: whoever holds a seat already is settled, everybody else waits. One list in place of many calls.
    async fn settle_without_calls(&mut self, rows: &[Seat]) -> Result<(), SyncError> {
        if rows.is_empty() {
            return Ok(());
        }
        let walk = self.sync.client.seats(&self.key).await?;
        let holders: HashSet<String> = walk
            .items
            .iter()
            .filter(|seat| seat.is_active())
            .map(|seat| seat.upn.to_lowercase())
            .collect();
        let settle = |row: &Seat| {
            let held = holders.contains(&row.upn);
            (row.clone(), if held { Settled::Done } else { Settled::Waiting })
        };
        self.record(SeatAction::Assign, rows.iter().map(settle).collect())
            .await
    }

    /// Stores what was settled. A row that somebody moved meanwhile is theirs.
    async fn record(&mut self, action: SeatAction, settled: Vec<(Seat, Settled)>) -> Result<(), SyncError> {
        let now = self.sync.clock.now();
        let waits = |settled: &Settled| *settled == Settled::Waiting;
        let waiting: Vec<_> = settled
            .iter()
            .filter(|(_, settled)| waits(settled))
            .map(|(row, _)| row.id)
            .collect();
        let changes = run!(self.sync.db, "seats.settle", |tx| {
            let mut changes = Vec::new();
            seats::answered(tx, &waiting).await?;
            for (row, settled) in &settled {
                let Some((state, reason)) = outcome(action, row, settled) else {
                    continue;
                };
                if seats::set_state(tx, row.id, row.state, state, &reason, now).await? {
                    changes.push(SeatChange {
                        seat_id: row.id,
                        upn: row.upn.clone(),
                        state,
                        reason,
                    });
                }
            }
            Ok::<_, DbError>(changes)
        })?;
        self.report.changes.extend(changes);
        if settled.iter().any(|(_, settled)| *settled == Settled::Open) {
            self.open = Some(match action {
                SeatAction::Assign => Operation::AssignSeat,
                SeatAction::Reclaim => Operation::ReclaimSeat,
            });
        }
        let waiting = settled.iter().filter(|(_, settled)| waits(settled));
        self.report
            .waiting
            .extend(waiting.map(|(row, _)| row.upn.clone()));
        Ok(())
    }

    async fn refresh_counts(&self) -> Result<Option<SeatCounts>, SyncError> {
        let Some(entry) = self.sync.client.inventory_entry(&self.key).await? else {
            return Ok(None);
        };
        let mut conn = self.sync.db.read().await?;
        let ledger = seats::counts(&mut conn, self.app.id).await?;
        drop(conn);
        let assigned = ledger.get(&SeatState::Assigned).copied().unwrap_or(0);
        let counts = seat_counts(
            &entry,
            Some(SeatCounts {
                assigned,
                ..SeatCounts::default()
            }),
        );
        let now = self.sync.clock.now();
        run!(self.sync.db, "seats.counts", |tx| apps::set_seats(
            tx,
            self.app.id,
            counts,
            now
        )
        .await)?;
        Ok(Some(counts))
    }
}

/// Where a row goes; `None` where it stays.
fn outcome(action: SeatAction, row: &Seat, settled: &Settled) -> Option<(SeatState, String)> {
    match (settled, action) {
        (Settled::Done, SeatAction::Assign) => Some((SeatState::Assigned, row.reason.clone())),
        (Settled::Done, SeatAction::Reclaim) => Some((SeatState::Reclaimed, row.reason.clone())),
        (Settled::Refused(reason), _) => Some((SeatState::Failed, reason.clone())),
        (Settled::Waiting | Settled::Open, _) => None,
    }
}

/// Rows of one round; the rest waits for the next one.
const MOST_ROWS: u32 = 100_000;
