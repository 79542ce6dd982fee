//! Clients that come in numbers, slowly, or for ever: others do not notice.

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use qm_core::{Secret, access::Role};
use qm_device_sim::{Device, Trigger};
use qm_testkit::{
    Stage, stages_with,
    wire::{Answer, Dialer, request},
};
use rustls::DEFAULT_VERSIONS;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Long enough for anything that is not stuck.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub async fn one(limits: &str) -> Result<Stage> {
    let more = format!("\n[limits]\n{limits}\n");
    Ok(stages_with(1, 0, &more).await?.remove(0))
}

fn probe() -> Vec<u8> {
    request("GET", "/EnrollmentServer/Discovery.svc", &[], b"")
}

/// Whether the other side hangs up; whatever it says before is read.
pub async fn hung_up(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Result<()> {
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // A connection that is reset has ended too.
    ended.map(|_| ()).context("the server did not hang up")
}

#[tokio::test]
async fn one_address_cannot_take_every_connection_and_the_other_listeners_stay_open() -> Result<()> {
    let stage = one("connections = 20\nconnections_per_address = 8\nhandshakes = 20").await?;
    stage.enroll().await?;
    let port = stage.config.enrollment.listen.port();
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(TcpStream::connect(("127.0.0.1", port)).await?);
    }
    // 127.0.0.2 is this machine too, and another address.
    let mut refused = TcpStream::connect(("127.0.0.1", port)).await?;
    hung_up(&mut refused).await?;
    let other = tokio::net::TcpSocket::new_v4()?;
    other.bind("127.0.0.2:0".parse()?)?;
    let other = other.connect(([127, 0, 0, 1], port).into()).await?;
    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let mut other = dialer.shake_hands(other).await?;
    other.write_all(&probe()).await?;
    assert_eq!(Answer::read(&mut other).await?.status, 200);

    let device = &mut *stage.devices[0].lock().await;
    device.session(Trigger::Schedule).await?;
    let token = stage.token(Role::Viewer).await?;
    stage.admin()?.get("/api/v1/devices", &token).await?;
    let labels = ["listener=\"enrollment\"", "reason=\"address\""];
    assert!(stage.metric("connections_refused_total", &labels).await? >= 1.0);
    held.clear();
    dialer.send(port, &probe()).await?;
    Ok(())
}

#[tokio::test]
async fn handshakes_that_do_not_get_on_give_way_to_those_that_do() -> Result<()> {
    let stage = one("handshakes = 4").await?;
    let port = stage.config.enrollment.listen.port();
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(TcpStream::connect(("127.0.0.1", port)).await?);
    }
    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let answer = timeout(PATIENCE, dialer.send(port, &probe())).await??;
    assert_eq!(answer.status, 200);
    stage.strike().await
}

#[tokio::test]
async fn whoever_says_nothing_is_hung_up_on() -> Result<()> {
    let stage = one("idle_seconds = 1").await?;
    let port = stage.config.enrollment.listen.port();
    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let http2 = dialer.speaking("h2");
    let probe = probe();
    let cases: [(_, &Dialer, &[u8]); 6] = [
        ("nothing at all", &dialer, b""),
        ("half a header", &dialer, b"GET / HTTP/1.1\r\nhost: "),
        ("a request, then nothing", &dialer, &probe),
        ("nothing over HTTP/2", &http2, b""),
        ("half of HTTP/2's preface", &http2, b"PRI * HT"),
        ("a preface, then nothing", &http2, PREFACE),
    ];
    let silent = cases.map(|(case, dialer, said)| async move {
        let mut stream = dialer.dial(port).await?;
        stream.write_all(said).await?;
        hung_up(&mut stream).await.context(case)
    });
    let (silent, pinging) = tokio::join!(try_join_all(silent), pinging(&http2, port));
    silent?;
    pinging?;
    stage.strike().await
}

/// HTTP/2's preface and empty settings.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Bytes alone do not keep a connection: a ping every moment is no request.
async fn pinging(dialer: &Dialer, port: u16) -> Result<()> {
    let mut stream = dialer.dial(port).await?;
    stream.write_all(PREFACE).await?;
    let until_hung_up = async {
        let mut answers = [0; 256];
        while stream.write_all(b"\0\0\x08\x06\0\0\0\0\0pingping").await.is_ok() {
            if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(50), stream.read(&mut answers)).await {
                return;
            }
        }
    };
    timeout(PATIENCE, until_hung_up)
        .await
        .context("pings kept it open")
}

/// Streams that are opened and given up at once cost the client its connection (CVE-2023-44487).
#[tokio::test]
async fn http2_streams_that_are_given_up_at_once_end_the_connection() -> Result<()> {
    let stage = one("").await?;
    let port = stage.config.enrollment.listen.port();
    let http2 = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?.speaking("h2");
    let mut stream = http2.dial(port).await?;
    let mut flood = PREFACE.to_vec();
    for id in (1..20_001_u32).step_by(2) {
        // HEADERS of `GET /` over https, from the static table, then RST_STREAM with CANCEL.
        flood.extend_from_slice(b"\0\0\x03\x01\x05");
        flood.extend_from_slice(&id.to_be_bytes());
        flood.extend_from_slice(b"\x82\x84\x87");
        flood.extend_from_slice(b"\0\0\x04\x03\0");
        flood.extend_from_slice(&id.to_be_bytes());
        flood.extend_from_slice(&8_u32.to_be_bytes());
    }
    let (mut reading, mut writing) = tokio::io::split(&mut stream);
    // The server may close while we still write.
    let (read, _) = tokio::join!(hung_up(&mut reading), writing.write_all(&flood));
    read?;
    assert_eq!(
        Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?
            .send(port, &probe())
            .await?
            .status,
        200
    );
    stage.strike().await
}

/// A message is announced, its first part comes, and no other.
#[tokio::test]
async fn a_body_that_stays_out_holds_no_place() -> Result<()> {
    let stage = one("idle_seconds = 1").await?;
    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let bearer = format!("Bearer {}", stage.token(Role::Operator).await?);
    let json = ("content-type", "application/json");
    let soap = ("content-type", "application/soap+xml; charset=utf-8");
    let form = ("content-type", "multipart/form-data; boundary=x");
    let authorized = ("authorization", bearer.as_str());
    let (enrollment, admin) = (&stage.config.enrollment.listen, &stage.config.admin.listen);
    let cases: [(_, _, &[_], &[u8]); 3] = [
        (enrollment, "/EnrollmentServer/Enrollment.svc", &[soap], b"<s:Env"),
        (admin, "/api/v1/groups", &[json, authorized], b"{\"name\": \"Pi"),
        (
            admin,
            "/api/v1/apps/packages",
            &[form, authorized],
            b"--x\r\ncontent-disposition: form-data; name=\"package\"; filename=\"a.msix\"\r\n\r\nPK",
        ),
    ];
    let held = cases.map(|(listen, path, headers, begun)| {
        let (dialer, mut bytes) = (&dialer, request("POST", path, headers, &[b' '; 5000]));
        bytes.truncate(bytes.len() - 5000);
        bytes.extend_from_slice(begun);
        async move {
            let mut stream = dialer.dial(listen.port()).await?;
            stream.write_all(&bytes).await?;
            hung_up(&mut stream).await.context(path)
        }
    });
    try_join_all(held).await?;
    assert_eq!(dialer.send(enrollment.port(), &probe()).await?.status, 200);
    stage.strike().await
}

/// Questions without end, and nobody reads the answers.
#[tokio::test]
async fn whoever_reads_no_answer_is_hung_up_on() -> Result<()> {
    let stage = one("idle_seconds = 1").await?;
    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let mut stream = dialer.dial(stage.config.admin.listen.port()).await?;
    let question = request("GET", "/api/v1/openapi.json", &[], b"");
    let asking = async { while stream.write_all(&question).await.is_ok() {} };
    timeout(PATIENCE, asking).await.context("it is answered still")?;
    stage.strike().await
}

#[tokio::test]
async fn requests_that_come_together_are_answered_one_after_another() -> Result<()> {
    let stage = one("").await?;
    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let mut stream = dialer.dial(stage.config.enrollment.listen.port()).await?;
    let soap = request(
        "POST",
        "/EnrollmentServer/Discovery.svc",
        &[("content-type", "text/plain")],
        b"x",
    );
    let together: Vec<u8> = [probe(), soap, probe()].concat();
    stream.write_all(&together).await?;
    for status in [200, 415, 200] {
        assert_eq!(Answer::read(&mut stream).await?.status, status);
    }
    stage.strike().await
}

/// A device that lost its credentials to a guesser's neighbourhood is not shut out, and the guesser is.
#[tokio::test]
async fn guesses_get_429_on_every_door() -> Result<()> {
    let stage = one("failed_attempts_per_address = 3\nfailed_attempts_per_user = 2").await?;
    stage.enroll().await?;
    let mut refusals = Vec::new();
    for _ in 0..3 {
        let mut options = stage.device_options("mara@demo.example").await?;
        options.token = Secret::new("guess".to_owned());
        let refused = Device::new(options).enroll().await;
        refusals.push(refused.err().context("a guess enrolled")?.to_string());
    }
    let held_up: Vec<_> = refusals.iter().map(|text| text.contains("429")).collect();
    assert_eq!(held_up, [false, false, true], "{refusals:?}");

    let (admin, good) = (stage.admin()?, stage.token(Role::Viewer).await?);
    for _ in 0..3 {
        let answer = admin.call("GET", "/api/v1/devices", Some("guess"), None).await?;
        assert_eq!(answer.status, 401);
    }
    let answer = admin.call("GET", "/api/v1/devices", Some(&good), None).await?;
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.header("retry-after").context("Retry-After")?.parse()?;
    ensure!((1..=200).contains(&seconds), "{seconds}");
    qm_testkit::admin::problem(&answer)?;

    let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?;
    let port = stage.config.enrollment.listen.port();
    let link = format!(
        "/content/{}/a.msix?exp=9999999999&sig={}",
        "ab".repeat(32),
        "cd".repeat(32)
    );
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(dialer.send(port, &request("GET", &link, &[], b"")).await?.status);
    }
    assert_eq!(statuses, [403, 403, 403, 429]);

    // The device that is enrolled goes on: its certificate is no guess.
    let device = &mut *stage.devices[0].lock().await;
    device.session(Trigger::Schedule).await?;
    Ok(())
}
