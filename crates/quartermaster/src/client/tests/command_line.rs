use super::{Cli, parse};
use crate::client::{ClientError, Output};
use clap::{CommandFactory as _, error::ErrorKind};

const ID: &str = "0190b6a0-0000-7000-8000-000000000001";

#[test]
fn the_command_tree_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn understands_every_command() {
    for line in [
        "devices list",
        "devices list --upn ada@example.com --state enrolled --q surface --limit 5",
        "devices show ID",
        "devices apps ID --limit 1",
        "devices unenroll ID",
        "devices unenroll ID --force",
        "devices exchanges ID",
        "apps list --license offline --q note",
        "apps show ID",
        "apps upload a.msix --dependency b.appx --dependency c.appx --license l.xml",
        "groups list",
        "groups create Sales",
        "groups members ID ID ID",
        "groups members ID --none",
        "deployments list",
        "deployments show ID",
        "deployments create --app ID --intent required --context device --device ID --device ID --group ID",
        "deployments create --app ID --intent available --context user --upn a@example.com --idempotency-key k1",
        "deployments create --app ID --intent uninstall --context user --group ID --wait",
        "deployments plan --app ID --intent required --context device --device ID",
        "deployments targets ID --state awaiting_seat",
        "deployments pause ID",
        "deployments resume ID",
        "deployments cancel ID",
        "deployments retry ID",
        "licenses seats --app ID --upn a@example.com",
        "store sync",
        "store status",
        "commands create --device ID get ./DevDetail/SwV",
        "commands create --device ID replace ./Vendor/X --format int --type text/plain --data -5",
        "commands create --device ID add ./Vendor/X --data-file f.xml",
        "commands list --device ID",
        "commands show --device ID ID",
        "enrollment-tokens create --upn a@example.com --max-uses 3 --expires-in-seconds 600",
        "audit list --limit 20",
    ] {
        let parsed = parse(&line.replace("ID", ID));
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
    }
}

#[test]
fn rejects_what_the_server_would_not_understand() {
    for (line, kind) in [
        ("devices show laptop", ErrorKind::ValueValidation),
        ("devices list --state lost", ErrorKind::InvalidValue),
        ("devices list --limit 0", ErrorKind::ValueValidation),
        ("groups members ID", ErrorKind::MissingRequiredArgument),
        ("groups members ID ID --none", ErrorKind::ArgumentConflict),
        (
            "deployments create --app ID --intent required --context device",
            ErrorKind::MissingRequiredArgument,
        ),
        (
            "deployments create --app ID --context device --device ID",
            ErrorKind::MissingRequiredArgument,
        ),
        (
            "deployments plan --app ID --intent wanted --context device --device ID",
            ErrorKind::InvalidValue,
        ),
        (
            "deployments plan --app ID --intent required --context device --device ID --wait",
            ErrorKind::UnknownArgument,
        ),
        (
            "deployments create --app ID --intent required --context user --device ID --idempotency-key ä",
            ErrorKind::ValueValidation,
        ),
        ("commands create --device ID atomic ./X", ErrorKind::InvalidValue),
        (
            "commands create --device ID add ./X --data 1 --data-file f",
            ErrorKind::ArgumentConflict,
        ),
        ("enrollment-tokens create", ErrorKind::MissingRequiredArgument),
        (
            "enrollment-tokens create --upn a@example.com --max-uses 0",
            ErrorKind::ValueValidation,
        ),
    ] {
        let error = parse(&line.replace("ID", ID)).expect_err(line);
        assert_eq!(error.kind(), kind, "{line}");
    }
}

#[test]
fn options_stand_before_or_after_the_command() {
    let options = "--url https://mdm.example.com:9443 --token abc --ca-cert root.pem --output json";
    for line in [
        format!("{options} devices list"),
        format!("devices {options} list"),
        format!("devices list {options}"),
        "--output json --token abc devices --ca-cert root.pem list --url https://mdm.example.com:9443"
            .to_owned(),
    ] {
        let connection = parse(&line).unwrap().connection;
        assert_eq!(
            connection.base().unwrap().as_str(),
            "https://mdm.example.com:9443/",
            "{line}"
        );
        assert_eq!(connection.token().unwrap().expose(), "abc", "{line}");
        assert_eq!(connection.ca_cert.unwrap().to_str(), Some("root.pem"), "{line}");
        assert_eq!(connection.output, Output::Json, "{line}");
    }
}

#[test]
fn the_token_is_not_in_debug_output() {
    let cli = parse("--token s3cret devices list").unwrap();
    assert!(!format!("{cli:?}").contains("s3cret"));
}

#[test]
fn the_help_does_not_show_the_token_of_the_environment() {
    let command = Cli::command();
    let token = command
        .get_arguments()
        .find(|argument| argument.get_id() == "token")
        .unwrap();
    assert!(token.is_hide_env_values_set());
    assert_eq!(
        token.get_env().and_then(|name| name.to_str()),
        Some("QUARTERMASTER_TOKEN")
    );
}

#[test]
fn takes_https_anywhere_and_http_on_this_machine() {
    for good in [
        "https://mdm.example.com:9443",
        "https://mdm.example.com/behind/a/proxy/",
        "http://127.0.0.1:9443",
        "http://localhost:1",
        "http://[::1]:1",
    ] {
        assert!(base(good).is_ok(), "{good}");
    }
    for bad in [
        "mdm.example.com:9443",
        "mdm.example.com",
        "ftp://mdm.example.com",
        "https://me:secret@mdm.example.com",
        "https://mdm.example.com/?a=b",
        "https://mdm.example.com/#a",
    ] {
        assert!(matches!(base(bad), Err(ClientError::BadUrl(_))), "{bad}");
    }
    for plain in [
        "http://mdm.example.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://0.0.0.0",
    ] {
        assert!(matches!(base(plain), Err(ClientError::PlainHttp)), "{plain}");
    }
}

#[test]
fn an_empty_variable_counts_as_missing() {
    let connection = parse("--url= --token= devices list").unwrap().connection;
    assert!(matches!(connection.base(), Err(ClientError::NoUrl)));
    assert!(matches!(connection.token(), Err(ClientError::NoToken)));
}

#[test]
fn an_address_with_a_password_does_not_come_back_in_the_error() {
    let error = base("https://me:s3cret@mdm.example.com").unwrap_err().to_string();
    assert!(!error.contains("s3cret"), "{error}");
}

fn base(url: &str) -> Result<url::Url, ClientError> {
    parse(&format!("--url {url} devices list"))
        .unwrap()
        .connection
        .base()
}
