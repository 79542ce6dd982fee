//! How often and when an attempt is repeated, and how long a host that asked for patience is left alone.

use qm_core::{Rng, Timestamp};
use qm_store_model::dates::LONGEST_WAIT;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The retry budget of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included; asking for a token counts like asking the service.
    pub attempts: u32,
    /// Time for one attempt, until the last byte of its answer.
    pub attempt: Duration,
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
            attempt: Duration::from_mins(1),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            budget: Duration::from_mins(3),
        }
    }
}

/// The attempts of one request, those for its token included.
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
            deadline: Instant::now() + policy.budget.min(LONGEST_WAIT),
            made: 1,
        }
    }

    /// Waits before the next attempt, at least as long as the service asked. `false` if the budget is spent.
    pub(crate) async fn pause(&mut self, asked: Option<Duration>) -> bool {
        let pause = self.random_pause().max(asked.unwrap_or_default());
        if self.made >= self.policy.attempts || pause > self.left() {
            return false;
        }
        self.made += 1;
        tokio::time::sleep(pause).await;
        true
    }

    /// Waits until a host may be asked again. How long that would take if the budget does not allow for it.
    pub(crate) async fn wait_out(&self, hold: &Hold) -> Result<(), Duration> {
        let wait = hold.left();
        if wait > self.left() {
            return Err(wait);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Time for the next attempt: the last one ends with the budget.
    pub(crate) fn attempt(&self) -> Duration {
        self.policy.attempt.min(self.left().max(SHORTEST_ATTEMPT))
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
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

/// Until when a host asked to be left alone (`Retry-After`): it holds for every request, not only for the one that was
/// told so.
#[derive(Debug, Default)]
pub(crate) struct Hold(Mutex<Option<Wish>>);

#[derive(Debug, Clone, Copy)]
struct Wish {
    until: Instant,
    made_at: Timestamp,
}

impl Hold {
    /// The host asks for this much from now on.
    pub(crate) fn extend(&self, wait: Duration, now: Timestamp) {
        let until = Instant::now() + wait.min(LONGEST_WAIT);
        let mut held = self.lock();
        if held.is_none_or(|wish| wish.until < until) {
            *held = Some(Wish { until, made_at: now });
        }
    }

    /// The host has answered.
    pub(crate) fn end(&self) {
        *self.lock() = None;
    }

    /// The host was found well at that moment: what it wished before no longer counts.
    pub(crate) fn end_older(&self, at: Timestamp) {
        let mut held = self.lock();
        *held = held.filter(|wish| wish.made_at >= at);
    }

    fn left(&self) -> Duration {
        self.lock().map_or(Duration::ZERO, |wish| {
            wish.until.saturating_duration_since(Instant::now())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wish>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SHORTEST_ATTEMPT: Duration = Duration::from_secs(1);

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

    #[tokio::test]
    async fn a_wait_beyond_all_bounds_is_cut_and_ends_with_an_answer() {
        let rng = Rng::seeded(1);
        let mut backoff = Backoff::new(RetryPolicy::default(), &rng);
        assert!(!backoff.pause(Some(Duration::MAX)).await);
        let hold = Hold::default();
        let noon = Timestamp::from_millis(1000);
        hold.extend(Duration::MAX, noon);
        assert!(backoff.wait_out(&hold).await.unwrap_err() <= LONGEST_WAIT);
        hold.end_older(noon);
        assert!(backoff.wait_out(&hold).await.is_err(), "found well before");
        hold.end_older(noon + Duration::from_secs(1));
        assert_eq!(backoff.wait_out(&hold).await, Ok(()));
        hold.extend(Duration::MAX, noon);
        hold.end();
        assert_eq!(backoff.wait_out(&hold).await, Ok(()));
    }

    #[tokio::test]
    async fn an_attempt_ends_with_the_budget() {
        let rng = Rng::seeded(1);
        let policy = RetryPolicy {
            budget: Duration::from_secs(20),
            ..RetryPolicy::default()
        };
        let left = Backoff::new(policy, &rng).attempt();
        assert!(left <= Duration::from_secs(20), "{left:?}");
        let spent = RetryPolicy {
            budget: Duration::ZERO,
            ..policy
        };
        assert_eq!(Backoff::new(spent, &rng).attempt(), SHORTEST_ATTEMPT);
    }
}
