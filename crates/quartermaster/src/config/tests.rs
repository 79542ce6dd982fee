use super::{Config, ConfigError};
use std::{fmt::Write as _, path::Path};

const GOOD: &str = r#"
[enrollment]
listen = "0.0.0.0:8443"
public_url = "https://enterpriseenrollment.example.com:8443"
auth = "on_premises"
[management]
listen = "0.0.0.0:8444"
public_url = "https://mdm.example.com:8444"
[admin]
listen = "127.0.0.1:9443"
public_url = "https://mdm.example.com:9443"
[tls]
certificate = "tls/server.pem"
key = "tls/server.key"
[database]
url = "sqlite:quartermaster.db"
[content]
url = "file:content"
[store]
base_url = "https://bspmts.mp.microsoft.com/V1"
tenant_id = "t"
client_id = "c"
client_secret = "hush"
"#;

fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quartermaster.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file)
}

#[test]
fn the_documented_file_is_read() {
    let config = load(GOOD).unwrap();
    assert!(config.database_url().ends_with("/quartermaster.db"));
    assert!(config.content_folder().unwrap().ends_with("content"));
    assert!(config.path(Path::new("/etc/x")).is_absolute());
    assert_eq!(
        config.store.as_ref().unwrap().authority_url.as_str(),
        "https://login.windows.net/"
    );
    assert!(
        !format!("{config:?}").contains("hush"),
        "secrets must not be printed"
    );
}

#[test]
fn unknown_keys_are_named() {
    let error = load(&GOOD.replace("[tls]\n", "[tls]\nchain = \"x\"\n"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("chain") && error.contains("tls"), "{error}");
    assert!(error.contains("for key \"tls.chain\""), "{error}");
}

#[test]
fn each_wrong_value_names_its_key() {
    let cases = [
        (
            "auth = \"on_premises\"",
            "auth = \"federated\"",
            "enrollment.auth",
        ),
        ("file:content", "s3://bucket/prefix", "content.url"),
        ("sqlite:quartermaster.db", "mysql://x", "database.url"),
        (
            "https://mdm.example.com:8444",
            "http://mdm.example.com:8444",
            "management.public_url",
        ),
        (
            "https://bspmts.mp.microsoft.com/V1",
            "http://store.example.com/V1",
            "store.base_url",
        ),
        ("client_secret = \"hush\"", "", "store.client_secret"),
        (
            "[store]",
            "[limits]\nhandshakes = 0\n[store]",
            "limits.handshakes",
        ),
    ];
    for (from, to, key) in cases {
        let error = load(&GOOD.replace(from, to)).unwrap_err().to_string();
        assert!(error.starts_with(key), "{to}: {error}");
    }
}

#[test]
fn a_local_store_may_speak_plain_http() {
    assert!(load(&GOOD.replace("https://bspmts.mp.microsoft.com/V1", "http://127.0.0.1:9/V1")).is_ok());
}

#[test]
fn a_lease_that_ends_at_once_or_never_is_refused() {
    for seconds in ["0", "3601"] {
        let error = load(&format!("{GOOD}\n[limits]\nlease_seconds = {seconds}\n")).unwrap_err();
        assert!(error.to_string().contains("limits.lease_seconds"), "{error}");
    }
    assert!(load(&format!("{GOOD}\n[limits]\nlease_seconds = 1\n")).is_ok());
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let error = Config::load(Path::new("/nowhere/quartermaster.toml"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("quartermaster init"), "{error}");
}

/// The file that the schema's examples make up.
fn example_of_the_schema() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../schemas/quartermaster.schema.json"
    );
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut text = String::new();
    for (section, described) in schema["properties"].as_object().unwrap() {
        writeln!(text, "[{section}]").unwrap();
        for (key, described) in described["properties"].as_object().unwrap() {
            let example = &described["examples"][0];
            if !example.is_null() {
                writeln!(text, "{key} = {example}").unwrap();
            }
        }
    }
    text
}

#[test]
fn the_schema_describes_keys_that_exist_and_defaults_that_hold() {
    let text = example_of_the_schema();
    let config = load(&text).unwrap();
    assert!(text.contains("upload_bytes") && text.contains("client_secret"));
    let defaults = load(GOOD).unwrap();
    assert_eq!(format!("{:?}", config.limits), format!("{:?}", defaults.limits));
    assert_eq!(format!("{:?}", config.keys), format!("{:?}", defaults.keys));
}
