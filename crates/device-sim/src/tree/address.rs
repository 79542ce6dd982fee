//! LocURIs (OMA-DM TND, MS-MDM 2.2.5).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Whose settings: the machine's or the signed-in user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `./Device`, or no prefix.
    Device,
    /// `./User`.
    User,
}

/// An address in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scope: Scope,
    /// Decoded names below the scope.
    pub(crate) names: Vec<String>,
    /// `?list=StructData`.
    pub(crate) whole: bool,
    /// As the server wrote it, without the query.
    pub(crate) text: String,
}

impl Address {
    /// Reads a LocURI; the error says which rule it breaks.
    pub(crate) fn parse(uri: &str) -> Result<Self, String> {
        let (text, query) = uri.split_once('?').unwrap_or((uri, ""));
        if !matches!(query, "" | "list=StructData") {
            return Err(format!("the query `{query}`"));
        }
        let Some(path) = text.strip_prefix("./") else {
            return Err("it does not begin with `./`".to_owned());
        };
        let mut names = Vec::new();
        for segment in path.split('/') {
            if matches!(segment, "" | "." | ".." | "*") {
                return Err(format!("the segment `{segment}`"));
            }
            let name = percent_decode_str(segment)
                .decode_utf8()
                .map_err(|_| format!("the segment `{segment}`"))?;
            names.push(name.into_owned());
        }
        let scope = match names[0].to_ascii_lowercase().as_str() {
            "user" => Scope::User,
            _ => Scope::Device,
        };
        if matches!(names[0].to_ascii_lowercase().as_str(), "user" | "device") {
            names.remove(0);
        }
        Ok(Self {
            scope,
            names,
            whole: !query.is_empty(),
            text: text.to_owned(),
        })
    }

    /// The names below this path, compared without case.
    pub(crate) fn below(&self, path: &[&str]) -> Option<&[String]> {
        let (head, rest) = self.names.split_at_checked(path.len())?;
        head.iter()
            .zip(path)
            .all(|(name, wanted)| name.eq_ignore_ascii_case(wanted))
            .then_some(rest)
    }

    /// Whether it is exactly this path.
    pub(crate) fn is_at(&self, path: &[&str]) -> bool {
        self.below(path).is_some_and(<[String]>::is_empty)
    }
}

/// A name as a segment.
pub(crate) fn encode(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_queries_are_read() {
        for (uri, scope, count, whole) in [
            ("./DevInfo/DevId", Scope::Device, 2, false),
            ("./Vendor/MSFT/Policy", Scope::Device, 3, false),
            (
                "./device/Vendor/MSFT/Policy?list=StructData",
                Scope::Device,
                3,
                true,
            ),
            ("./User/Vendor/MSFT/%7BA%7D", Scope::User, 3, false),
        ] {
            let address = Address::parse(uri).unwrap();
            assert_eq!(
                (address.scope, address.names.len(), address.whole),
                (scope, count, whole),
                "{uri}"
            );
        }
        assert_eq!(
            Address::parse("./User/Vendor/MSFT/%7BA%7D").unwrap().names[2],
            "{A}"
        );
    }

    #[test]
    fn rejects_what_windows_rejects() {
        for bad in [
            "/DevInfo",
            "DevInfo/DevId",
            "./",
            "./a//b",
            "./a/*",
            "./a/./b",
            "./a/..",
            "./a?prop=ACL",
            ".",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
