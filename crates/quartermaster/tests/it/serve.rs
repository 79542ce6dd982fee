//! A server process: ready, environment, signals.

use crate::{init, quartermaster};
use qm_testkit::process::{Installation, Plan};
use quartermaster::demo::port::Port;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server that was seen ready.
struct Server {
    child: Child,
    /// Of the admin listener.
    port: u16,
    enrollment: u16,
    _held: [Port; 4],
}

fn start(folder: &Path) -> Server {
    start_by(Command::new(env!("CARGO_BIN_EXE_quartermaster")), folder)
}

/// Starts the server by a command that takes its arguments.
fn start_by(mut program: Command, folder: &Path) -> Server {
    let held = [(); 4].map(|()| Port::hold().unwrap());
    let [enrollment, management, admin, other] = held.each_ref().map(Port::number);
    assert!(init(folder, [enrollment, management, admin]).status.success());
    let mut child = program
        .args(["serve", "--log-format", "json", "--config"])
        .arg(folder.join("quartermaster.toml"))
        .env("QUARTERMASTER_LIMITS__DRAIN_SECONDS", "0")
        .env("QUARTERMASTER_ADMIN__LISTEN", format!("127.0.0.1:{other}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    Server {
        child,
        port: other,
        enrollment,
        _held: held,
    }
}

fn signal(server: &Server, name: &str) {
    let sent = Command::new("kill")
        .args([name, &server.child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// The descriptors that there are do not all go to one listener.
#[test]
fn a_server_with_few_descriptors_survives_a_flood_of_one_listener() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    limited.args([
        "-c",
        "ulimit -n 300 && exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_quartermaster"),
    ]);
    let mut server = start_by(limited, folder.path());
    let flood: Vec<_> = (0..400)
        .filter_map(|_| TcpStream::connect(("127.0.0.1", server.enrollment)).ok())
        .collect();
    assert!(flood.len() > 300, "{} connections", flood.len());
    let root = folder.path().join("tls/root.pem");
    let asked = Command::new(env!("CARGO_BIN_EXE_quartermaster"))
        .args(["devices", "list", "--ca-cert", root.to_str().unwrap()])
        .env("QUARTERMASTER_URL", format!("https://localhost:{}", server.port))
        .env("QUARTERMASTER_TOKEN", "A".repeat(43))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(said.contains("a token of this server"), "it was answered: {said}");
    drop(flood);
    signal(&server, "-TERM");
    assert!(server.child.wait().unwrap().success());
    let mut log = String::new();
    let stderr = server.child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    assert!(log.contains("fewer connections than limits.connections"), "{log}");
    assert!(!log.contains("Too many open files"), "{log}");
}

#[test]
fn a_server_is_ready_obeys_its_environment_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path());
    let root = folder.path().join("tls/root.pem");
    let url = format!("https://localhost:{}", server.port);
    let config = folder.path().join("quartermaster.toml");
    let create = [
        "token",
        "create",
        "--config",
        config.to_str().unwrap(),
        "--name",
        "ops",
        "--role",
        "admin",
    ];
    let token = String::from_utf8(quartermaster(&create).stdout).unwrap();
    let list = || {
        Command::new(env!("CARGO_BIN_EXE_quartermaster"))
            .args([
                "devices",
                "list",
                "--output",
                "json",
                "--ca-cert",
                root.to_str().unwrap(),
            ])
            .env("QUARTERMASTER_URL", &url)
            .env("QUARTERMASTER_TOKEN", token.trim())
            .output()
            .unwrap()
    };
    let listed = list();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let answer: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(answer["items"], serde_json::json!([]));
    signal(&server, "-HUP");
    assert!(list().status.success(), "it goes on after a reload");
    signal(&server, "-TERM");
    assert!(server.child.wait().unwrap().success());
    let mut log = String::new();
    server
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(
        log.contains("certificates reloaded") && log.contains("stopped"),
        "{log}"
    );
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{log}"
    );
    assert!(!log.contains(token.trim()), "tokens must not be logged");
}

#[tokio::test]
async fn an_sqlite_file_has_one_server_and_a_killed_one_leaves_it_free() {
    let program = env!("CARGO_BIN_EXE_quartermaster");
    let installation = Installation::make(program, Plan::default()).await.unwrap();
    let first = installation.server("first").unwrap();
    first.start().await.unwrap();
    let second = installation.server("second").unwrap();
    let refused = second.start().await.unwrap_err().to_string();
    assert!(
        refused.contains("another server runs on this database"),
        "{refused}"
    );
    first.kill().await.unwrap();
    second.start().await.unwrap();
}
