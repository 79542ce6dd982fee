//! Why bytes are no SyncML message.

/// What makes a message unreadable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not UTF-8, and not UTF-16 with a byte order mark.
    #[error("the text is neither UTF-8 nor UTF-16")]
    Charset,
    /// An entity that is neither a character reference nor one of XML's five.
    #[error("the entity `{0}` is not resolved")]
    Entity(String),
    /// A number is expected there.
    #[error("{0} is no number")]
    Number(&'static str),
    /// More than the limit allows.
    #[error("{0}: more than the limit allows")]
    Limit(&'static str),
    /// Not well-formed XML.
    #[error("the XML is not well-formed near byte {0}")]
    Malformed(u64),
    /// An element that a message cannot do without.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A document type declaration: it could declare entities.
    #[error("a document type declaration is refused")]
    Doctype,
    /// Something after the end of the document.
    #[error("there is something after the end of the document")]
    Trailing,
    /// The document ends in the middle.
    #[error("the document ends in the middle")]
    Truncated,
    /// A WBXML token or structure that means nothing here.
    #[error("WBXML: {0}")]
    Wbxml(&'static str),
}
