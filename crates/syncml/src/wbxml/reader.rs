//! Elements of a WBXML document.

use super::{bytes::Bytes, header, markup::Markup, token};
use crate::{
    DecodeError, Limits, WbxmlFault,
    read::{Payload, Source},
    tag::Tag,
    text,
};
use std::{borrow::Cow, mem};

/// A cursor over the elements of a document.
pub(super) struct Elements<'a> {
    bytes: Bytes<'a>,
    table: &'a [u8],
    page: u8,
    start: Start<'a>,
    /// Whether the tag read last has no content, hence no END.
    closed: bool,
    depth: usize,
    max_depth: usize,
    markup_depth: usize,
    /// How many bytes string-table references and markup may still come to: both can be longer than the document.
    budget: usize,
    budget_limit: usize,
}

/// A start tag.
#[derive(Default)]
pub(super) struct Start<'a> {
    pub(super) tag: Option<Tag>,
    /// The name as written: that of the tag, or a literal with its prefix.
    pub(super) name: &'a str,
    pub(super) attributes: Vec<(&'a str, String)>,
}

enum Token<'a> {
    Open,
    Close,
    Text(Piece<'a>),
    End,
}

enum Piece<'a> {
    String(&'a [u8]),
    Opaque(&'a [u8]),
    Character(char),
}

impl<'a> Elements<'a> {
    pub(super) fn new(document: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut bytes = Bytes::new(document);
        let table = header::read(&mut bytes)?;
        Ok(Self {
            bytes,
            table,
            page: 0,
            start: Start::default(),
            closed: false,
            depth: 0,
            max_depth: limits.depth,
            markup_depth: limits.markup_depth,
            budget: limits.bytes,
            budget_limit: limits.bytes,
        })
    }

    fn token(&mut self) -> Result<Token<'a>, DecodeError> {
        loop {
            let Some(byte) = self.bytes.next() else {
                return if self.depth > 0 {
                    Err(DecodeError::Truncated)
                } else {
                    Ok(Token::End)
                };
            };
            match byte {
                token::SWITCH_PAGE => self.page = self.page_number()?,
                token::PI => {
                    self.attributes()?;
                }
                token::END if self.depth > 0 => {
                    self.depth -= 1;
                    return Ok(Token::Close);
                }
                _ => {
                    if let Some(piece) = self.piece(byte)? {
                        return if self.depth > 0 {
                            Ok(Token::Text(piece))
                        } else {
                            Err(DecodeError::OutsideRoot)
                        };
                    }
                    return self.open(byte);
                }
            }
        }
    }

    /// Text that begins with this token, if it is one of text.
    fn piece(&mut self, byte: u8) -> Result<Option<Piece<'a>>, DecodeError> {
        Ok(Some(match byte {
            token::STR_I => Piece::String(self.bytes.terminated()?),
            token::STR_T => {
                let offset = self.bytes.integer()?;
                Piece::String(self.table_string(offset)?)
            }
            token::OPAQUE => Piece::Opaque(self.bytes.counted()?),
            token::ENTITY => {
                let code = self.bytes.integer()?;
                Piece::Character(char::from_u32(code).ok_or(DecodeError::Entity)?)
            }
            _ => return Ok(None),
        }))
    }

    fn open(&mut self, byte: u8) -> Result<Token<'a>, DecodeError> {
        let id = byte & token::TAG_ID;
        if id < token::LITERAL {
            return Err(self.bytes.fault(WbxmlFault::Token(byte)));
        }
        if self.depth >= self.max_depth {
            return Err(DecodeError::TooDeep {
                limit: self.max_depth,
            });
        }
        self.start = if id == token::LITERAL {
            self.literal()?
        } else {
            self.known(id)?
        };
        if byte & token::ATTRIBUTES != 0 {
            self.start.attributes = self.attributes()?;
        }
        self.closed = byte & token::CONTENT == 0;
        self.depth += usize::from(!self.closed);
        Ok(Token::Open)
    }

    fn known(&self, id: u8) -> Result<Start<'a>, DecodeError> {
        let fault = WbxmlFault::Tag { page: self.page, id };
        let tag = Tag::from_token(self.page, id).ok_or_else(|| self.bytes.fault(fault))?;
        Ok(Start {
            tag: Some(tag),
            name: tag.name(),
            attributes: Vec::new(),
        })
    }

    fn literal(&mut self) -> Result<Start<'a>, DecodeError> {
        Ok(Start {
            tag: None,
            name: self.literal_name()?,
            attributes: Vec::new(),
        })
    }

    fn literal_name(&mut self) -> Result<&'a str, DecodeError> {
        let offset = self.bytes.integer()?;
        std::str::from_utf8(self.table_string(offset)?).map_err(|_| DecodeError::NotText)
    }

    /// Attributes up to their END. SyncML gives them no tokens, so their names are literals.
    fn attributes(&mut self) -> Result<Vec<(&'a str, String)>, DecodeError> {
        let mut attributes: Vec<(&'a str, Vec<u8>)> = Vec::new();
        loop {
            let byte = self.bytes.byte()?;
            match byte {
                token::END => break,
                token::SWITCH_PAGE => {
                    self.page_number()?;
                }
                token::LITERAL if attributes.len() == MAX_ATTRIBUTES => {
                    return Err(DecodeError::TooMany {
                        kind: "attributes",
                        limit: MAX_ATTRIBUTES,
                    });
                }
                token::LITERAL => attributes.push((self.literal_name()?, Vec::new())),
                _ => {
                    let unexpected = self.bytes.fault(WbxmlFault::Token(byte));
                    match (attributes.last_mut(), self.piece(byte)?) {
                        (Some((_, value)), Some(piece)) => piece.append_to(value),
                        _ => return Err(unexpected),
                    }
                }
            }
        }
        let text = |(name, value)| Ok((name, utf8(Cow::Owned(value))?.into_owned()));
        attributes.into_iter().map(text).collect()
    }

    fn page_number(&mut self) -> Result<u8, DecodeError> {
        let page = self.bytes.byte()?;
        if page > 1 {
            Err(self.bytes.fault(WbxmlFault::Page(page)))
        } else {
            Ok(page)
        }
    }

    fn table_string(&mut self, offset: u32) -> Result<&'a [u8], DecodeError> {
        let string = header::table_string(self.table, offset).map_err(|fault| self.bytes.fault(fault))?;
        self.charge(string.len())?;
        Ok(string)
    }

    /// The open element's content, its first child element being open already and `before` standing before that.
    fn markup(&mut self, before: &str) -> Result<String, DecodeError> {
        let floor = self.depth - usize::from(!self.closed);
        let mut markup = Markup::new(before);
        markup.open(&self.start, mem::take(&mut self.closed));
        loop {
            match self.token()? {
                Token::Open => markup.open(&self.start, mem::take(&mut self.closed)),
                Token::Close if self.depth < floor => break,
                Token::Close => markup.close(),
                Token::Text(piece) => markup.text(&utf8(piece.into_bytes())?),
                Token::End => return Err(DecodeError::Truncated),
            }
            if markup.len() > self.budget {
                break;
            }
        }
        self.charge(markup.len())?;
        Ok(markup.into_text())
    }

    /// Counts text that is longer than the bytes that stand for it.
    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let limit = self.budget_limit;
        self.budget = self
            .budget
            .checked_sub(bytes)
            .ok_or(DecodeError::TooLarge { limit })?;
        Ok(())
    }
}

impl<'a> Source<'a> for Elements<'a> {
    fn child(&mut self) -> Result<Option<Tag>, DecodeError> {
        if mem::take(&mut self.closed) {
            return Ok(None);
        }
        loop {
            match self.token()? {
                Token::Open => {
                    return Ok(Some(
                        self.start.tag.unwrap_or_else(|| Tag::from_name(self.name())),
                    ));
                }
                Token::Close | Token::End => return Ok(None),
                Token::Text(_) => {}
            }
        }
    }

    fn name(&self) -> &str {
        local(self.start.name)
    }

    fn original_error(&mut self) -> Result<Option<String>, DecodeError> {
        let is_error = |name: &str| local(name).eq_ignore_ascii_case("originalerror");
        let found = self.start.attributes.iter_mut().find(|(name, _)| is_error(name));
        Ok(found.map(|(_, value)| mem::take(value)))
    }

    fn text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let mut text = Cow::Borrowed(&[][..]);
        if mem::take(&mut self.closed) {
            return Ok(Cow::Borrowed(""));
        }
        loop {
            match self.token()? {
                Token::Text(piece) => append(&mut text, piece),
                Token::Open => self.skip()?,
                Token::Close | Token::End => return utf8(text),
            }
        }
    }

    fn data(&mut self) -> Result<Payload<'a>, DecodeError> {
        if mem::take(&mut self.closed) {
            return Ok(Payload::Text(Cow::Borrowed("")));
        }
        let outside = self.max_depth;
        self.max_depth = self.depth.saturating_add(self.markup_depth);
        let mut content = Cow::Borrowed(&[][..]);
        let mut opaque = false;
        let payload = loop {
            match self.token()? {
                Token::Text(piece) => {
                    opaque |= matches!(piece, Piece::Opaque(_));
                    append(&mut content, piece);
                }
                Token::Open => break Payload::Text(Cow::Owned(self.markup(&utf8(content)?)?)),
                Token::Close | Token::End if opaque => break Payload::Opaque(content),
                Token::Close | Token::End => break Payload::Text(utf8(content)?),
            }
        };
        self.max_depth = outside;
        Ok(payload)
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

impl<'a> Piece<'a> {
    fn into_bytes(self) -> Cow<'a, [u8]> {
        match self {
            Self::String(bytes) | Self::Opaque(bytes) => Cow::Borrowed(bytes),
            Self::Character(c) => Cow::Owned(c.to_string().into_bytes()),
        }
    }

    fn append_to(self, text: &mut Vec<u8>) {
        text.extend_from_slice(&self.into_bytes());
    }
}

fn append<'a>(text: &mut Cow<'a, [u8]>, piece: Piece<'a>) {
    if text.is_empty() {
        *text = piece.into_bytes();
    } else {
        piece.append_to(text.to_mut());
    }
}

fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, DecodeError> {
    let text = match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| DecodeError::NotText),
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|_| DecodeError::NotText),
    };
    text.map(text::tidy_cow)
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// Attributes of one element. Two bytes of input make one, so they need a bound of their own.
const MAX_ATTRIBUTES: usize = 64;
