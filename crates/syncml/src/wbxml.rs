//! SyncML as WBXML 1.1 to 1.3 (WAP-192, OMA SyncML code pages).

use crate::{
    DecodeError, Limits,
    read::{Token, Tokens},
    tag::Tag,
    write::Elements,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

const SWITCH_PAGE: u8 = 0x00;
const END: u8 = 0x01;
const ENTITY: u8 = 0x02;
const STR_I: u8 = 0x03;
const LITERAL: u8 = 0x04;
const LITERAL_C: u8 = 0x44;
const STR_T: u8 = 0x83;
const LITERAL_A: u8 = 0x84;
const OPAQUE: u8 = 0xC3;
const LITERAL_AC: u8 = 0xC4;
const WITH_CONTENT: u8 = 0x40;
const WITH_ATTRIBUTES: u8 = 0x80;
/// SyncML 1.0 to 1.2, and unknown.
const PUBLIC_IDS: [u32; 4] = [0x01, 0x0FD1, 0x0FD3, 0x1201];
const UTF_8: u32 = 106;
/// MIBenum 0 is "unknown", 3 is US-ASCII: both are read as UTF-8.
const CHARSETS: [u32; 3] = [0, 3, UTF_8];
const ORIGINAL_ERROR: &str = "msft:originalerror";

/// Reads a document.
pub struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
    strings: &'a [u8],
    page: u8,
    /// Whether each open element has content, and so an END of its own.
    depth: usize,
    empty: bool,
    elements: usize,
    limits: Limits,
    original_error: Option<String>,
}

impl<'a> Source<'a> {
    /// Over a whole document; reads its header.
    pub fn new(bytes: &'a [u8], limits: Limits) -> Result<Self, DecodeError> {
        let mut source = Self {
            bytes,
            at: 0,
            strings: &[],
            page: 0,
            depth: 0,
            empty: false,
            elements: 0,
            limits,
            original_error: None,
        };
        source.header()?;
        Ok(source)
    }

    fn header(&mut self) -> Result<(), DecodeError> {
        if !matches!(self.byte()?, 1..=3) {
            return Err(DecodeError::Wbxml("unknown version"));
        }
        let public_id = self.number()?;
        let named = if public_id == 0 { Some(self.number()?) } else { None };
        if !CHARSETS.contains(&self.number()?) {
            return Err(DecodeError::Wbxml("unknown character set"));
        }
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.strings = self.take(length)?;
        let known = match named {
            Some(offset) => self.string_at(offset)?.to_ascii_uppercase().contains("DTD SYNCML"),
            None => PUBLIC_IDS.contains(&public_id),
        };
        if known { Ok(()) } else { Err(DecodeError::Wbxml("the document type is not SyncML")) }
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(length).ok_or(DecodeError::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(DecodeError::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    /// mb_u_int32: groups of 7 bits, most significant first, at most five bytes.
    fn number(&mut self) -> Result<u32, DecodeError> {
        let mut number: u64 = 0;
        for _ in 0..5 {
            let byte = self.byte()?;
            number = number << 7 | u64::from(byte & 0x7F);
            if byte & 0x80 == 0 {
                return u32::try_from(number).map_err(|_| DecodeError::Wbxml("a number is too large"));
            }
        }
        Err(DecodeError::Wbxml("a number is too long"))
    }

    fn inline_string(&mut self) -> Result<&'a str, DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == 0).ok_or(DecodeError::Truncated)?;
        let text = std::str::from_utf8(&rest[..length]).map_err(|_| DecodeError::Charset)?;
        self.at += length + 1;
        Ok(text)
    }

    fn string_at(&self, offset: u32) -> Result<&'a str, DecodeError> {
        let outside = DecodeError::Wbxml("a reference leaves the string table");
        let offset = usize::try_from(offset).map_err(|_| outside.clone())?;
        let rest = self.strings.get(offset..).filter(|rest| !rest.is_empty()).ok_or(outside)?;
        let length = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        std::str::from_utf8(&rest[..length]).map_err(|_| DecodeError::Charset)
    }

    fn switch_page(&mut self) -> Result<(), DecodeError> {
        self.page = self.byte()?;
        if self.page > 1 { Err(DecodeError::Wbxml("unknown code page")) } else { Ok(()) }
    }

    fn begin(&mut self, code: u8) -> Result<Token, DecodeError> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > self.limits.depth {
            return Err(DecodeError::Limit("depth"));
        }
        if self.elements > self.limits.elements {
            return Err(DecodeError::Limit("elements"));
        }
        let token = match code {
            LITERAL | LITERAL_C | LITERAL_A | LITERAL_AC => {
                let offset = self.number()?;
                Token::OpenUnknown(self.string_at(offset)?.to_owned())
            }
            _ => Token::Open(
                Tag::from_code(self.page, code & 0x3F).ok_or(DecodeError::Wbxml("unknown element"))?,
            ),
        };
        self.original_error = None;
        if code & WITH_ATTRIBUTES != 0 {
            self.attributes()?;
        }
        self.empty = code & WITH_CONTENT == 0;
        Ok(token)
    }

    /// SyncML has no attribute tokens: only literal names can occur.
    fn attributes(&mut self) -> Result<(), DecodeError> {
        let mut name = "";
        let mut value = String::new();
        loop {
            match self.byte()? {
                END => {
                    self.note_attribute(name, &mut value);
                    return Ok(());
                }
                LITERAL => {
                    self.note_attribute(name, &mut value);
                    let offset = self.number()?;
                    name = self.string_at(offset)?;
                }
                STR_I => value.push_str(self.inline_string()?),
                STR_T => {
                    let offset = self.number()?;
                    value.push_str(self.string_at(offset)?);
                }
                ENTITY => value.push(self.entity()?),
                _ => return Err(DecodeError::Wbxml("unknown attribute")),
            }
        }
    }

    fn note_attribute(&mut self, name: &str, value: &mut String) {
        let value = std::mem::take(value);
        if name.rsplit(':').next() == Some("originalerror") {
            self.original_error = Some(value);
        }
    }

    fn entity(&mut self) -> Result<char, DecodeError> {
        char::from_u32(self.number()?).ok_or(DecodeError::Wbxml("no character"))
    }

    fn opaque(&mut self) -> Result<String, DecodeError> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        Ok(binary_to_text(self.take(length)?))
    }

    /// One piece of text, or `None` at a token that is none.
    fn piece(&mut self, code: u8, content: &mut String) -> Result<bool, DecodeError> {
        match code {
            STR_I => content.push_str(self.inline_string()?),
            STR_T => {
                let offset = self.number()?;
                content.push_str(self.string_at(offset)?);
            }
            ENTITY => content.push(self.entity()?),
            OPAQUE => content.push_str(&self.opaque()?),
            SWITCH_PAGE => self.switch_page()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An element inside text: written out as markup.
    fn nested(&mut self, code: u8, content: &mut String) -> Result<(), DecodeError> {
        let name = match self.begin(code)? {
            Token::Open(tag) => tag.name().to_owned(),
            Token::OpenUnknown(name) => name,
            Token::Close | Token::End => return Err(DecodeError::Wbxml("unknown token")),
        };
        let inner = self.text()?;
        content.push_str(&format!("<{name}>{inner}</{name}>"));
        Ok(())
    }
}

/// Binary data has the text form that it has in XML: base64. Text stays text.
fn binary_to_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        _ => BASE64_STANDARD.encode(bytes),
    }
}

impl Tokens for Source<'_> {
    fn token(&mut self) -> Result<Token, DecodeError> {
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(Token::Close);
        }
        let mut passed_over = String::new();
        loop {
            if self.depth == 0 && self.at == self.bytes.len() {
                return Ok(Token::End);
            }
            if self.depth == 0 && self.elements > 0 {
                return Err(DecodeError::Trailing);
            }
            let code = self.byte()?;
            if code == END {
                self.depth = self.depth.checked_sub(1).ok_or(DecodeError::Wbxml("an end without a beginning"))?;
                return Ok(Token::Close);
            }
            if !self.piece(code, &mut passed_over)? {
                return self.begin(code);
            }
        }
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let mut content = String::new();
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(content);
        }
        loop {
            let code = self.byte()?;
            if code == END {
                self.depth -= 1;
                return Ok(content);
            }
            if !self.piece(code, &mut content)? {
                self.nested(code, &mut content)?;
            }
        }
    }

    fn original_error(&mut self) -> Option<String> {
        self.original_error.take()
    }
}

/// Writes a document.
pub struct Sink {
    out: Vec<u8>,
    page: u8,
}

impl Sink {
    /// The header of SyncML 1.2 in UTF-8; `original_errors` puts the attribute's name into the string table.
    pub fn new(original_errors: bool) -> Self {
        let mut out = vec![0x02, 0xA4, 0x01, 0x6A];
        if original_errors {
            out.push(u8::try_from(ORIGINAL_ERROR.len() + 1).unwrap_or(0));
            out.extend(ORIGINAL_ERROR.as_bytes());
        }
        out.push(0);
        Self { out, page: 0 }
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn tag(&mut self, tag: Tag, flags: u8) {
        let (page, token) = tag.code();
        if page != self.page {
            self.out.extend([SWITCH_PAGE, page]);
            self.page = page;
        }
        self.out.push(token | flags);
    }

    fn string(&mut self, text: &str) {
        self.out.push(STR_I);
        push_clean(&mut self.out, text);
        self.out.push(0);
    }
}

/// The same characters that the XML form can hold.
fn push_clean(out: &mut Vec<u8>, text: &str) {
    let mut buffer = [0; 4];
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let c = match c {
            '\r' if characters.peek() == Some(&'\n') => continue,
            '\r' => '\n',
            '\t' | '\n' => c,
            c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => continue,
            c => c,
        };
        out.extend(c.encode_utf8(&mut buffer).as_bytes());
    }
}

impl Elements for Sink {
    fn open(&mut self, tag: Tag) {
        self.tag(tag, WITH_CONTENT);
    }
    fn close(&mut self, _: Tag) {
        self.out.push(END);
    }
    fn empty(&mut self, tag: Tag) {
        self.tag(tag, 0);
    }
    fn leaf(&mut self, tag: Tag, text: &str) {
        if text.is_empty() {
            return self.empty(tag);
        }
        self.tag(tag, WITH_CONTENT);
        self.string(text);
        self.out.push(END);
    }
    fn data_with_error(&mut self, text: &str, original_error: &str) {
        self.tag(Tag::Data, WITH_CONTENT | WITH_ATTRIBUTES);
        self.out.extend([LITERAL, 0]);
        self.string(original_error);
        self.out.push(END);
        self.string(text);
        self.out.push(END);
    }
}
