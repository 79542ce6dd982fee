//! HTTP/2 frame by frame: clients that open too much, say too much, or take nothing.

use crate::floods::{PATIENCE, PREFACE, hung_up, one};
use anyhow::{Context as _, Result, bail};
use qm_testkit::{
    Stage,
    wire::{Connection, Dialer},
};
use rustls::DEFAULT_VERSIONS;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_HEADER_LIST_SIZE: u16 = 6;

const REFUSED_STREAM: u32 = 7;
/// `:status: 200` in HPACK's static table.
const STATUS_200: u8 = 0x88;

struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The code of an RST_STREAM.
    fn code(&self) -> u32 {
        self.payload[..4]
            .iter()
            .fold(0, |code, byte| code << 8 | u32::from(*byte))
    }

    /// Of SETTINGS.
    fn setting(&self, wanted: u16) -> Option<u32> {
        self.payload.chunks_exact(6).find_map(|setting| {
            let id = u16::from_be_bytes([setting[0], setting[1]]);
            let value = [setting[2], setting[3], setting[4], setting[5]];
            (id == wanted).then(|| u32::from_be_bytes(value))
        })
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short payload")
        .to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A literal field that is not indexed; the name is one of the static table, or a new one.
fn field(name: Result<u8, &str>, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let short = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        let mut bytes = vec![short.expect("a short text")];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    let mut bytes = vec![name.unwrap_or(0)];
    bytes.extend(name.err().map(text).unwrap_or_default());
    bytes.extend(text(value));
    bytes
}

/// A request over https by its method in the static table: `GET` or `POST`.
fn request(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![method, 0x87];
    block.extend(field(Ok(4), path));
    block.extend(field(Ok(1), "localhost"));
    block
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

struct Client(Connection);

impl Client {
    async fn connect(stage: &Stage, port: u16) -> Result<Self> {
        let dialer = Dialer::new(&stage.root, None, DEFAULT_VERSIONS)?.speaking("h2");
        Ok(Self(dialer.dial(port).await?))
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes).await?)
    }

    /// The next frame that is of this kind.
    async fn next(&mut self, kind: u8) -> Result<Frame> {
        loop {
            let frame = timeout(PATIENCE, self.frame())
                .await
                .context("no frame comes")??;
            if frame.kind == kind {
                return Ok(frame);
            }
            if frame.kind == GOAWAY {
                bail!("the server goes away: {:?}", frame.payload);
            }
        }
    }

    async fn frame(&mut self) -> Result<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let [a, b, c, kind, _, stream @ ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c]))?];
        self.0.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes(stream);
        Ok(Frame {
            kind,
            stream,
            payload,
        })
    }
}

/// Odd numbers: the streams that a client opens.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

#[tokio::test]
async fn of_streams_beyond_the_limit_each_is_refused_and_the_others_are_answered() -> Result<()> {
    let stage = one("").await?;
    let mut client = Client::connect(&stage, stage.config.enrollment.listen.port()).await?;
    client.send(PREFACE).await?;
    let settings = client.next(SETTINGS).await?;
    assert_eq!(settings.setting(MAX_CONCURRENT_STREAMS), Some(32));
    // The body stays out: each is open until then.
    let open = request(POST, "/EnrollmentServer/Discovery.svc");
    for stream in streams(40) {
        client.send(&frame(HEADERS, END_HEADERS, stream, &open)).await?;
    }
    for stream in streams(40).skip(32) {
        let refused = client.next(RST_STREAM).await?;
        assert_eq!((refused.stream, refused.code()), (stream, REFUSED_STREAM));
    }
    client.send(&frame(DATA, END_STREAM, 1, b"<a/>")).await?;
    assert_eq!(client.next(HEADERS).await?.stream, 1);
    stage.strike().await
}

#[tokio::test]
async fn fields_beyond_the_limit_are_refused() -> Result<()> {
    let stage = one("").await?;
    let mut client = Client::connect(&stage, stage.config.enrollment.listen.port()).await?;
    client.send(PREFACE).await?;
    let settings = client.next(SETTINGS).await?;
    assert_eq!(settings.setting(MAX_HEADER_LIST_SIZE), Some(16 * 1024));
    let probe = request(GET, "/EnrollmentServer/Discovery.svc");
    let many = field(Err("x-many"), &"y".repeat(100)).repeat(200);
    let (first, second) = many.split_at(11_000);
    client
        .send(&frame(HEADERS, END_STREAM, 1, &[&probe, first].concat()))
        .await?;
    client.send(&frame(CONTINUATION, END_HEADERS, 1, second)).await?;
    let answer = client.next(HEADERS).await?;
    assert_eq!(answer.stream, 1);
    assert_ne!(answer.payload[0], STATUS_200);
    client
        .send(&frame(HEADERS, END_STREAM | END_HEADERS, 3, &probe))
        .await?;
    let answer = client.next(HEADERS).await?;
    assert_eq!((answer.stream, answer.payload[0]), (3, STATUS_200));
    stage.strike().await
}

/// A header in ever more frames (CVE-2024-27316 and its like).
#[tokio::test]
async fn a_header_without_end_ends_the_connection() -> Result<()> {
    let stage = one("").await?;
    for part in [Vec::new(), field(Err("x-many"), "y").repeat(100)] {
        let mut client = Client::connect(&stage, stage.config.enrollment.listen.port()).await?;
        client.send(PREFACE).await?;
        let begun = request(GET, "/EnrollmentServer/Discovery.svc");
        client.send(&frame(HEADERS, END_STREAM, 1, &begun)).await?;
        let part = frame(CONTINUATION, 0, 1, &part);
        let (mut reading, mut writing) = tokio::io::split(client.0);
        let without_end = async { while writing.write_all(&part).await.is_ok() {} };
        let (read, written) = tokio::join!(hung_up(&mut reading), timeout(PATIENCE, without_end));
        read?;
        written.context("it may go on")?;
    }
    stage.strike().await
}

/// The client gives the answer no room.
#[tokio::test]
async fn an_answer_that_is_not_taken_holds_no_place() -> Result<()> {
    let stage = one("idle_seconds = 1").await?;
    let mut client = Client::connect(&stage, stage.config.admin.listen.port()).await?;
    let (magic, _) = PREFACE.split_at(24);
    client.send(magic).await?;
    let no_window = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &[0; 4]].concat();
    client.send(&frame(SETTINGS, 0, 0, &no_window)).await?;
    let document = request(GET, "/api/v1/openapi.json");
    for stream in streams(32) {
        client
            .send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &document))
            .await?;
    }
    for _ in streams(32) {
        assert_eq!(client.next(HEADERS).await?.payload[0], STATUS_200);
    }
    hung_up(&mut client.0).await?;
    stage.strike().await
}
