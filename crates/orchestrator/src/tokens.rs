//! Enrollment tokens: what users enter as their password when they enroll a device.

use crate::{
    Orchestrator, UseCaseError,
    access::{Caller, digest},
    audit,
};
use qm_core::{EnrollmentTokenId, Secret, enrollment::EnrollmentToken};
use qm_db::{enrollment_tokens, run};
use serde_json::json;
use std::time::Duration;

/// What an enrollment token shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The only user who may use it: `user@domain`.
    pub upn: String,
    /// How many devices it enrolls: 1 to 10 000.
    pub max_uses: i64,
    /// How long it works: a second to a year.
    pub expires_in: Duration,
}

impl Orchestrator {
    /// Makes an enrollment token. Its text is returned this once; only its digest is stored.
    pub async fn create_enrollment_token(
        &self,
        caller: &Caller,
        wanted: NewToken,
    ) -> Result<(EnrollmentTokenId, Secret<String>), UseCaseError> {
        let upn = checked(&wanted)?;
        let (now, text) = (self.clock.now(), self.rng.token());
        let token = EnrollmentToken {
            id: EnrollmentTokenId::new(now, &self.rng),
            upn,
            hash: digest(&text),
            max_uses: wanted.max_uses,
            uses: 0,
            expires_at: now + wanted.expires_in,
            created_at: now,
        };
        let detail = json!({ "upn": token.upn, "max_uses": token.max_uses, "expires_at": token.expires_at });
        let stored: Result<(), UseCaseError> = run!(self.db, "enrollment_token.create", |tx| {
            enrollment_tokens::insert(tx, &token).await?;
            let action = "enrollment_token.create";
            audit::record(tx, now, &self.rng, caller, action, token.id, detail.clone()).await?;
            Ok(())
        });
        stored.map(|()| (token.id, Secret::new(text)))
    }
}

fn checked(wanted: &NewToken) -> Result<String, UseCaseError> {
    if !(1..=MAX_USES).contains(&wanted.max_uses) {
        return Err(UseCaseError::invalid(
            "max_uses",
            format!("must be 1 to {MAX_USES}"),
        ));
    }
    if !(SHORTEST..=LONGEST).contains(&wanted.expires_in) {
        let problem = format!("must be {} to {}", SHORTEST.as_secs(), LONGEST.as_secs());
        return Err(UseCaseError::invalid("expires_in_seconds", problem));
    }
    upn(&wanted.upn)
}

/// A user principal name in the form that is stored and compared: lower case.
fn upn(text: &str) -> Result<String, UseCaseError> {
    let text = plain("upn", text, MAX_UPN)?.to_lowercase();
    match text.split_once('@') {
        Some((user, domain))
            if !user.is_empty() && is_domain(domain) && !text.contains(char::is_whitespace) =>
        {
            Ok(text)
        }
        _ => Err(UseCaseError::invalid(
            "upn",
            "must be a user's name at a domain: `user@example.com`",
        )),
    }
}

fn is_domain(text: &str) -> bool {
    !text.contains('@') && text.split('.').all(|label| !label.is_empty())
}

/// A text of one line without the white space around it: not empty, at most `most` characters, none of them a control
/// character (PostgreSQL stores no NUL, and nobody can read the others).
pub(crate) fn plain<'t>(field: &'static str, text: &'t str, most: usize) -> Result<&'t str, UseCaseError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most {
        Err(UseCaseError::invalid(
            field,
            format!("must have 1 to {most} characters"),
        ))
    } else if text.contains(char::is_control) {
        Err(UseCaseError::invalid(
            field,
            "must not contain control characters",
        ))
    } else {
        Ok(text)
    }
}

/// What a list is searched for; an empty text means anything.
pub(crate) fn sought(field: &'static str, text: Option<&str>) -> Result<Option<String>, UseCaseError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(|text| plain(field, text, MAX_SOUGHT).map(str::to_owned))
        .transpose()
}

const MAX_USES: i64 = 10_000;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(365 * 24);
/// The longest that Entra and Active Directory allow, with room.
const MAX_UPN: usize = 320;
const MAX_SOUGHT: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upns_are_trimmed_and_lower_case() {
        assert_eq!(upn("  Ada.Byron@Example.COM ").unwrap(), "ada.byron@example.com");
        assert_eq!(upn("ÅSA@kontor").unwrap(), "åsa@kontor");
        let long = format!("{}@example.com", "a".repeat(MAX_UPN));
        for bad in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "a@b@c",
            "ada@.com",
            "ada@a..b",
            "a b@c",
            "ada\u{0}@c",
            &long,
        ] {
            assert!(
                matches!(upn(bad), Err(UseCaseError::Invalid { field: "upn", .. })),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn uses_and_life_have_limits() {
        let token = |max_uses, secs| {
            let expires_in = Duration::from_secs(secs);
            checked(&NewToken {
                upn: "ada@example.com".to_owned(),
                max_uses,
                expires_in,
            })
        };
        assert!(token(1, 1).is_ok());
        assert!(token(10_000, 31_536_000).is_ok());
        for (max_uses, secs) in [
            (0, 60),
            (-1, 60),
            (10_001, 60),
            (1, 0),
            (1, 31_536_001),
            (1, u64::MAX),
        ] {
            assert!(token(max_uses, secs).is_err(), "{max_uses} uses, {secs} s");
        }
    }

    #[test]
    fn what_is_sought_is_one_line_or_nothing() {
        assert_eq!(sought("q", None).unwrap(), None);
        assert_eq!(sought("q", Some("  ")).unwrap(), None);
        assert_eq!(sought("q", Some(" fern ")).unwrap().as_deref(), Some("fern"));
        assert!(sought("q", Some("a\u{0}b")).is_err());
        assert!(sought("q", Some(&"x".repeat(MAX_SOUGHT + 1))).is_err());
    }
}
