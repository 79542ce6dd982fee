//! The program as its users see it: arguments in, exit status, stdout and stderr out.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod serve;

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs the program to its end.
pub fn quartermaster(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quartermaster"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Makes an installation on the given ports.
pub fn init(folder: &Path, ports: [u16; 3]) -> Output {
    let folder = folder.to_str().unwrap();
    let [enrollment, management, admin] = ports.map(|port| port.to_string());
    quartermaster(&[
        "init",
        "--data-dir",
        folder,
        "--host",
        "localhost",
        "--enrollment-port",
        &enrollment,
        "--management-port",
        &management,
        "--admin-port",
        &admin,
    ])
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn init_makes_an_installation_once_and_keeps_its_keys_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let made = init(&data, [8443, 8444, 9443]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("quartermaster serve --config"));
    for file in [
        "keys/device-ca.key",
        "keys/links.key",
        "tls/server.key",
        "quartermaster.toml",
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::metadata(data.join(file)).unwrap().permissions().mode();
        assert_eq!(permissions & 0o777, 0o600, "{file}");
    }
    let key = std::fs::read(data.join("keys/device-ca.key")).unwrap();
    let again = init(&data, [8443, 8444, 9443]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("installation already") && text(&again.stderr).contains("hint:"));
    assert_eq!(std::fs::read(data.join("keys/device-ca.key")).unwrap(), key);
}

#[test]
fn token_create_prints_the_token_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), [8443, 8444, 9443]);
    let config = folder.path().join("quartermaster.toml");
    let create = [
        "token",
        "create",
        "--config",
        config.to_str().unwrap(),
        "--name",
        "ops",
        "--role",
        "viewer",
    ];
    let made = quartermaster(&create);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let token = text(&made.stdout).trim_end();
    assert_eq!(token.len(), 43, "{token}");
    let database = std::fs::read(folder.path().join("quartermaster.db")).unwrap();
    assert!(
        !database.windows(43).any(|window| window == token.as_bytes()),
        "only its hash may be stored"
    );
    let wrong = quartermaster(&[
        "token",
        "create",
        "--config",
        config.to_str().unwrap(),
        "--name",
        "x",
        "--role",
        "king",
    ]);
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("viewer"));
}

#[test]
fn a_wrong_configuration_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), [8443, 8444, 9443]);
    let config = folder.path().join("quartermaster.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, good.replace("[tls]", "[tls]\nchiper = \"x\"")).unwrap();
    let refused = quartermaster(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("chiper"),
        "{}",
        text(&refused.stderr)
    );
    assert!(refused.stdout.is_empty());
}

#[test]
fn openapi_prints_the_committed_document() {
    let printed = quartermaster(&["openapi"]);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/openapi.json");
    assert_eq!(
        text(&printed.stdout),
        std::fs::read_to_string(committed).unwrap(),
        "run `cargo xtask openapi`"
    );
}
