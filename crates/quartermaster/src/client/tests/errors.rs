use super::{
    ask,
    fake::{Canned, Fake, empty, ok, problem, redirect},
};
use crate::client::ClientError;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};

async fn refused(answer: Canned) -> ClientError {
    let fake = Fake::with([answer]).await;
    ask(&fake.url, "store status").await.unwrap_err()
}

#[tokio::test]
async fn a_problem_document_becomes_title_detail_and_hint() {
    let error = refused(problem(
        403,
        "Forbidden",
        "this needs the role `admin`; the token has `viewer`",
    ))
    .await;
    assert_eq!(
        error.to_string(),
        "Forbidden: this needs the role `admin`; the token has `viewer`\n\
         hint: use a token with that role; `quartermaster token create --config FILE --name NAME --role admin`, \
         run on the server, makes one"
    );
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test]
async fn exit_codes_tell_whose_fault_it_is() {
    for (status, code, hint) in [
        (400, 1, false),
        (401, 1, true),
        (404, 1, false),
        (409, 1, false),
        (413, 1, true),
        (422, 1, false),
        (429, 2, true),
        (500, 2, true),
        (503, 2, true),
    ] {
        let error = refused(problem(status, "Title", "Detail.")).await;
        assert_eq!(error.exit_code(), code, "{status}");
        assert_eq!(error.to_string().contains("\nhint: "), hint, "{status}");
        assert!(error.to_string().starts_with("Title: Detail."), "{status}");
    }
}

#[tokio::test]
async fn a_problem_cannot_play_with_the_terminal() {
    let error = refused(problem(
        404,
        "Not Found",
        "no device \u{1b}[2J`x`\nhint: trust me",
    ))
    .await;
    assert_eq!(
        error.to_string(),
        "Not Found: no device \u{fffd}[2J`x` hint: trust me"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_the_apis_asks_for_the_address() {
    let error = refused(empty(404)).await;
    assert!(matches!(error, ClientError::Status(status) if status == 404));
    assert!(error.to_string().contains("[admin] listener"), "{error}");
    let error = refused(empty(200)).await;
    assert!(matches!(error, ClientError::Answer(_)));
    assert_eq!(error.exit_code(), 2);
    let error = refused(ok(&json!({ "state": 7 }))).await;
    assert!(matches!(error, ClientError::Answer(_)));
}

#[tokio::test]
async fn does_not_follow_a_redirect_with_the_token() {
    let elsewhere = Fake::with([ok(&json!({}))]).await;
    let error = refused(redirect(&elsewhere.url)).await;
    assert!(matches!(error, ClientError::Status(status) if status == 307));
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_refused_connection_asks_whether_the_server_runs() {
    // Bound and not listened on: nobody else comes to listen there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let error = ask(&url, "store status").await.unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("quartermaster serve"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_is_told() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move { socket.accept().await.map(drop) });
    let error = ask(&url, "store status").await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_stays_at_home() {
    let line = [
        "quartermaster",
        "--url",
        "http://localhost:1",
        "--token",
        "two\nlines",
        "store",
        "status",
    ];
    let cli = <super::Cli as clap::Parser>::try_parse_from(line).unwrap();
    let error = super::answered(cli).await.err().unwrap();
    assert!(matches!(error, ClientError::BadToken));
    assert!(!error.to_string().contains("lines"));
}
