//! Programs that run beside the benchmark, and what they use.

use anyhow::{Context as _, Result, ensure};
use qm_device_sim::load::{Meter, Reading};
use std::{
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A process that ends with this value.
pub struct Process {
    child: Child,
    id: u32,
    /// From the start of the process to its `ready`.
    pub ready_after: Duration,
}

impl Process {
    /// Starts a program that prints `ready` on stdout once it accepts connections. What it logs is thrown away.
    pub async fn start(command: &mut Command) -> Result<Self> {
        let begun = Instant::now();
        let mut process = Self::spawn(command.stdout(Stdio::piped()))?;
        let stdout = process.child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        ensure!(line == "ready\n", "{command:?} printed `{line}`");
        process.ready_after = begun.elapsed();
        Ok(process)
    }

    /// Starts a program.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let id = child.id().context("it has ended already")?;
        Ok(Self {
            child,
            id,
            ready_after: Duration::ZERO,
        })
    }

    /// CPU time and peak memory so far.
    pub async fn reading(&self) -> Result<Reading> {
        Meter::Process(self.id).read().await
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|text| text.trim().strip_suffix(" kB"));
        Ok(kilobytes.context("VmRSS")?.parse::<u64>()? * 1024)
    }

    /// Ends it and waits for the end.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// A program that cargo built beside this one.
pub fn neighbour(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(
        path.is_file(),
        "{} is missing: start the benchmarks with `cargo xtask bench`",
        path.display()
    );
    Ok(path)
}

/// A port that nobody uses at the moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
