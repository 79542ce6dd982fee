//! Addresses of nodes in a device's management tree (OMA-DM Tree and Description 1.2, section 7; MS-MDM 2.2.4).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::{borrow::Cow, fmt, str::FromStr};

/// The scope that a LocURI addresses; without a `./User` prefix it is the device's.
pub use qm_core::deployment::Context as Scope;

/// A well-formed LocURI: `./` and segments, each percent-encoded, with an optional `?list=StructData`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocUri(String);

/// Why a text is no LocURI that a Windows client would take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocUriError {
    /// Some other beginning, `/` for one.
    #[error("a LocURI begins with `./` and a node's name")]
    Start,
    /// `//`, or a `/` at the end.
    #[error("segment {0} is empty")]
    EmptySegment(usize),
    /// `.`, `..` or `*` in place of a name.
    #[error("segment {0} is `.`, `..` or `*`, which stand for no node")]
    Wildcard(usize),
    /// White space, a control character or one outside ASCII.
    #[error("{0:?} must be percent-encoded as UTF-8")]
    Character(char),
    /// A `%` without two hexadecimal digits.
    #[error("`%` in segment {0} is not followed by two hexadecimal digits")]
    Escape(usize),
    /// A query that Windows does not define.
    #[error("the only query is `?list=StructData`")]
    Query,
    /// Longer than [`LocUri::MAX_LENGTH`] bytes.
    #[error("longer than {} bytes", LocUri::MAX_LENGTH)]
    TooLong,
    /// More than [`LocUri::MAX_SEGMENTS`] segments.
    #[error("more than {} segments", LocUri::MAX_SEGMENTS)]
    TooDeep,
}

impl LocUri {
    /// The most bytes that are accepted.
    pub const MAX_LENGTH: usize = 2048;
    /// The most segments that are accepted.
    pub const MAX_SEGMENTS: usize = 64;

    /// Checks a text. Its spelling is kept.
    pub fn parse(text: &str) -> Result<Self, LocUriError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(LocUriError::TooLong);
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(LocUriError::Character(c));
        }
        let (path, query) = split_query(text);
        if query.is_some_and(|q| !q.eq_ignore_ascii_case(STRUCT_DATA)) {
            return Err(LocUriError::Query);
        }
        let names = path.strip_prefix("./").filter(|names| !names.is_empty());
        let names = names.ok_or(LocUriError::Start)?;
        for (index, segment) in names.split('/').enumerate() {
            check_segment(index + 1, segment)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Device or user.
    pub fn scope(&self) -> Scope {
        scope_of(&self.0)
    }
    /// The names behind `./`, still percent-encoded, without the query.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        raw_segments(&self.0)
    }
    /// Whether it asks for the whole subtree (`?list=StructData`).
    pub fn is_struct_data(&self) -> bool {
        split_query(&self.0).1.is_some()
    }
    /// Whether `other` names the same node: case, percent-encoding, the query and a missing `./Device` do not count.
    pub fn eq_ignore_case(&self, other: &str) -> bool {
        same_node(&self.0, other)
    }
}
impl fmt::Display for LocUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for LocUri {
    type Err = LocUriError;
    fn from_str(text: &str) -> Result<Self, LocUriError> {
        Self::parse(text)
    }
}

/// Encodes a name for use as one segment.
pub fn encode_segment(name: &str) -> String {
    match name {
        "." | ".." => name.replace('.', "%2E"),
        _ => utf8_percent_encode(name, RESERVED).to_string(),
    }
}

/// The name that a segment stands for; bytes that are no UTF-8 become U+FFFD.
pub fn decode_segment(segment: &str) -> String {
    decoded(segment).into_owned()
}

/// Whether two texts name the same node, however they are spelled.
pub(crate) fn same_node(a: &str, b: &str) -> bool {
    Node::named(a).is(Node::named(b))
}

/// A node as some text names it, taken apart once to be compared with others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    scope: Scope,
    /// Without `./`, scope name and query.
    path: &'a str,
    encoded: bool,
}

impl<'a> Node<'a> {
    pub(crate) fn named(uri: &'a str) -> Self {
        let path = path_of(uri);
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let (scope, path) = match first {
            _ if first.eq_ignore_ascii_case("User") => (Scope::User, rest),
            _ if first.eq_ignore_ascii_case("Device") => (Scope::Device, rest),
            _ => (Scope::Device, path),
        };
        let encoded = path.contains('%');
        Self { scope, path, encoded }
    }

    pub(crate) fn is(self, other: Self) -> bool {
        self.scope == other.scope
            && (self.path.eq_ignore_ascii_case(other.path)
                || (self.encoded || other.encoded) && self.has_names_of(other))
    }

    fn has_names_of(self, other: Self) -> bool {
        let (mut left, mut right) = (self.path.split('/'), other.path.split('/'));
        loop {
            match (left.next(), right.next()) {
                (None, None) => break true,
                (Some(x), Some(y)) if decoded(x).eq_ignore_ascii_case(&decoded(y)) => {}
                _ => break false,
            }
        }
    }
}

/// The decoded names of any text in LocURI form, without `.`, scope prefix and query.
pub(crate) fn node_names(uri: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut raw = raw_segments(uri).peekable();
    raw.next_if(|first| first.eq_ignore_ascii_case("Device") || first.eq_ignore_ascii_case("User"));
    raw.map(decoded)
}

/// Device, unless the first name is `User`.
pub(crate) fn scope_of(uri: &str) -> Scope {
    match raw_segments(uri).next() {
        Some(first) if first.eq_ignore_ascii_case("User") => Scope::User,
        _ => Scope::Device,
    }
}

fn raw_segments(uri: &str) -> impl Iterator<Item = &str> {
    path_of(uri).split('/')
}

fn path_of(uri: &str) -> &str {
    let path = split_query(uri.trim()).0;
    path.strip_prefix("./").unwrap_or(path)
}

fn split_query(uri: &str) -> (&str, Option<&str>) {
    match uri.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (uri, None),
    }
}

fn check_segment(number: usize, segment: &str) -> Result<(), LocUriError> {
    match segment {
        _ if number > LocUri::MAX_SEGMENTS => Err(LocUriError::TooDeep),
        "" => Err(LocUriError::EmptySegment(number)),
        "." | ".." | "*" => Err(LocUriError::Wildcard(number)),
        _ if segment.split('%').skip(1).all(starts_with_hex_pair) => Ok(()),
        _ => Err(LocUriError::Escape(number)),
    }
}

fn starts_with_hex_pair(rest: &str) -> bool {
    rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit())
}

fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

const STRUCT_DATA: &str = "list=StructData";

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_what_windows_takes() {
        for text in [
            "./DevDetail/SwV",
            "./Vendor/MSFT/DeviceStatus/OS/Edition",
            "./user/Vendor/MSFT/EnterpriseModernAppManagement/AppManagement?list=StructData",
            "./Device/Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/%7B3E6B1B57%7D/Status",
            "./Device/Vendor/MSFT/EnterpriseDesktopAppManagement/MSI/{3E6B1B57}/Status",
        ] {
            assert_eq!(LocUri::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn rejects_what_windows_refuses() {
        use LocUriError as E;
        let deep = format!(".{}", "/a".repeat(LocUri::MAX_SEGMENTS + 1));
        let long = format!("./{}", "a".repeat(LocUri::MAX_LENGTH));
        for (text, error) in [
            ("", E::Start),
            (".", E::Start),
            ("./", E::Start),
            ("/Vendor", E::Start),
            ("Vendor/MSFT", E::Start),
            ("./Vendor//MSFT", E::EmptySegment(2)),
            ("./Vendor/", E::EmptySegment(2)),
            ("./Vendor/./MSFT", E::Wildcard(2)),
            ("./../MSFT", E::Wildcard(1)),
            ("./Vendor/*", E::Wildcard(2)),
            ("./MS DM", E::Character(' ')),
            ("./Ä", E::Character('Ä')),
            ("./a%2", E::Escape(1)),
            ("./a/b%zz", E::Escape(2)),
            ("./a?list=TNDS", E::Query),
            (&long, E::TooLong),
            (&deep, E::TooDeep),
        ] {
            assert_eq!(LocUri::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn tells_scope_and_query() {
        let uri = LocUri::parse("./uSER/Vendor/MSFT/X?list=StructData").unwrap();
        assert_eq!(uri.scope(), Scope::User);
        assert!(uri.is_struct_data());
        assert_eq!(
            uri.segments().collect::<Vec<_>>(),
            ["uSER", "Vendor", "MSFT", "X"]
        );
        assert_eq!(LocUri::parse("./DevInfo/Man").unwrap().scope(), Scope::Device);
    }

    #[test]
    fn spellings_of_one_node_are_equal() {
        let uri = LocUri::parse("./Device/Vendor/MSFT/DMClient/Provider/MS%20DM").unwrap();
        assert!(uri.eq_ignore_case("./vendor/msft/dmclient/provider/ms dm"));
        assert!(uri.eq_ignore_case("./device/Vendor/MSFT/DMClient/Provider/MS%20DM?list=StructData"));
        assert!(!uri.eq_ignore_case("./User/Vendor/MSFT/DMClient/Provider/MS%20DM"));
        assert!(!uri.eq_ignore_case("./Vendor/MSFT/DMClient/Provider"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_name_survives_as_a_segment(name in ".{1,40}") {
            let uri = LocUri::parse(&format!("./Vendor/{}/Status", encode_segment(&name))).unwrap();
            prop_assert_eq!(decode_segment(uri.segments().nth(1).unwrap()), name);
        }

        #[test]
        fn two_texts_name_one_node_where_scope_and_names_agree(
            a in "\\./((User|device)/)?(a|B|%61|%2F){1,3}(/(b|%62|ü|)){0,2}",
            b in "\\./((user|Device)/)?(A|b|%41|%2f){1,3}(/(B|%42|ü|)){0,2}(\\?list=StructData)?",
        ) {
            let names = |uri| node_names(uri).map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>();
            let agree = scope_of(&a) == scope_of(&b) && names(&a) == names(&b);
            prop_assert_eq!(same_node(&a, &b), agree);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\./)?[./*?%a-fA-F ü]{0,40}") {
            if let Ok(uri) = LocUri::parse(&text) {
                prop_assert!(uri.eq_ignore_case(&text.to_uppercase()));
            }
            let _ = (scope_of(&text), node_names(&text).count());
        }
    }
}
