//! The audit trail: who did what, when, from where.

use crate::{Orchestrator, UseCaseError, access::Caller};
use qm_core::{AuditId, DeviceId, Page, PageRequest, Rng, Timestamp, access::AuditEntry};
use qm_db::{DbError, Tx, audit, idempotency};
use serde_json::Value;

impl Orchestrator {
    /// The trail, newest first.
    pub async fn audit_trail(&self, page: PageRequest) -> Result<Page<AuditEntry>, UseCaseError> {
        Ok(audit::list(&mut self.db.read().await?, page).await?)
    }
}

/// Notes what an administrator did, in the transaction that does it; marks the request's `Idempotency-Key` as done.
pub(crate) async fn record(
    tx: &mut Tx,
    now: Timestamp,
    rng: &Rng,
    caller: &Caller,
    action: &str,
    object: impl ToString,
    detail: Value,
) -> Result<(), DbError> {
    let entry = AuditEntry {
        source: caller.source.clone(),
        ..entry(now, rng, caller.name.clone(), action, object.to_string(), &detail)
    };
    audit::insert(tx, &entry).await?;
    match &caller.carries_out {
        // Whoever took the key over carries the request out instead.
        Some(by) if !idempotency::carried_out(tx, by).await? => Err(DbError::Aborted),
        _ => Ok(()),
    }
}

/// Notes what the server did by itself.
pub(crate) async fn record_system(
    tx: &mut Tx,
    now: Timestamp,
    rng: &Rng,
    action: &str,
    object: impl ToString,
    detail: Value,
) -> Result<(), DbError> {
    audit::insert(
        tx,
        &entry(now, rng, "system".to_owned(), action, object.to_string(), &detail),
    )
    .await
}

/// Notes what a device or its user did.
pub(crate) async fn record_device(
    tx: &mut Tx,
    now: Timestamp,
    rng: &Rng,
    device: DeviceId,
    action: &str,
    object: impl ToString,
    detail: Value,
) -> Result<(), DbError> {
    let actor = format!("device:{device}");
    audit::insert(tx, &entry(now, rng, actor, action, object.to_string(), &detail)).await
}

fn entry(
    now: Timestamp,
    rng: &Rng,
    actor: String,
    action: &str,
    object: String,
    detail: &Value,
) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(now, rng),
        at: now,
        actor,
        action: action.to_owned(),
        object,
        detail: detail.to_string(),
        source: None,
    }
}
