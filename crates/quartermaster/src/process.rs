//! What the server process uses, as metrics under the names that Prometheus' client libraries agree on.

/// Sets the metrics of the process to what they are now. What the operating system does not tell is left out.
pub fn observe() {
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::observe() {
        tracing::debug!(%error, "the process cannot read its own accounts");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use metrics::gauge;
    use procfs::{ProcResult, WithCurrentSystemInfo as _, process::Process, ticks_per_second};

    #[expect(
        clippy::cast_precision_loss,
        reason = "the numbers of one process are far below 2^52"
    )]
    pub fn observe() -> ProcResult<()> {
        let process = Process::myself()?;
        let (stat, status) = (process.stat()?, process.status()?);
        let cpu = (stat.utime + stat.stime) as f64 / ticks_per_second() as f64;
        // A gauge, because a counter would cut it to whole seconds.
        gauge!("process_cpu_seconds_total").set(cpu);
        gauge!("process_resident_memory_bytes").set(stat.rss_bytes().get() as f64);
        if let Some(kilobytes) = status.vmhwm {
            gauge!("process_resident_memory_peak_bytes").set((kilobytes * 1024) as f64);
        }
        gauge!("process_threads").set(stat.num_threads as f64);
        gauge!("process_open_fds").set(process.fd_count()? as f64);
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn the_process_tells_its_time_and_memory() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, super::observe);
        let text = recorder.handle().render();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_resident_memory_peak_bytes",
            "process_threads",
            "process_open_fds",
        ] {
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value: f64 = value.and_then(|value| value.parse().ok()).unwrap();
            assert!(value > 0.0 || name == "process_cpu_seconds_total", "{name}");
        }
    }
}
