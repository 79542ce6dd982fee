//! Growth has an end: what is finished is kept for a while, then removed in many small transactions.

use super::schedule::DAY;
use crate::Orchestrator;
use qm_core::{Sha256, Timestamp};
use qm_db::{
    DbError, Tx, audit, commands, deployments, devices, enrollment_tokens, exchanges, idempotency, jobs,
    packages, run, settings, targets, unused_content,
};
use std::{collections::HashSet, time::Duration};

/// What is removed row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Audit,
    Commands,
    Deployments,
    Devices,
    EnrollmentReplies,
    EnrollmentTokens,
    Exchanges,
    IdempotencyKeys,
    Jobs,
    Targets,
}

/// What is looked for each time.
const OFTEN: [Kind; 7] = [
    Kind::Audit,
    Kind::Commands,
    Kind::EnrollmentReplies,
    Kind::EnrollmentTokens,
    Kind::Exchanges,
    Kind::IdempotencyKeys,
    Kind::Jobs,
];
/// What takes a longer look: targets before their deployments, and before their devices.
const HOURLY: [Kind; 3] = [Kind::Targets, Kind::Deployments, Kind::Devices];

impl Kind {
    /// How many rows go in one transaction. A device takes some hundred others with it.
    const fn batch(self) -> u32 {
        match self {
            Self::Devices => 20,
            _ => 500,
        }
    }
}

impl Orchestrator {
    /// Removes what has been kept long enough.
    pub(super) async fn retain(&self, now: Timestamp) -> Result<(), DbError> {
        for kind in OFTEN {
            self.clear(kind, now).await?;
        }
        if self.is_turn("retention.swept_at", HOUR, now).await? {
            for kind in HOURLY {
                self.clear(kind, now).await?;
            }
            self.sweep_content(now).await?;
        }
        Ok(())
    }

    /// Removes batch after batch, so that others get their turn between them.
    async fn clear(&self, kind: Kind, now: Timestamp) -> Result<(), DbError> {
        for _ in 0..MOST_BATCHES {
            if self.is_stopping() {
                return Ok(());
            }
            let removed = run!(self.db, "retain", |tx| self.purge(tx, kind, now).await)?;
            if removed < u64::from(kind.batch()) {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Removes one batch; how many.
    async fn purge(&self, tx: &mut Tx, kind: Kind, now: Timestamp) -> Result<u64, DbError> {
        let (settings, batch) = (&self.settings, kind.batch());
        match kind {
            Kind::Audit => audit::purge(tx, now - settings.audit_history, batch).await,
            Kind::Commands => commands::purge_finished(tx, now - settings.history, batch).await,
            Kind::Deployments => {
                deployments::purge_finished(tx, now - settings.deployment_history, batch).await
            }
            Kind::Devices => purge_devices(tx, now - settings.device_history, batch).await,
            Kind::EnrollmentReplies => enrollment_tokens::purge_replies(tx, now - REPLIES, batch).await,
            Kind::EnrollmentTokens => enrollment_tokens::purge_expired(tx, now - DAY, batch).await,
            Kind::Exchanges => exchanges::purge(tx, now - settings.history, batch).await,
            Kind::IdempotencyKeys => idempotency::purge(tx, now - DAY, batch).await,
            Kind::Jobs => jobs::purge_finished(tx, now - settings.history, batch).await,
            Kind::Targets => targets::purge_finished(tx, now - settings.deployment_history, batch).await,
        }
    }

    /// Whether what is done every so often is due now; then it is this server's turn.
    async fn is_turn(&self, key: &str, every: Duration, now: Timestamp) -> Result<bool, DbError> {
        run!(self.db, "retain.turn", |tx| {
            let last = settings::find(tx, key)
                .await?
                .and_then(|text| text.parse().ok())
                .map(Timestamp::from_millis);
            let due = last.is_none_or(|last| now.is_due(last, every));
            if due {
                settings::set(tx, key, &now.as_millis().to_string()).await?;
            }
            Ok::<_, DbError>(due)
        })
    }

    /// Removes content that nothing has named for as long as a link to it works. Whoever stores it again meanwhile makes
    /// its file young, and young files are left alone.
    async fn sweep_content(&self, now: Timestamp) -> Result<(), DbError> {
        let stored = match self.content.stored_before(now - DAY).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(%error, "the package store cannot be looked through");
                return Ok(());
            }
        };
        let mut conn = self.db.read().await?;
        let used: HashSet<Sha256> = packages::content_in_use(&mut conn).await?.into_iter().collect();
        drop(conn);
        let unused: Vec<_> = stored
            .into_iter()
            .filter(|sha256| !used.contains(sha256))
            .collect();
        run!(self.db, "retain.content", |tx| unused_content::note(
            tx, &unused, now
        )
        .await)?;
        let kept = self.settings.link_life.max(DAY);
        let due = unused_content::since_before(&mut self.db.read().await?, now - kept).await?;
        for sha256 in due {
            if run!(self.db, "retain.content", |tx| unused_content::take(tx, &sha256)
                .await)?
            {
                self.remove_content(&sha256, now).await;
            }
        }
        Ok(())
    }

    async fn remove_content(&self, sha256: &Sha256, now: Timestamp) {
        match self.content.delete_stored_before(sha256, now - DAY).await {
            Ok(true) => tracing::info!(content.sha256 = %sha256, "unused content removed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "unused content could not be removed"),
        }
    }
}

async fn purge_devices(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    let gone = devices::ended_before(tx, before, limit).await?;
    targets::purge_of_devices(tx, &gone).await?;
    devices::delete_ended(tx, &gone).await
}

const HOUR: Duration = Duration::from_hours(1);
/// How long the answer to an enrollment is kept for a repeat of the request.
const REPLIES: Duration = Duration::from_hours(7 * 24);
/// 100,000 rows; what is left then has to wait for the next look, as do the deadlines meanwhile.
const MOST_BATCHES: u32 = 200;
