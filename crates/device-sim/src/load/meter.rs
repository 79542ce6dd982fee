//! What a run costs the server, by the server process's own accounts.

use super::admin;
use anyhow::{Context as _, Result};
use reqwest::Client;
use std::{ops::Sub, path::PathBuf, time::Duration};

/// Where the server's accounts are.
#[derive(Debug, Clone)]
pub enum Meter {
    /// A process of this machine, by its id.
    Process(u32),
    /// Its metrics in Prometheus' text format.
    Metrics {
        /// A client that trusts the server.
        client: Client,
        /// `https://…/metrics`.
        url: String,
    },
}

/// The accounts at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// CPU time in user and system mode.
    pub cpu: Duration,
    /// The most memory that was resident since the start, in bytes.
    pub peak_memory: u64,
}

impl Sub for Reading {
    type Output = Self;
    /// What was used since; the peak is that of the later reading.
    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            ..self
        }
    }
}

impl Meter {
    /// The server's metrics at an address; `roots` (PEM) are the only ones trusted.
    pub fn metrics(url: &str, roots: &str) -> Result<Self> {
        Ok(Self::Metrics {
            client: admin::client(roots)?,
            url: url.to_owned(),
        })
    }

    /// Reads the accounts.
    pub async fn read(&self) -> Result<Reading> {
        match self {
            Self::Process(id) => process(*id),
            Self::Metrics { client, url } => {
                let answer = client.get(url).send().await?.error_for_status()?;
                from_metrics(&answer.text().await?)
                    .with_context(|| format!("{url} does not tell CPU time and memory of the process"))
            }
        }
    }
}

fn process(id: u32) -> Result<Reading> {
    let folder = PathBuf::from(format!("/proc/{id}"));
    let read = |name| {
        let file = folder.join(name);
        std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))
    };
    from_proc(&read("stat")?, &read("status")?)
        .with_context(|| format!("{} does not look as expected", folder.display()))
}

/// `utime` and `stime` of proc_pid_stat(5) in ticks, `VmHWM` of proc_pid_status(5) in kilobytes.
fn from_proc(stat: &str, status: &str) -> Option<Reading> {
    // The program's name may hold anything, but ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_ascii_whitespace().skip(11);
    let ticks: u64 = times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Reading {
        cpu: Duration::from_millis(ticks * TICK_MILLIS),
        peak_memory: kilobytes * 1024,
    })
}

fn from_metrics(text: &str) -> Option<Reading> {
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.find_map(|rest| rest.strip_prefix(' ')?.trim().parse::<f64>().ok())
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of bytes"
    )]
    let bytes = value("process_resident_memory_peak_bytes")? as u64;
    Some(Reading {
        cpu: Duration::try_from_secs_f64(value("process_cpu_seconds_total")?).ok()?,
        peak_memory: bytes,
    })
}

/// A tick of the kernel's accounts; 100 a second on every architecture that Windows devices' servers run on.
const TICK_MILLIS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tserver\nVmPeak:\t  999 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1024 kB\n";

    #[test]
    fn a_process_tells_its_times_and_its_peak() {
        let stat = "77 (a) b (c)) S 1 77 77 0 -1 4194560 900 0 0 0 150 50 7 7 20 0 9 0 100 1 1";
        let reading = from_proc(stat, STATUS).unwrap();
        assert_eq!(reading.cpu, Duration::from_secs(2));
        assert_eq!(reading.peak_memory, 2048 * 1024);
        assert_eq!(from_proc("77 (a) S 1", STATUS), None);
        assert_eq!(from_proc(stat, "Name:\ta kernel thread\n"), None);
    }

    #[test]
    fn metrics_tell_the_same() {
        let text = "# TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 1.25\n\
                    process_cpu_seconds_total_of_others 7\nprocess_resident_memory_peak_bytes 4096\n";
        let reading = from_metrics(text).unwrap();
        assert_eq!(reading.cpu, Duration::from_millis(1250));
        assert_eq!(reading.peak_memory, 4096);
        assert_eq!(from_metrics("up 1\n"), None);
    }

    #[test]
    fn what_was_used_is_a_difference_of_times() {
        let reading = |seconds, peak_memory| Reading {
            cpu: Duration::from_secs(seconds),
            peak_memory,
        };
        assert_eq!(reading(9, 70) - reading(4, 60), reading(5, 70));
    }

    #[tokio::test]
    async fn this_process_can_be_read() {
        let reading = Meter::Process(std::process::id()).read().await.unwrap();
        assert!(reading.peak_memory > 0);
    }
}
