//! Structured logs on stderr.

use clap::ValueEnum;
use std::{
    fmt::{self, Write as _},
    io,
};
use tracing::{Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt as _,
    fmt::{
        MakeWriter,
        format::{Writer, debug_fn},
    },
    util::SubscriberInitExt as _,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Starts logging. `filter` is in the syntax of `RUST_LOG`; `info` where it is not given.
pub fn start(format: LogFormat, filter: Option<&str>) {
    let filter = filter.unwrap_or("info,hyper=warn,rustls=warn,sqlx=warn");
    let colors = io::IsTerminal::is_terminal(&io::stderr());
    match format {
        LogFormat::Text => text(filter, colors, io::stderr).init(),
        LogFormat::Json => json(filter, io::stderr).init(),
    }
}

fn text<W>(filter: &str, colors: bool, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(colors)
        .fmt_fields(debug_fn(one_line).delimited(" "))
        .with_writer(writer)
        .finish()
}

fn json<W>(filter: &str, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .json()
        .flatten_event(true)
        .with_writer(writer)
        .finish()
}

/// A field as it may stand in a line: what comes from outside begins no line of its own and moves no cursor.
fn one_line(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(OneLine(writer), "{value:?}")
}

/// Writes what is harmless as it is, and the rest escaped.
struct OneLine<'w, 'b>(&'w mut Writer<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            write!(self.0, "{}{}", &rest[..at], c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

fn is_harmful(c: char) -> bool {
    c.is_control() || turns_the_text(c)
}

/// Marks that reorder, break or hide what is on the screen.
const fn turns_the_text(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str =
        "ada\r\n2026-01-01T00:00:00Z  INFO forged: admin logged in \u{1b}[2K\u{202e}\u{2028}";

    fn logged(subscriber: impl Subscriber + Send + Sync + 'static, kept: &Kept) -> String {
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("device", peer = %HOSTILE).entered();
            tracing::warn!(shown = %HOSTILE, quoted = HOSTILE, debugged = ?HOSTILE, "it said {HOSTILE}");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn nothing_from_outside_begins_a_line_of_text() {
        let kept = Kept::default();
        let writer = kept.clone();
        let text = logged(text("info", false, move || writer.clone()), &kept);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            !text.trim_end().contains(char::is_control) && !text.contains('\u{202e}'),
            "{text}"
        );
        assert!(
            text.contains("it said ada") && text.contains("shown=ada"),
            "{text}"
        );
    }

    #[test]
    fn nothing_from_outside_begins_a_line_of_json() {
        let kept = Kept::default();
        let writer = kept.clone();
        let text = logged(json("info", move || writer.clone()), &kept);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["shown"], HOSTILE);
    }
}
