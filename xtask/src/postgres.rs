//! A PostgreSQL server for the time of a test run.

use crate::shell::run;
use anyhow::{Context as _, Result};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A running server that is stopped and forgotten when dropped.
pub struct Cluster {
    binaries: PathBuf,
    data: PathBuf,
    port: u16,
    _folder: tempfile::TempDir,
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
        let data = folder.path().join("data");
        let port = free_port()?;
        run(as_server_user(&binaries.join("initdb"))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
                "--pgdata",
            ])
            .arg(&data)
            .stdout(Stdio::null()))
        .context("initdb")?;
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=300"
        );
        run(as_server_user(&binaries.join("pg_ctl"))
            .args(["--wait", "--silent", "--log"])
            .arg(folder.path().join("log"))
            .args(["--options", &options, "--pgdata"])
            .arg(&data)
            .arg("start"))
        .context("pg_ctl start")?;
        Ok(Self {
            binaries: binaries.to_path_buf(),
            data,
            port,
            _folder: folder,
        })
    }

    /// Where tests reach it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = as_server_user(&self.binaries.join("pg_ctl"));
        stop.args(["--mode=immediate", "--silent", "--pgdata"])
            .arg(&self.data)
            .arg("stop");
        if let Err(error) = run(&mut stop) {
            eprintln!("the test database could not be stopped: {error:#}");
        }
    }
}

/// PostgreSQL refuses to run as root; there its own user runs it.
fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
        .arg(program)
        .current_dir("/");
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
