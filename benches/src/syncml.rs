//! Decoding and encoding a device's message against quick-xml's tokenizer over the same bytes.

use crate::{
    Effort,
    figure::{Figure, Goal, median},
    note,
};
use qm_syncml::{Encoding, Limits, Message, Status, StatusCode, decode, encode};
use quick_xml::{Reader, events::Event};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

/// As devices send it, and as tools indent it.
pub fn run(effort: Effort) -> Vec<Figure> {
    note("syncml");
    let indented = COMPACT.replace("><", ">\r\n  <");
    let compact = figure("a device's message", COMPACT, effort);
    let indented = figure("the same, indented", &indented, effort);
    vec![compact, indented]
}

fn figure(what: &str, xml: &str, effort: Effort) -> Figure {
    let message = decode(Encoding::Xml, xml.as_bytes(), &Limits::default()).unwrap_or_default();
    let reply = reply(&message);
    let mut pairs = Vec::new();
    let mut shares = Vec::new();
    for _ in 0..effort.rounds.max(5) * 5 {
        let tokens = cost(|| tokenize(xml));
        let reading = cost(|| decode(Encoding::Xml, xml.as_bytes(), &Limits::default()).is_ok());
        let writing = cost(|| encode(Encoding::Xml, &reply));
        pairs.push((reading + writing, tokens));
        shares.push((reading / tokens, writing / tokens));
    }
    let (reading, writing): (Vec<f64>, Vec<f64>) = shares.into_iter().unzip();
    let detail = format!(
        "{} bytes: decode {:.2}, encode {:.2}",
        xml.len(),
        median(&reading),
        median(&writing)
    );
    Figure::ratio(
        format!("{what}: decode and encode : tokenizer"),
        &pairs,
        Goal::AtMost(2.6),
    )
    .with(detail)
}

/// A status for the header and for each command.
fn reply(message: &Message) -> Message {
    let header = Status {
        msg_ref: 1,
        cmd_ref: "0".to_owned(),
        cmd: "SyncHdr".to_owned(),
        code: StatusCode::AUTH_ACCEPTED,
        ..Status::default()
    };
    let mut body = vec![qm_syncml::Command::Status(header)];
    for command in &message.body {
        let status = Status::for_command("", 1, command, StatusCode::OK);
        body.push(qm_syncml::Command::Status(status));
    }
    Message {
        header: message.header.clone(),
        body,
        last: true,
    }
}

/// The tokenizer alone, to the end of the document.
fn tokenize(xml: &str) -> usize {
    let mut reader = Reader::from_str(xml);
    let mut events = 0;
    while !matches!(reader.read_event(), Ok(Event::Eof) | Err(_)) {
        events += 1;
    }
    events
}

/// CPU nanoseconds of this thread for one call, over many.
#[expect(clippy::cast_precision_loss, reason = "a share of a second")]
fn cost<T>(mut act: impl FnMut() -> T) -> f64 {
    let before = clock_gettime(ClockId::ThreadCPUTime);
    for _ in 0..CALLS {
        black_box(act());
    }
    let after = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = (after.tv_sec - before.tv_sec) * 1_000_000_000 + (after.tv_nsec - before.tv_nsec);
    nanos as f64 / f64::from(CALLS)
}

const CALLS: u32 = 400;

/// Package 1 of a Windows device.
const COMPACT: &str = include_str!("package1.xml");
