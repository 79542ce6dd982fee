//! Elements of an XML document, from quick-xml's tokens. Prefixes are cut off, namespaces not looked at.

use super::text::reference;
use crate::{
    DecodeError, Limits,
    read::{Payload, Source},
    tag::Tag,
    text,
};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use std::{borrow::Cow, mem};

/// A cursor over the elements of a document.
pub(super) struct Elements<'a> {
    document: &'a str,
    reader: Reader<&'a [u8]>,
    /// The start tag read last.
    start: BytesStart<'a>,
    /// Whether that tag closed its element.
    closed: bool,
    /// Where the token read last begins in the document.
    position: usize,
    depth: usize,
    max_depth: usize,
    markup_depth: usize,
}

enum Token<'a> {
    Open,
    Close,
    Text(Cow<'a, str>),
    End,
}

impl<'a> Elements<'a> {
    pub(super) fn new(document: &'a str, limits: &Limits) -> Self {
        Self {
            document,
            reader: Reader::from_str(document),
            start: BytesStart::new(""),
            closed: false,
            position: 0,
            depth: 0,
            max_depth: limits.depth,
            markup_depth: limits.markup_depth,
        }
    }

    fn token(&mut self) -> Result<Token<'a>, DecodeError> {
        loop {
            self.position = self.offset();
            let event = self.reader.read_event().map_err(|error| self.ill_formed(error))?;
            return match event {
                Event::Start(start) => self.open(start, false),
                Event::Empty(start) => self.open(start, true),
                Event::End(_) => {
                    self.depth -= 1;
                    Ok(Token::Close)
                }
                Event::Text(text) => self.text_token(text.into_inner()),
                Event::CData(text) => self.text_token(text.into_inner()),
                Event::GeneralRef(name) => self.text_token(reference(&name)?),
                Event::DocType(_) => Err(DecodeError::Doctype),
                Event::Eof if self.depth > 0 => Err(DecodeError::Truncated),
                Event::Eof => Ok(Token::End),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
        }
    }

    fn open(&mut self, start: BytesStart<'a>, closed: bool) -> Result<Token<'a>, DecodeError> {
        if self.depth >= self.max_depth {
            return Err(DecodeError::TooDeep {
                limit: self.max_depth,
            });
        }
        self.depth += usize::from(!closed);
        self.start = start;
        self.closed = closed;
        Ok(Token::Open)
    }

    fn text_token(&self, text: Cow<'a, str>) -> Result<Token<'a>, DecodeError> {
        if self.depth == 0 && !text.chars().all(text::is_space) {
            return Err(DecodeError::OutsideRoot);
        }
        Ok(Token::Text(text))
    }

    /// Where the tokenizer stands in the document.
    fn offset(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn ill_formed(&self, error: quick_xml::Error) -> DecodeError {
        DecodeError::IllFormed {
            offset: self.reader.error_position(),
            source: Box::new(error),
        }
    }

    /// The rest of the open element: its text, or the source of its markup.
    fn content(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let (begin, floor) = (self.offset(), self.depth);
        let mut markup = false;
        let mut text = Cow::Borrowed("");
        while self.depth >= floor {
            match self.token()? {
                Token::Text(more) if !markup => append(&mut text, more),
                Token::Open => markup = true,
                _ => {}
            }
        }
        let source = self.document.get(begin..self.position).unwrap_or_default();
        Ok(if markup { Cow::Borrowed(source) } else { text })
    }
}

impl<'a> Source<'a> for Elements<'a> {
    fn child(&mut self) -> Result<Option<Tag>, DecodeError> {
        if mem::take(&mut self.closed) {
            return Ok(None);
        }
        loop {
            match self.token()? {
                Token::Open => return Ok(Some(Tag::from_name(self.name()))),
                Token::Close | Token::End => return Ok(None),
                Token::Text(_) => {}
            }
        }
    }

    fn name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    fn original_error(&mut self) -> Result<Option<String>, DecodeError> {
        let mut attributes = self.start.attributes();
        for attribute in attributes.with_checks(false).flatten() {
            if attribute
                .key
                .local_name()
                .into_inner()
                .eq_ignore_ascii_case("originalerror")
            {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                return value
                    .map(|value| Some(value.into_owned()))
                    .map_err(|_| DecodeError::Entity);
            }
        }
        Ok(None)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let mut text = Cow::Borrowed("");
        if mem::take(&mut self.closed) {
            return Ok(text);
        }
        loop {
            match self.token()? {
                Token::Text(more) => append(&mut text, more),
                Token::Open => self.skip()?,
                Token::Close | Token::End => return Ok(text),
            }
        }
    }

    fn data(&mut self) -> Result<Payload<'a>, DecodeError> {
        if mem::take(&mut self.closed) {
            return Ok(Payload::Text(Cow::Borrowed("")));
        }
        let outside = self.max_depth;
        self.max_depth = self.depth.saturating_add(self.markup_depth);
        let content = self.content()?;
        self.max_depth = outside;
        self.closed = false;
        Ok(Payload::Text(content))
    }

    fn skip(&mut self) -> Result<(), DecodeError> {
        if mem::take(&mut self.closed) {
            return Ok(());
        }
        let floor = self.depth;
        while self.depth >= floor {
            self.token()?;
        }
        self.closed = false;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DecodeError> {
        match self.child()? {
            None => Ok(()),
            Some(_) => Err(DecodeError::OutsideRoot),
        }
    }
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}
