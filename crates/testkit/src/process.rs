//! Real server processes: the program itself, its files, its signals, and a gate before it that can be watched.
//!
//! Only the package of the program knows where cargo put it, so tests of processes are in `crates/quartermaster/tests` and
//! hand `env!("CARGO_BIN_EXE_quartermaster")` to [`Installation::make`].

mod gate;

pub use gate::{Flow, Gate, Listener, Watcher};

use anyhow::{Context as _, Result, bail, ensure};
use qm_core::{Rng, Secret};
use qm_db::test_support;
use qm_device_sim::{Device, DeviceOptions};
use qm_store_sim::StoreSimHandle;
use quartermaster::demo::{api::Api, port::Port, scene};
use std::{
    fmt::Write as _,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// An installation on disk that any number of servers run, behind one [`Gate`] for each listener.
pub struct Installation {
    program: PathBuf,
    folder: tempfile::TempDir,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// What devices and administrators connect to: enrollment, management, admin.
    pub gates: [Gate; 3],
}

/// What an installation is made for.
#[derive(Default)]
pub struct Plan<'a> {
    /// PostgreSQL in place of the embedded database.
    pub postgres: Option<String>,
    /// The Store service.
    pub store: Option<&'a StoreSimHandle>,
    /// Lines of `[limits]`.
    pub limits: &'a str,
    /// Sees and may break what passes the gates.
    pub watcher: Option<Arc<dyn Watcher>>,
}

/// The database URLs that a test runs on: always the embedded database (`None`), and PostgreSQL where there is a server.
pub async fn databases() -> Vec<Option<String>> {
    match test_support::postgres_url() {
        Some(url) => vec![None, Some(test_support::postgres_schema(&url).await)],
        None => vec![None],
    }
}

impl Installation {
    /// Runs `init` and writes the configuration.
    pub async fn make(program: &str, plan: Plan<'_>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("quartermaster-test-").tempdir()?;
        let listeners = [Listener::Enrollment, Listener::Management, Listener::Admin];
        let mut gates = Vec::new();
        for listener in listeners {
            gates.push(Gate::open(listener, plan.watcher.clone()).await?);
        }
        let gates: [Gate; 3] = gates.try_into().ok().context("three listeners, three gates")?;
        let made = Self {
            program: PathBuf::from(program),
            engine: if plan.postgres.is_some() {
                "postgres"
            } else {
                "sqlite"
            },
            folder,
            gates,
        };
        made.init(&plan)?;
        Ok(made)
    }

    fn init(&self, plan: &Plan<'_>) -> Result<()> {
        let mut init = Command::new(&self.program);
        init.args(["init", "--host", "localhost", "--data-dir"])
            .arg(self.path("."));
        for (flag, gate) in ["--enrollment-port", "--management-port", "--admin-port"]
            .iter()
            .zip(&self.gates)
        {
            init.arg(flag).arg(gate.port().to_string());
        }
        let made = init.output()?;
        ensure!(
            made.status.success(),
            "init: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut text = fs::read_to_string(self.config())?;
        if let Some(url) = &plan.postgres {
            text = text.replace("sqlite:quartermaster.db", url);
        }
        write!(text, "\n[limits]\n{}\n", plan.limits)?;
        if let Some(store) = plan.store {
            text += &scene::store_section(store);
        }
        Ok(fs::write(self.config(), text)?)
    }

    /// A file of the installation.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("quartermaster.toml")
    }

    /// The root that clients trust, PEM.
    pub fn root(&self) -> Result<String> {
        Ok(fs::read_to_string(self.path("tls/root.pem"))?)
    }

    /// Runs the program to its end, for what it prints.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .output()?;
        ensure!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// An administrator who goes through the gate.
    pub fn administrator(&self) -> Result<Api> {
        let token = self.run(&["token", "create", "--name", "test", "--role", "admin"])?;
        Api::new(self.gates[2].url(), Secret::new(token), &self.root()?)
    }

    /// One of the servers, past the gates; nobody in particular asks.
    pub fn past_the_gate(&self, server: &Server) -> Result<Api> {
        let url = format!("https://localhost:{}", server.addresses[2].port());
        Api::new(url, Secret::new(String::new()), &self.root()?)
    }

    /// Where devices begin.
    pub fn discovery(&self) -> String {
        format!("{}/EnrollmentServer/Discovery.svc", self.gates[0].url())
    }

    /// A device to be.
    pub fn device(
        &self,
        store: &Arc<StoreSimHandle>,
        upn: &str,
        token: String,
        rng: Rng,
    ) -> Result<DeviceOptions> {
        let options = DeviceOptions::new(self.discovery(), upn, token, self.root()?, rng);
        Ok(scene::at_the_store(options, store))
    }

    /// Makes room for a server: ports of its own and a log file. It does not run yet.
    pub fn server(&self, name: &str) -> Result<Server> {
        let ports = Port::three()?;
        let addresses = ports
            .each_ref()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port.number())));
        Ok(Server {
            program: self.program.clone(),
            config: self.config(),
            log: self.path(&format!("{name}.log")),
            addresses,
            _ports: ports,
            process: Arc::default(),
        })
    }

    /// Sends what comes through the gates to these servers, in turn.
    pub fn lead_to(&self, servers: &[&Server]) {
        for (place, gate) in self.gates.iter().enumerate() {
            gate.lead_to(servers.iter().map(|server| server.addresses[place]).collect());
        }
    }
}

/// One server process: started, killed and started again on the same ports.
pub struct Server {
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    /// Where it listens: enrollment, management, admin.
    pub addresses: [SocketAddr; 3],
    _ports: [Port; 3],
    process: Arc<Process>,
}

/// The handle that kills, from wherever the moment is noticed.
#[derive(Default)]
pub struct Process(Mutex<Option<tokio::process::Child>>);

impl Process {
    fn child(&self) -> MutexGuard<'_, Option<tokio::process::Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `SIGKILL`, at once; whether there was a process to kill.
    pub fn kill(&self) -> bool {
        self.child()
            .as_mut()
            .is_some_and(|child| child.start_kill().is_ok())
    }
}

impl Server {
    /// Starts the process and waits until it says `ready`.
    pub async fn start(&self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(["serve", "--config"])
            .arg(&self.config)
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        for (section, address) in ["ENROLLMENT", "MANAGEMENT", "ADMIN"].iter().zip(self.addresses) {
            command.env(format!("QUARTERMASTER_{section}__LISTEN"), address.to_string());
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("stdout is a pipe")?;
        *self.process.child() = Some(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        if line != "ready\n" {
            bail!("the server did not become ready:\n{}", self.tail());
        }
        Ok(())
    }

    /// What kills it.
    pub fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process)
    }

    /// The id of its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.child().as_ref().and_then(tokio::process::Child::id)
    }

    /// Sends a signal by its name: `TERM`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let id = self.id().context("the server does not run")?;
        let sent = Command::new("kill")
            .args([format!("-{name}"), id.to_string()])
            .status()?;
        ensure!(sent.success(), "kill -{name} {id}: {sent}");
        Ok(())
    }

    /// Waits for the end of the process.
    pub async fn ended(&self) -> Result<ExitStatus> {
        let child = self.process.child().take();
        Ok(child.context("the server does not run")?.wait().await?)
    }

    /// Kills the process and waits until it is gone.
    pub async fn kill(&self) -> Result<()> {
        self.process.kill();
        self.ended().await.map(|_| ())
    }

    /// The errors in its log and its end, for whoever asks why a test failed.
    pub fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let errors: Vec<_> = lines
            .iter()
            .filter(|line| line.contains(" ERROR "))
            .copied()
            .collect();
        let (errors, end) = (last(&errors, 20), last(&lines, 60));
        format!("errors:\n{errors}\nend:\n{end}")
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

fn last(lines: &[&str], most: usize) -> String {
    lines[lines.len().saturating_sub(most)..].join("\n")
}

/// Enrolls a device and lets it have its first session.
pub async fn enroll(options: DeviceOptions) -> Result<Device> {
    let mut device = Device::new(options);
    device.enroll().await?;
    device.session(qm_device_sim::Trigger::PostEnrollment).await?;
    Ok(device)
}
