//! A PostgreSQL server of our own in a temporary folder.

use anyhow::{Context as _, Result, bail};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tokio::net::TcpSocket;

/// A server of our own; it is stopped and forgotten when dropped.
pub struct Cluster {
    binaries: PathBuf,
    port: u16,
    _held: TcpSocket,
    folder: tempfile::TempDir,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Transactions are undone, connections closed.
    Fast,
    /// As in a crash; the next start recovers from the log.
    Immediate,
}

impl Cluster {
    /// The folder of `initdb`: where Debian keeps it (newest version), else from PATH.
    pub fn find_binaries() -> Option<PathBuf> {
        let debian = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .flatten();
        let mut folders: Vec<_> = debian.map(|entry| entry.path().join("bin")).collect();
        folders.sort();
        folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        folders
            .into_iter()
            .rev()
            .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    }

    /// Makes a cluster in a temporary folder and starts it on a free loopback port.
    pub fn start(binaries: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()))?;
        }
        let (port, held) = hold_port()?;
        let cluster = Self {
            binaries: binaries.to_path_buf(),
            port,
            _held: held,
            folder,
        };
        run(cluster
            .program("initdb")
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
            ])
            .stdout(Stdio::null()))
        .context("initdb")?;
        cluster.resume()?;
        Ok(cluster)
    }

    /// Starts it again, on the same port with the same data.
    pub fn resume(&self) -> Result<()> {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=300",
            self.port
        );
        let mut start = self.program("pg_ctl");
        start
            .args(["--wait", "--silent", "--log"])
            .arg(self.folder.path().join("log"))
            .args(["--options", &options, "start"]);
        run(&mut start).context("pg_ctl start")
    }

    /// Stops it.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let mode = match how {
            Stop::Fast => "--mode=fast",
            Stop::Immediate => "--mode=immediate",
        };
        let mut stop = self.program("pg_ctl");
        run(stop.args([mode, "--wait", "--silent", "stop"])).context("pg_ctl stop")
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Its port on the loopback interface.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// One of its programs, about its data. PostgreSQL refuses to run as root; there its own user runs it.
    fn program(&self, name: &str) -> Command {
        let program = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
                .arg(program)
                .current_dir("/");
            command
        } else {
            Command::new(program)
        };
        command.arg("--pgdata").arg(self.folder.path().join("data"));
        command
    }
}

impl Drop for Cluster {
    #[expect(
        clippy::print_stderr,
        reason = "whoever runs tests should know what is left running"
    )]
    fn drop(&mut self) {
        let running = self.folder.path().join("data/postmaster.pid").exists();
        if running && let Err(error) = self.stop(Stop::Immediate) {
            eprintln!("the test database could not be stopped: {error:#}");
        }
    }
}

/// The superuser's address of a server on the loopback interface.
pub(crate) fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A port of the loopback interface, bound and not listened on: as long as the socket lives, the system gives it to nobody
/// else, and the database may come and go there.
fn hold_port() -> Result<(u16, TcpSocket)> {
    let socket = TcpSocket::new_v4()?;
    // PostgreSQL sets it too; only so may they share the address.
    socket.set_reuseaddr(true)?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    Ok((socket.local_addr()?.port(), socket))
}
