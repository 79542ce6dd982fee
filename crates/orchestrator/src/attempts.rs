//! Limits on everything that guesses: credentials of an enrollment, API tokens, signatures of package links.
//!
//! Only failures count, for the address they come from and, at enrollment, for the user name they try. What succeeds is
//! never held up by itself, so an office behind one address may enroll as many devices as it likes.

use crate::{Orchestrator, Settings, access::digest};
use qm_core::{ClientNetwork, FailureLimit, Sha256, Timestamp};
use std::{net::IpAddr, time::Duration};

/// The time in which as many failures as the settings allow are forgiven.
const FORGIVEN: Duration = Duration::from_mins(10);

/// What somebody tries to guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Guess {
    ApiToken,
    Enrollment,
    Link,
}

impl Guess {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ApiToken => "api_token",
            Self::Enrollment => "enrollment",
            Self::Link => "link",
        }
    }
}

/// The failures of late.
pub(crate) struct Attempts {
    addresses: FailureLimit<(Guess, ClientNetwork)>,
    users: FailureLimit<Sha256>,
}

/// Somebody has failed too often; how long it takes until another try is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts; try again in {} seconds", self.seconds())]
pub struct TooManyFailures(pub Duration);

impl TooManyFailures {
    /// For `Retry-After`: whole seconds, rounded up.
    pub const fn seconds(&self) -> u64 {
        self.0.as_secs() + if self.0.subsec_nanos() > 0 { 1 } else { 0 }
    }
}

impl Attempts {
    pub fn new(settings: &Settings) -> Self {
        Self {
            addresses: FailureLimit::new(settings.failed_attempts_per_address, FORGIVEN),
            users: FailureLimit::new(settings.failed_attempts_per_user, FORGIVEN),
        }
    }

    /// Whether another try from there, for this user, is listened to.
    fn check(
        &self,
        guess: Guess,
        from: Option<ClientNetwork>,
        user: Option<&Sha256>,
        now: Timestamp,
    ) -> Result<(), TooManyFailures> {
        let address = from.and_then(|from| self.addresses.wait(&(guess, from), now));
        let user = user.and_then(|user| self.users.wait(user, now));
        address
            .max(user)
            .map_or(Ok(()), |wait| Err(TooManyFailures(wait)))
    }

    fn failed(&self, guess: Guess, from: Option<ClientNetwork>, user: Option<&Sha256>, now: Timestamp) {
        if let Some(from) = from {
            self.addresses.failed(&(guess, from), now);
        }
        if let Some(user) = user {
            self.users.failed(user, now);
        }
    }
}

/// One try that may turn out to be a guess.
pub(crate) struct Attempt<'a> {
    server: &'a Orchestrator,
    guess: Guess,
    from: Option<ClientNetwork>,
    user: Option<Sha256>,
}

impl Orchestrator {
    /// Begins a try; refused where too many have failed. `user` is the name it is tried for, if any.
    pub(crate) fn attempt(
        &self,
        guess: Guess,
        from: Option<IpAddr>,
        user: Option<&str>,
    ) -> Result<Attempt<'_>, TooManyFailures> {
        let attempt = Attempt {
            server: self,
            guess,
            from: from.map(Into::into),
            user: user.map(digest),
        };
        let (from, user) = (attempt.from, attempt.user.as_ref());
        match self.attempts.check(guess, from, user, self.clock.now()) {
            Ok(()) => Ok(attempt),
            Err(wait) => {
                metrics::counter!("attempts_refused_total", "of" => guess.as_str()).increment(1);
                Err(wait)
            }
        }
    }
}

impl Attempt<'_> {
    /// It was a wrong guess. The one that uses up the limit is logged.
    pub fn failed(self) {
        let (of, now) = (self.guess.as_str(), self.server.clock.now());
        metrics::counter!("attempts_failed_total", "of" => of).increment(1);
        let (attempts, user) = (&self.server.attempts, self.user.as_ref());
        attempts.failed(self.guess, self.from, user, now);
        if let Err(wait) = attempts.check(self.guess, self.from, user, now) {
            let from = self.from.map(tracing::field::display);
            let seconds = wait.seconds();
            tracing::warn!(
                of,
                from,
                seconds,
                "too many failed attempts: more are refused for a while"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, seconds) in [(1, 1), (1000, 1), (1001, 2), (0, 0)] {
            assert_eq!(TooManyFailures(Duration::from_millis(millis)).seconds(), seconds);
        }
    }
}
