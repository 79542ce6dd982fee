//! Why a document was refused.

use std::error::Error;

/// A document that is no acceptable SyncML message. The answer to it is HTTP 400 (413 for [`Self::TooLarge`]).
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// More bytes, or more text by reference, than [`crate::Limits::bytes`].
    #[error("the message exceeds {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Elements nested too deep.
    #[error("elements are nested more than {limit} deep")]
    TooDeep {
        /// The limit in force at that place.
        limit: usize,
    },
    /// Too many elements of a kind.
    #[error("the message has more than {limit} {kind}")]
    TooMany {
        /// `commands`, `items` or, within one element, `attributes`.
        kind: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The bytes are neither UTF-8 nor UTF-16 text.
    #[error("the message is not text in UTF-8 or UTF-16")]
    NotText,
    /// The XML has a document type declaration.
    #[error("the message has a document type declaration; send it without")]
    Doctype,
    /// A reference to an entity other than the five of XML, or a malformed character reference.
    #[error("the message refers to an undefined entity")]
    Entity,
    /// The XML is not well-formed.
    #[error("the XML is not well-formed at byte {offset}")]
    IllFormed {
        /// Where, in bytes of the text in UTF-8.
        offset: u64,
        /// What the tokenizer says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The document ends inside an element.
    #[error("the message is cut off")]
    Truncated,
    /// Content before or after the root element.
    #[error("the message has content outside its root element")]
    OutsideRoot,
    /// An element without which there is no message.
    #[error("the message lacks {element}")]
    Missing {
        /// The element.
        element: &'static str,
    },
    /// An element whose content must be a number.
    #[error("{element} is not a number in range")]
    BadNumber {
        /// The element.
        element: &'static str,
    },
    /// The WBXML breaks the rules of its notation.
    #[error("the WBXML is not valid at byte {offset}: {fault}")]
    Wbxml {
        /// Where, in bytes.
        offset: usize,
        /// What is wrong there.
        fault: WbxmlFault,
    },
}

/// A violation of WBXML 1.3 or of the SyncML code pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WbxmlFault {
    /// A version other than 1.1 to 1.3.
    #[error("version byte {0:#04x}")]
    Version(u8),
    /// A public identifier of another document type; 0 where a name stands in the string table.
    #[error("public identifier {0:#x}")]
    PublicId(u32),
    /// A character set other than UTF-8 or US-ASCII (IANA MIBenum).
    #[error("character set {0}")]
    Charset(u32),
    /// A code page other than SyncML (0) and MetInf (1).
    #[error("code page {0}")]
    Page(u8),
    /// A tag that the page does not define.
    #[error("tag {id:#04x} on code page {page}")]
    Tag {
        /// The code page.
        page: u8,
        /// The tag's six bits.
        id: u8,
    },
    /// A global token that has no meaning here.
    #[error("token {0:#04x}")]
    Token(u8),
    /// An offset beyond the string table.
    #[error("string table offset {0}")]
    StringIndex(u32),
    /// An integer of more than five bytes or 32 bits.
    #[error("integer too long")]
    LongInteger,
}
