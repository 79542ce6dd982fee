//! The seat ledger against the Store's lists of seats.

use crate::{
    ProductFailure, StoreSync, SyncError, SyncReport,
    walk::{Outage, key_of},
};
use qm_core::{
    SeatId, Timestamp,
    app::{App, AppState, LicenseKind, SeatCounts},
    seat::{Seat, SeatState},
};
use qm_db::{DbError, Tx, apps, run, seats};
use std::collections::HashSet;

/// What a comparison changed.
#[derive(Clone, Copy, Default)]
struct Corrected {
    found: usize,
    lost: usize,
}

impl StoreSync {
    /// Compares the ledger of every online app with the Store. A list that cannot be read fails nothing else.
    pub(crate) async fn reconcile(
        &self,
        report: &mut SyncReport,
        seen: &[App],
        outage: &mut Outage,
    ) -> Result<(), SyncError> {
        let online = |app: &&App| app.license == LicenseKind::Online && app.state == AppState::Available;
        for app in seen.iter().filter(online) {
            match self.reconcile_app(app).await {
                Ok(corrected) => {
                    report.seats_found += corrected.found;
                    report.seats_lost += corrected.lost;
                    outage.note(None)?;
                }
                Err(SyncError::Store(error)) => {
                    report
                        .failures
                        .extend(key_of(app).map(|key| ProductFailure::of_store(&key, &error)));
                    outage.note(Some(error))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn reconcile_app(&self, app: &App) -> Result<Corrected, SyncError> {
        let Some(key) = key_of(app) else {
            return Ok(Corrected::default());
        };
        let began = self.clock.now();
        let walk = self.client.seats(&key).await?;
        let holders: HashSet<String> = walk
            .items
            .iter()
            .filter(|seat| seat.is_active())
            .map(|seat| seat.upn.to_lowercase())
            .collect();
        let sure = walk.skipped == 0;
        let assigned = i64::try_from(holders.len()).unwrap_or(i64::MAX);
        run!(self.db, "seats.reconcile", |tx| {
            let corrected = self.correct(tx, app, &holders, began, sure).await?;
            let before = app.seats.unwrap_or_default();
            let counts = SeatCounts { assigned, ..before };
            if counts != before {
                apps::set_seats(tx, app.id, counts, self.clock.now()).await?;
            }
            Ok::<_, SyncError>(corrected)
        })
    }

    /// Corrects the ledger. Rows that moved since the list was begun are newer than the list and left alone.
    async fn correct(
        &self,
        tx: &mut Tx,
        app: &App,
        holders: &HashSet<String>,
        began: Timestamp,
        sure: bool,
    ) -> Result<Corrected, DbError> {
        let now = self.clock.now();
        let ledger = seats::all_of_app(tx, app.id).await?;
        let mut corrected = Corrected::default();
        let known: HashSet<&str> = ledger.iter().map(|seat| seat.upn.as_str()).collect();
        let new: Vec<_> = holders
            .iter()
            .filter(|upn| !known.contains(upn.as_str()))
            .map(|upn| self.found(app, upn, now))
            .collect();
        seats::insert_missing(tx, &new).await?;
        corrected.found += new.len();
        for seat in ledger.iter().filter(|seat| seat.since <= began) {
            match (seat.state, holders.contains(&seat.upn)) {
                (SeatState::Reclaimed | SeatState::Failed, true) => {
                    seats::set_state(tx, seat.id, seat.state, SeatState::Assigned, FOUND, now).await?;
                    corrected.found += 1;
                }
                (SeatState::Assigned, false) if sure => {
                    self.lost(tx, seat, now).await?;
                    corrected.lost += 1;
                }
                // What is being assigned or given back is settled by the next seat round.
                _ => {}
            }
        }
        Ok(corrected)
    }

    fn found(&self, app: &App, upn: &str, now: Timestamp) -> Seat {
        Seat {
            id: SeatId::new(now, &self.rng),
            app_id: app.id,
            upn: upn.to_owned(),
            state: SeatState::Assigned,
            reason: FOUND.to_owned(),
            since: now,
            attempts: 0,
        }
    }

    /// The Store took it back: asked for again where it is needed.
    async fn lost(&self, tx: &mut Tx, seat: &Seat, now: Timestamp) -> Result<(), DbError> {
        let needed = !seats::reasons_of(tx, seat.id).await?.is_empty();
        let (state, reason) = if needed {
            (SeatState::Assigning, seat.reason.as_str())
        } else {
            (SeatState::Reclaimed, GONE)
        };
        seats::set_state(tx, seat.id, SeatState::Assigned, state, reason, now)
            .await
            .map(|_| ())
    }
}

/// Why a seat is in the ledger that nobody here asked for.
const FOUND: &str = "found at the Store";
const GONE: &str = "no longer at the Store";
