//! Servers on one database mean the same moment by "now", whatever their own clocks say.

use crate::Orchestrator;
use qm_db::{DbError, Engine, clock};
use qm_engine::clocks::{Difference, compare};

impl Orchestrator {
    /// Compares this machine's clock with the database's and goes by that one where they differ. An SQLite database is on
    /// this machine.
    pub async fn agree_on_time(&self) -> Result<(), DbError> {
        if self.db.engine() == Engine::Sqlite {
            return Ok(());
        }
        let mut conn = self.db.read().await?;
        let Some(asked) = self.clock.own() else {
            return Ok(());
        };
        let theirs = clock::now(&mut conn).await?;
        if let Some(answered) = self.clock.own() {
            self.follow_clock(compare(asked, theirs, answered));
        }
        Ok(())
    }

    fn follow_clock(&self, difference: Difference) {
        let (by, off) = match difference {
            Difference::Unknown => return,
            Difference::InStep => (0, 0),
            Difference::Off(off) => (off, off),
            Difference::TooFar(off) => (0, off),
        };
        measure(off);
        let before = self.clock.adjust(by);
        match difference {
            Difference::TooFar(_) => tracing::error!(
                clock.ahead_seconds = ahead(off),
                "this machine's clock and the database's differ by more than a day: neither is followed by the other, and \
                 servers on this database may take each other's work. Set the clock that is wrong."
            ),
            // Once when it begins, and when it changes by more than clocks drift between two looks.
            Difference::Off(_) if (by - before).abs() > NEWS => tracing::warn!(
                clock.ahead_seconds = ahead(off),
                "this machine's clock and the database's differ: the server goes by the database's, as all on it do. Set \
                 the clock that is wrong."
            ),
            _ => {}
        }
    }
}

/// Milliseconds.
const NEWS: i64 = 1000;

fn measure(off: i64) {
    metrics::gauge!("clock_ahead_of_database_seconds").set(ahead(off));
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a float has room for 285,000 years of milliseconds"
)]
fn ahead(off: i64) -> f64 {
    off.saturating_neg() as f64 / 1000.0
}
