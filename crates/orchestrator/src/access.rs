//! Who may use the admin API.

use crate::{Orchestrator, UseCaseError, attempts::Guess};
use qm_core::{
    ApiTokenId, Secret, Sha256,
    access::{ApiToken, Role},
};
use qm_core::{Clock, Rng};
use qm_db::{Db, DbError, api_tokens, idempotency::Reservation, run};
use sha2::Digest as _;
use std::net::IpAddr;

/// Whoever calls the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's id.
    pub token_id: ApiTokenId,
    /// The token's name, for the audit trail.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// From which address.
    pub source: Option<String>,
    /// The `Idempotency-Key` that the present request is carried out under.
    pub(crate) carries_out: Option<Reservation>,
}

impl Caller {
    /// The same caller, carrying out the request of this reservation.
    pub(crate) fn carrying_out(&self, reservation: Reservation) -> Self {
        Self {
            carries_out: Some(reservation),
            ..self.clone()
        }
    }
}

impl Orchestrator {
    /// Who holds this token; `None` for a token that is not known, which counts as a guess from `source`. Tokens have
    /// 256 random bits: looking one up by its digest tells nothing about the others.
    pub async fn authenticate(
        &self,
        token: &str,
        source: Option<IpAddr>,
    ) -> Result<Option<Caller>, UseCaseError> {
        let attempt = self.attempt(Guess::ApiToken, source, None)?;
        let found = api_tokens::find_by_hash(&mut self.db.read().await?, &digest(token)).await?;
        let Some(token) = found else {
            attempt.failed();
            return Ok(None);
        };
        Ok(Some(Caller {
            token_id: token.id,
            name: token.name,
            role: token.role,
            source: source.map(|address| address.to_string()),
            carries_out: None,
        }))
    }
}

/// Makes an API token. Its text is returned this once; only its digest is stored.
pub async fn create_api_token(
    db: &Db,
    clock: &Clock,
    rng: &Rng,
    name: &str,
    role: Role,
) -> Result<Secret<String>, DbError> {
    let text = rng.token();
    let now = clock.now();
    let token = ApiToken {
        id: ApiTokenId::new(now, rng),
        name: name.to_owned(),
        role,
        hash: digest(&text),
        created_at: now,
    };
    run!(db, "api_token.create", |tx| api_tokens::insert(tx, &token).await)?;
    Ok(Secret::new(text))
}

/// What is stored of a token.
pub(crate) fn digest(token: &str) -> Sha256 {
    digest_bytes(token.as_bytes())
}

/// SHA-256 of bytes.
pub(crate) fn digest_bytes(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}
