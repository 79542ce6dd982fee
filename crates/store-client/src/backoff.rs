//! How often and when an attempt is repeated.

use qm_core::Rng;
use std::time::Duration;
use tokio::time::Instant;

/// The retry budget of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub attempts: u32,
    /// Longest pause after the first attempt; doubles each time. The pause itself is random below it.
    pub first_pause: Duration,
    /// No pause is longer, unless the service asks for it.
    pub longest_pause: Duration,
    /// Time for all attempts together; a pause that would exceed it is not begun.
    pub budget: Duration,
}

impl Default for RetryPolicy {
    /// Five attempts within three minutes.
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            budget: Duration::from_mins(3),
        }
    }
}

/// The attempts of one request.
pub(crate) struct Backoff<'a> {
    policy: RetryPolicy,
    rng: &'a Rng,
    deadline: Instant,
    made: u32,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(policy: RetryPolicy, rng: &'a Rng) -> Self {
        Self {
            policy,
            rng,
            deadline: Instant::now() + policy.budget,
            made: 1,
        }
    }

    /// Waits before the next attempt, at least as long as the service asked. `false` if the budget is spent.
    pub(crate) async fn pause(&mut self, asked: Option<Duration>) -> bool {
        let pause = self.random_pause().max(asked.unwrap_or_default());
        if self.made >= self.policy.attempts || Instant::now() + pause > self.deadline {
            return false;
        }
        self.made += 1;
        tokio::time::sleep(pause).await;
        true
    }

    fn random_pause(&self) -> Duration {
        let doubled = self
            .policy
            .first_pause
            .saturating_mul(1 << (self.made - 1).min(16));
        let bound = u64::try_from(doubled.min(self.policy.longest_pause).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.rng.below(bound.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_up_after_the_attempts_and_beyond_the_budget() {
        let policy = RetryPolicy {
            attempts: 3,
            first_pause: Duration::ZERO,
            ..RetryPolicy::default()
        };
        let rng = Rng::seeded(1);
        let mut backoff = Backoff::new(policy, &rng);
        assert!(backoff.pause(None).await && backoff.pause(None).await);
        assert!(!backoff.pause(None).await);
        assert!(
            !Backoff::new(policy, &rng)
                .pause(Some(Duration::from_hours(1)))
                .await
        );
    }
}
