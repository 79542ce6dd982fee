//! `Idempotency-Key`: what a request was answered, for a repeat of it.

use crate::{
    Orchestrator, UseCaseError,
    access::{Caller, digest},
};
use qm_db::{idempotency, idempotency::IdempotentReply, run};
use std::time::Duration;

/// How long answers are kept.
pub(crate) const KEPT: Duration = Duration::from_hours(24);

/// An answer that was given. Answers with a secret in them (a new enrollment token) are kept too, as the repeat has to
/// get the same one: they are the reason why answers are kept for a day only.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// The body may hold a secret.
impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Orchestrator {
    /// What this caller was answered under this key. The key must not have been used for another request.
    pub async fn stored_answer(
        &self,
        caller: &Caller,
        key: &str,
        request: &str,
    ) -> Result<Option<Stored>, UseCaseError> {
        let found = idempotency::find(&mut self.db.read().await?, caller.token_id, key).await?;
        let oldest = self.clock.now() - KEPT;
        let Some(reply) = found.filter(|reply| reply.created_at >= oldest) else {
            return Ok(None);
        };
        if reply.request_digest != digest(request) {
            let problem =
                "this Idempotency-Key was used for another request; give each request a key of its own";
            return Err(UseCaseError::Conflict(problem.to_owned()));
        }
        let status = u16::try_from(reply.status).unwrap_or(200);
        Ok(Some(Stored {
            status,
            body: reply.body,
        }))
    }

    /// Keeps an answer. Where the same request was carried out twice at the same time, the first answer stays.
    pub async fn store_answer(
        &self,
        caller: &Caller,
        key: &str,
        request: &str,
        answer: &Stored,
    ) -> Result<(), UseCaseError> {
        let reply = IdempotentReply {
            token_id: caller.token_id,
            key: key.to_owned(),
            request_digest: digest(request),
            status: answer.status.into(),
            body: answer.body.clone(),
            created_at: self.clock.now(),
        };
        run!(self.db, "idempotency.store", |tx| {
            idempotency::insert(tx, &reply).await?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_body() {
        let stored = Stored {
            status: 201,
            body: "{\"token\":\"gorse\"}".to_owned(),
        };
        assert!(!format!("{stored:?}").contains("gorse"));
    }
}
