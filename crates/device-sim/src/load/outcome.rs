//! What came of a run.

use super::{Failure, caller::Called};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// What one worker saw.
pub(super) struct Recorder {
    latency: Histogram<u64>,
    service: Histogram<u64>,
    sessions: u64,
    messages: u64,
    commands: u64,
    errors: BTreeMap<String, u64>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            latency: microseconds(),
            service: microseconds(),
            sessions: 0,
            messages: 0,
            commands: 0,
            errors: BTreeMap::new(),
        }
    }
}

/// From a microsecond to an hour in three digits; longer ones count as an hour.
fn microseconds() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are in order")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Recorder {
    pub(super) fn record(
        &mut self,
        due: Instant,
        begun: Instant,
        ended: Instant,
        result: Result<Called, Failure>,
    ) {
        match result {
            Ok(called) => {
                self.latency.saturating_record(micros(ended - due));
                self.service.saturating_record(micros(ended - begun));
                self.sessions += 1;
                self.messages += called.messages;
                self.commands += called.commands;
            }
            Err(failure) => {
                tracing::debug!(error = ?failure, "a session failed");
                *self.errors.entry(failure.to_string()).or_default() += 1;
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let same = "all histograms have the same bounds";
        self.latency.add(&other.latency).expect(same);
        self.service.add(&other.service).expect(same);
        self.sessions += other.sessions;
        self.messages += other.messages;
        self.commands += other.commands;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
    }

    pub(super) fn finish(self, elapsed: Duration) -> Outcome {
        Outcome {
            sessions: self.sessions,
            messages: self.messages,
            commands: self.commands,
            elapsed,
            latency: Latency::of(&self.latency),
            service: Latency::of(&self.service),
            errors: self.errors,
        }
    }
}

/// What came of a run. Times are those of the sessions that ended well.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Sessions that ended well.
    pub sessions: u64,
    /// Their messages.
    pub messages: u64,
    /// Commands carried out in them.
    pub commands: u64,
    /// From the first session's begin to the last one's end.
    pub elapsed: Duration,
    /// From the moment that a session was due to its end.
    pub latency: Latency,
    /// From the moment that a session began to its end.
    pub service: Latency,
    /// Sessions that failed, by kind.
    pub errors: BTreeMap<String, u64>,
}

impl Outcome {
    /// Sessions that failed.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Sessions that ended well, in a second.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.sessions as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// For programs; times in microseconds.
    pub fn to_json(&self) -> Value {
        json!({
            "sessions": self.sessions,
            "messages": self.messages,
            "commands": self.commands,
            "seconds": self.elapsed.as_secs_f64(),
            "sessions_per_second": self.per_second(),
            "latency_us": self.latency.to_json(),
            "service_us": self.service.to_json(),
            "errors": self.errors,
        })
    }
}

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half are faster.
    pub p50: u64,
    /// 90 of 100 are faster.
    pub p90: u64,
    /// 99 of 100 are faster.
    pub p99: u64,
    /// 999 of 1000 are faster.
    pub p99_9: u64,
    /// The slowest.
    pub max: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }

    fn to_json(self) -> Value {
        json!({ "p50": self.p50, "p90": self.p90, "p99": self.p99, "p99_9": self.p99_9, "max": self.max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn latency_counts_from_the_moment_a_session_was_due() {
        let due = Instant::now();
        let mut recorder = Recorder::default();
        recorder.record(due, due + 40 * MS, due + 50 * MS, Ok(Called::default()));
        let outcome = recorder.finish(100 * MS);
        assert!(
            (49_900..50_100).contains(&outcome.latency.max),
            "{:?}",
            outcome.latency
        );
        assert!(
            (9_990..10_010).contains(&outcome.service.max),
            "{:?}",
            outcome.service
        );
    }

    #[test]
    fn failures_are_counted_by_kind_and_have_no_latency() {
        let now = Instant::now();
        let mut one = Recorder::default();
        let mut other = Recorder::default();
        for recorder in [&mut one, &mut other] {
            recorder.record(now, now, now + 90 * MS, Err(Failure::Status(503)));
            recorder.record(
                now,
                now,
                now + MS,
                Ok(Called {
                    messages: 2,
                    commands: 3,
                }),
            );
        }
        other.record(now, now, now + 90 * MS, Err(Failure::Timeout));
        one.add(&other);
        let outcome = one.finish(1000 * MS);
        let errors: Vec<_> = outcome
            .errors
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count))
            .collect();
        assert_eq!(errors, [("HTTP status 503", 2), ("no answer in time", 1)]);
        assert_eq!((outcome.sessions, outcome.messages, outcome.commands), (2, 4, 6));
        assert!(outcome.latency.max < 1_100, "{:?}", outcome.latency);
        assert_eq!(outcome.to_json()["sessions_per_second"], json!(2.0));
    }
}
