//! `Idempotency-Key`: a request is carried out once, and answered the same when it is repeated.
//!
//! The key is reserved before the work. The transaction that does the work marks the reservation ([`crate::audit`]), so
//! that work and mark are stored together or not at all: a repeat after a crash knows whether it was done.

use crate::{
    Orchestrator, UseCaseError,
    access::{Caller, digest},
};
use qm_core::Sha256;
use qm_db::{
    idempotency,
    idempotency::{IdempotentReply, Reservation},
    run,
};
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

/// What became of a request's key.
#[derive(Debug)]
pub enum Claim {
    /// This request is the first: carry it out as this caller, then store its answer or give the key back.
    Ours(Caller),
    /// It was carried out before and answered this.
    Answered(Stored),
}

impl Orchestrator {
    /// Reserves `key` for this request, or finds what the same request was answered before. While somebody is carrying it
    /// out, waits a little for the answer. The key must not have been used for another request.
    pub async fn claim_key(&self, caller: &Caller, key: &str, request: &str) -> Result<Claim, UseCaseError> {
        for _ in 0..LOOKS {
            if let Some(claim) = self.try_claim(caller, key, digest(request)).await? {
                return Ok(claim);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(conflict(
            "a request with this Idempotency-Key is being carried out; repeat it in a minute",
        ))
    }

    /// `None` while another request with the key is being carried out.
    async fn try_claim(
        &self,
        caller: &Caller,
        key: &str,
        request: Sha256,
    ) -> Result<Option<Claim>, UseCaseError> {
        let (now, lease) = (self.clock.now(), self.settings.lease);
        let by = Reservation {
            token_id: caller.token_id,
            key: key.to_owned(),
            reserved_at: now,
        };
        run!(self.db, "idempotency.claim", |tx| {
            let expired = now - KEPT;
            let ours = || Some(Claim::Ours(caller.carrying_out(by.clone())));
            if idempotency::reserve(tx, &by, request).await? {
                return Ok(ours());
            }
            let found = idempotency::find(tx, caller.token_id, key).await?;
            if let Some(reply) = found.filter(|reply| reply.created_at >= expired) {
                if reply.request_digest != request {
                    return Err(conflict(OTHER_REQUEST));
                }
                match reply.status {
                    idempotency::RESERVED => {}
                    idempotency::CARRIED_OUT if reply.created_at >= now - lease => return Ok(None),
                    idempotency::CARRIED_OUT => return Err(conflict(ANSWER_LOST)),
                    _ => return Ok(Some(Claim::Answered(Stored::from(reply)))),
                }
            }
            let taken = idempotency::take_over(tx, &by, request, now - lease, expired).await?;
            Ok(taken.then(ours).flatten())
        })
    }

    /// Keeps the answer to a request that was carried out under a key.
    pub async fn store_answer(&self, caller: &Caller, answer: &Stored) -> Result<(), UseCaseError> {
        let Some(by) = &caller.carries_out else {
            return Ok(());
        };
        run!(self.db, "idempotency.store", |tx| {
            idempotency::answer(tx, by, answer.status.into(), &answer.body).await?;
            Ok(())
        })
    }

    /// Gives back the key of a request that was refused, so that it can be repeated once it can be carried out.
    pub async fn release_key(&self, caller: &Caller) -> Result<(), UseCaseError> {
        let Some(by) = &caller.carries_out else {
            return Ok(());
        };
        run!(self.db, "idempotency.release", |tx| {
            idempotency::release(tx, by).await?;
            Ok(())
        })
    }
}

impl From<IdempotentReply> for Stored {
    fn from(reply: IdempotentReply) -> Self {
        Self {
            status: u16::try_from(reply.status).unwrap_or(200),
            body: reply.body,
        }
    }
}

fn conflict(text: &str) -> UseCaseError {
    UseCaseError::Conflict(text.to_owned())
}

const OTHER_REQUEST: &str =
    "this Idempotency-Key was used for another request; give each request a key of its own";
const ANSWER_LOST: &str = "the request with this Idempotency-Key was carried out, but its answer was lost; look for what \
                           it made before you ask again with another key";
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

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
