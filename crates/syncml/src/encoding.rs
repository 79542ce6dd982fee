//! The two notations and their media types.

/// How a message is written down; a reply uses the encoding of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `application/vnd.syncml.dm+xml`.
    Xml,
    /// `application/vnd.syncml.dm+wbxml`.
    Wbxml,
}

impl Encoding {
    /// Reads a `Content-Type`; parameters and case do not matter. Any other type is `None`.
    pub fn from_media_type(value: &str) -> Option<Self> {
        let essence = value.split(';').next()?.trim();
        [Self::Xml, Self::Wbxml]
            .into_iter()
            .find(|e| essence.eq_ignore_ascii_case(e.media_type()))
    }

    /// The `Content-Type` to send.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/vnd.syncml.dm+xml",
            Self::Wbxml => "application/vnd.syncml.dm+wbxml",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding;

    #[test]
    fn media_types_are_read_whatever_their_case_and_parameters() {
        let cases = [
            ("application/vnd.syncml.dm+xml", Some(Encoding::Xml)),
            (
                "Application/VND.SyncML.DM+XML; charset=utf-8",
                Some(Encoding::Xml),
            ),
            (" application/vnd.syncml.dm+wbxml ;q=1", Some(Encoding::Wbxml)),
            ("application/vnd.syncml+xml", None),
            ("application/xml", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(Encoding::from_media_type(value), expected, "{value}");
        }
    }
}
