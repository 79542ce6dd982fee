//! SyncML as XML.

use crate::{
    DecodeError, Limits,
    read::{Token, Tokens},
    tag::Tag,
    write::Elements,
};
use quick_xml::{
    Reader,
    escape::resolve_predefined_entity,
    events::{BytesRef, BytesStart, Event},
};
use std::borrow::Cow;

/// The text of a document: UTF-8 with or without byte order mark, or UTF-16 with one. What the XML declaration says of
/// the encoding is wrong often enough to be ignored.
pub fn to_text(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| DecodeError::Charset)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, DecodeError> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(DecodeError::Charset);
    }
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.map(Cow::Owned).map_err(|_| DecodeError::Charset)
}

/// Reads a document.
pub struct Source<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    limits: Limits,
    depth: usize,
    elements: usize,
    /// The element that has just begun is empty: its end comes next.
    empty: bool,
    original_error: Option<String>,
}

impl<'a> Source<'a> {
    /// Over a whole document.
    pub fn new(text: &'a str, limits: Limits) -> Self {
        let reader = Reader::from_str(text);
        Self { text, reader, limits, depth: 0, elements: 0, empty: false, original_error: None }
    }

    fn event(&mut self) -> Result<Event<'a>, DecodeError> {
        let at = self.reader.buffer_position();
        match self.reader.read_event() {
            Ok(Event::DocType(_)) => Err(DecodeError::Doctype),
            Ok(Event::Eof) if self.depth > 0 => Err(DecodeError::Truncated),
            Ok(event) => Ok(event),
            Err(_) => Err(DecodeError::Malformed(at)),
        }
    }

    fn begin(&mut self, element: &BytesStart<'_>, empty: bool) -> Result<Token, DecodeError> {
        self.deeper()?;
        self.empty = empty;
        let name = element.local_name();
        Ok(match Tag::from_name(name.as_ref()) {
            Some(tag) => {
                self.original_error = if tag == Tag::Data { original_error(element) } else { None };
                Token::Open(tag)
            }
            None => Token::OpenUnknown(name.as_ref().to_owned()),
        })
    }

    fn deeper(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > self.limits.depth {
            return Err(DecodeError::Limit("depth"));
        }
        if self.elements > self.limits.elements {
            return Err(DecodeError::Limit("elements"));
        }
        Ok(())
    }

    /// The rest of an element whose content has markup: its source text as it stands.
    fn markup(&mut self, start: usize, mut depth: usize) -> Result<String, DecodeError> {
        loop {
            let end = self.position();
            match self.event()? {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => {
                    self.depth -= 1;
                    return Ok(self.text.get(start..end).unwrap_or_default().trim().to_owned());
                }
                Event::End(_) => depth -= 1,
                _ => {}
            }
            if depth > MARKUP_DEPTH {
                return Err(DecodeError::Limit("depth"));
            }
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }
}

/// How deep markup inside `Data` may go.
const MARKUP_DEPTH: usize = 64;

impl Tokens for Source<'_> {
    fn token(&mut self) -> Result<Token, DecodeError> {
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(Token::Close);
        }
        loop {
            match self.event()? {
                Event::Start(element) => return self.begin(&element, false),
                Event::Empty(element) => return self.begin(&element, true),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(Token::Close);
                }
                Event::Eof => return Ok(Token::End),
                Event::Text(text) if self.depth == 0 && !text.trim().is_empty() => return Err(DecodeError::Trailing),
                _ => {}
            }
        }
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(String::new());
        }
        let start = self.position();
        let mut content = String::new();
        loop {
            match self.event()? {
                Event::Text(text) => content.push_str(&text.xml10_content()),
                Event::CData(text) => content.push_str(&text.xml10_content()),
                Event::GeneralRef(entity) => push_entity(&mut content, &entity)?,
                Event::Start(_) => return self.markup(start, 1),
                Event::Empty(_) => return self.markup(start, 0),
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(content);
                }
                _ => {}
            }
        }
    }

    fn original_error(&mut self) -> Option<String> {
        self.original_error.take()
    }
}

/// By its local name, whatever the prefix.
fn original_error(element: &BytesStart<'_>) -> Option<String> {
    let named = |key: &str| key.rsplit(':').next() == Some("originalerror");
    let attribute = element.attributes().flatten().find(|attribute| named(attribute.key.as_ref()))?;
    Some(attribute.value.to_string())
}

fn push_entity(content: &mut String, entity: &BytesRef<'_>) -> Result<(), DecodeError> {
    let unknown = || DecodeError::Entity(entity.chars().take(32).collect());
    match entity.resolve_char_ref() {
        Ok(Some(c)) => content.push(c),
        Ok(None) => content.push_str(resolve_predefined_entity(entity).ok_or_else(unknown)?),
        Err(_) => return Err(unknown()),
    }
    Ok(())
}

/// Writes a document.
pub struct Sink {
    out: String,
    original_errors: bool,
}

impl Sink {
    /// An empty document; `original_errors` declares the prefix of `msft:originalerror`.
    pub fn new(original_errors: bool) -> Self {
        Self { out: String::with_capacity(2048), original_errors }
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    fn start(&mut self, tag: Tag) {
        self.out.push('<');
        self.out.push_str(tag.name());
        match tag {
            Tag::SyncML => self.out.push_str(" xmlns=\"SYNCML:SYNCML1.2\""),
            Tag::SyncBody if self.original_errors => {
                self.out.push_str(" xmlns:msft=\"http://schemas.microsoft.com/MobileDevice/MDM\"");
            }
            tag if tag.is_meta() => self.out.push_str(" xmlns=\"syncml:metinf\""),
            _ => {}
        }
    }

    fn end(&mut self, tag: Tag) {
        self.out.push_str("</");
        self.out.push_str(tag.name());
        self.out.push('>');
    }
}

impl Elements for Sink {
    fn open(&mut self, tag: Tag) {
        self.start(tag);
        self.out.push('>');
    }
    fn close(&mut self, tag: Tag) {
        self.end(tag);
    }
    fn empty(&mut self, tag: Tag) {
        self.start(tag);
        self.out.push_str("/>");
    }
    fn leaf(&mut self, tag: Tag, text: &str) {
        self.open(tag);
        push_escaped(&mut self.out, text);
        self.end(tag);
    }
    fn data_with_error(&mut self, text: &str, original_error: &str) {
        self.start(Tag::Data);
        self.out.push_str(" msft:originalerror=\"");
        push_escaped(&mut self.out, original_error);
        self.out.push_str("\">");
        push_escaped(&mut self.out, text);
        self.end(Tag::Data);
    }
}

/// Escapes once. Characters that XML cannot hold are left out; CR LF and CR become LF.
fn push_escaped(out: &mut String, text: &str) {
    let mut clean = 0;
    for (index, c) in text.char_indices() {
        let replacement = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\r' if text[index..].starts_with("\r\n") => "",
            '\r' => "\n",
            '\t' | '\n' => continue,
            c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => "",
            _ => continue,
        };
        out.push_str(&text[clean..index]);
        out.push_str(replacement);
        clean = index + c.len_utf8();
    }
    out.push_str(&text[clean..]);
}
