//! Whatever is sent to the addresses for devices is refused in their language, and changes nothing.

use anyhow::{Context as _, Result};
use qm_testkit::{
    forge, stages,
    wire::{Dialer, request},
};
use rustls::DEFAULT_VERSIONS;

const SOAP: &str = "application/soap+xml; charset=utf-8";
const SYNCML: &str = "application/vnd.syncml.dm+xml";
const WBXML: &str = "application/vnd.syncml.dm+wbxml";

const DOORS: [(&str, &[&str]); 4] = [
    ("/EnrollmentServer/Discovery.svc", &[SOAP]),
    ("/EnrollmentServer/Policy.svc", &[SOAP]),
    ("/EnrollmentServer/Enrollment.svc", &[SOAP]),
    ("/ManagementServer/Manage.svc", &[SYNCML, WBXML]),
];

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><x>&b;</x>";
    let file = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>";
    let declared_utf16 = "<?xml version=\"1.0\" encoding=\"utf-16\"?><a/>";
    vec![
        ("empty", Vec::new()),
        ("blanks", b" \r\n\t ".to_vec()),
        ("no XML", b"hello".to_vec()),
        ("JSON", b"{\"userDomain\":\"x\"}".to_vec()),
        ("an unfinished element", b"<s:Envelope".to_vec()),
        ("another document", b"<html><body/></html>".to_vec()),
        ("entities", laughs.into()),
        ("a file", file.into()),
        ("a NUL", b"<a>\0</a>".to_vec()),
        ("broken UTF-8", b"<a>\xff\xfe\xfd</a>".to_vec()),
        ("another encoding than declared", declared_utf16.into()),
        ("deep", "<a>".repeat(60_000).into()),
        ("WBXML of nothing", b"\x03\x01\x6a\x00".to_vec()),
        (
            "WBXML with a string table beyond its end",
            b"\x02\xa4\x01\x6a\xff\xff\xff\x7f".to_vec(),
        ),
    ]
}

#[tokio::test]
async fn messages_that_are_none_are_refused_and_change_nothing() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let own = forge::identity(&*stage.devices[0].lock().await)?;
        let dialer = Dialer::new(&stage.root, Some(&own), DEFAULT_VERSIONS)?;
        let port = |path: &str| {
            if path.starts_with("/Management") {
                stage.config.management.listen.port()
            } else {
                stage.config.enrollment.listen.port()
            }
        };
        let before = stage.everything().await?;
        for (path, media_types) in DOORS {
            for (case, body) in bodies() {
                for media_type in media_types {
                    let bytes = request("POST", path, &[("content-type", media_type)], &body);
                    let answer = dialer.send(port(path), &bytes).await.context(path)?;
                    let fault = answer.status == 500 && answer.text().contains("Fault>");
                    assert!(
                        fault || matches!(answer.status, 400 | 413),
                        "{path}, {case}: {}",
                        answer.status
                    );
                    assert!(!answer.text().contains("root:"), "{path}, {case}");
                }
            }
            for media_type in [
                "",
                "text/plain",
                "application/json",
                "application/xml",
                "text/xml\u{e9}",
            ] {
                let bytes = request("POST", path, &[("content-type", media_type)], b"<a/>");
                let answer = dialer.send(port(path), &bytes).await?;
                assert_eq!(answer.status, 415, "{path}, {media_type}");
            }
            let announced = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {}\r\ncontent-length: 9999999999\r\n\r\n",
                media_types[0]
            );
            let answer = dialer.send(port(path), announced.as_bytes()).await?;
            assert_eq!(answer.status, 413, "{path}, announced to be huge");
            let mut chunked = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
                media_types[0]
            )
            .into_bytes();
            let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
            chunked.extend(chunk.repeat(9).into_bytes());
            // The server may hang up before all of it is sent.
            if let Ok(answer) = dialer.send(port(path), &chunked).await {
                assert_eq!(answer.status, 413, "{path}, huge in chunks");
            }
        }
        assert_eq!(stage.everything().await?, before, "{}", stage.engine);
        stage.call_in().await?;
        stage.strike().await?;
    }
    Ok(())
}

/// A link opens one file under one name for a time, whoever asks and by whatever host name.
#[tokio::test]
async fn a_link_opens_what_it_was_signed_for_and_nothing_else() -> Result<()> {
    let stage = stages(1, 0).await?.remove(0);
    stage.enroll().await?;
    let app = stage.app("offline").await?;
    let deployment = stage.api.deploy(&app, "required", &stage.upns).await?.id;
    stage
        .settle(deployment, |d| qm_testkit::count(d, "queued") == 1)
        .await?;
    let packages = stage.app("offline").await?.packages;
    let [package, other] = &packages[..2] else {
        anyhow::bail!("two packages: {packages:?}")
    };
    let key = std::fs::read_to_string(stage.config.path(&stage.config.keys.links))?;
    let key: qm_core::Sha256 = key.trim().parse()?;
    let signer = qm_content::LinkSigner::new(qm_core::Secret::new(key.0));
    let now = qm_core::Clock::system().now();
    let sha256: qm_core::Sha256 = package.sha256.as_deref().context("content")?.parse()?;
    let foreign: qm_core::Sha256 = other.sha256.as_deref().context("content")?.parse()?;
    let hour = std::time::Duration::from_hours(1);
    let good = signer.link(&sha256, &package.file_name, now + hour);
    let expired = signer.link(&sha256, &package.file_name, now - hour);
    let (path, query) = good.split_once('?').context("a query")?;
    let (exp, sig) = query.split_once('&').context("two parameters")?;
    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let port = stage.config.enrollment.listen.port();
    let cases = [
        (good.clone(), 200),
        (good.replace(&sha256.to_string(), &foreign.to_string()), 403),
        (good.replace(&package.file_name, "setup.exe"), 403),
        (expired, 403),
        (good.replace("exp=1", "exp=2"), 403),
        (format!("{good}0"), 403),
        (good[..good.len() - 2].to_owned(), 403),
        (path.to_owned(), 403),
        (format!("{path}?{exp}"), 403),
        (format!("{path}?{sig}"), 403),
        (format!("{path}?{query}&{query}"), 403),
        (format!("{path}?exp=9999999999&{query}"), 403),
        (format!("{path}?{query}&exp=9999999999"), 403),
        (format!("{path}/..%2f{}?{query}", package.file_name), 404),
        (format!("/content/..%2f..%2fkeys%2flinks.key/a?{query}"), 403),
        (
            format!("/content/{sha256}/%2e%2e%2f{}?{query}", package.file_name),
            403,
        ),
        (format!("{path}%00?{query}"), 403),
        (format!("{path}%0d%0aSet-Cookie:%20a=b?{query}"), 403),
    ];
    for (link, status) in cases {
        let answer = dialer.send(port, &request("GET", &link, &[], b"")).await?;
        assert_eq!(answer.status, status, "{link}");
    }
    stage.strike().await
}
