//! The names that Windows derives from a package's identity: publisher id, family name, full name.

use crate::{Identity, ManifestFault};
use qm_core::{Architecture, Version};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The 13 characters that stand for a publisher: 64 bits of the SHA-256 of its UTF-16LE text, in base 32.
pub fn publisher_id(publisher: &str) -> String {
    let text: Vec<u8> = publisher.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let digest = Sha256::digest(&text);
    let head = digest
        .iter()
        .take(8)
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    // 64 bits and a zero make 13 groups of five.
    let bits = u128::from(head) << 1;
    (0..PUBLISHER_ID_LENGTH)
        .rev()
        .map(|group| char::from(BASE32[(bits >> (group * 5)) as usize & 31]))
        .collect()
}

/// The package family name: `Name_PublisherId`.
pub fn family_name(name: &str, publisher: &str) -> String {
    format!("{name}_{}", publisher_id(publisher))
}

/// A package full name, taken apart. The architecture is kept as text: unknown ones survive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FullName {
    /// The identity's name.
    pub name: String,
    /// The version.
    pub version: Version,
    /// The architecture, as written.
    pub architecture: String,
    /// Empty for main packages, `~` for bundles.
    pub resource_id: String,
    /// 13 characters.
    pub publisher_id: String,
}

impl FullName {
    /// The package family name.
    pub fn family_name(&self) -> String {
        format!("{}_{}", self.name, self.publisher_id)
    }
    /// The architecture, if it is a known one.
    pub fn architecture(&self) -> Option<Architecture> {
        Architecture::parse_lenient(&self.architecture)
    }
}

/// A text that is no package full name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no package full name: Name_Version_Architecture_ResourceId_PublisherId")]
pub struct InvalidFullName(pub String);

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            version,
            architecture,
            resource_id,
            publisher_id,
        } = self;
        write!(f, "{name}_{version}_{architecture}_{resource_id}_{publisher_id}")
    }
}

impl FromStr for FullName {
    type Err = InvalidFullName;

    fn from_str(text: &str) -> Result<Self, InvalidFullName> {
        let invalid = || InvalidFullName(text.to_owned());
        let mut fields = text.split('_');
        let mut field = || fields.next().ok_or_else(invalid);
        let (name, version, architecture, resource_id, publisher_id) =
            (field()?, field()?, field()?, field()?, field()?);
        let good = fields.next().is_none()
            && text.len() <= MAX_FULL_NAME
            && is_name(name)
            && version.split('.').count() == 4
            && is_identifier(architecture)
            && is_resource_id(resource_id)
            && is_publisher_id(publisher_id);
        if !good {
            return Err(invalid());
        }
        Ok(Self {
            name: name.to_owned(),
            version: version.parse().map_err(|_| invalid())?,
            architecture: architecture.to_owned(),
            resource_id: resource_id.to_owned(),
            publisher_id: publisher_id.to_owned(),
        })
    }
}

/// Checks the parts that names are made of, so that the derived names are well-formed and short enough.
pub(crate) fn check(identity: &Identity) -> Result<(), ManifestFault> {
    let publisher_length = identity.publisher.chars().count();
    let checks = [
        ("package name", &identity.name, is_name(&identity.name)),
        (
            "publisher",
            &identity.publisher,
            (1..=MAX_PUBLISHER).contains(&publisher_length),
        ),
        (
            "resource id",
            &identity.resource_id,
            is_resource_id(&identity.resource_id),
        ),
    ];
    match checks.into_iter().find(|(_, _, good)| !good) {
        None => Ok(()),
        Some((field, value, _)) => Err(ManifestFault::Value {
            field,
            value: value.chars().take(MAX_SHOWN).collect(),
        }),
    }
}

/// 3 to 50 letters, digits, dots and dashes, and no name of a DOS device.
fn is_name(name: &str) -> bool {
    (3..=50).contains(&name.len()) && is_identifier(name) && !is_dos_device(name)
}

fn is_resource_id(id: &str) -> bool {
    id.is_empty() || id == "~" || (id.len() <= 30 && is_identifier(id))
}

fn is_publisher_id(id: &str) -> bool {
    id.len() == PUBLISHER_ID_LENGTH && id.bytes().all(|byte| BASE32.contains(&byte.to_ascii_lowercase()))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}

pub(crate) fn is_dos_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|number| matches!(number.as_bytes(), [b'1'..=b'9']))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

/// Crockford's digits, lower case: no i, l, o, u.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PUBLISHER_ID_LENGTH: usize = 13;
const MAX_FULL_NAME: usize = 127;
const MAX_PUBLISHER: usize = 8192;
/// How much of a bad value an error repeats.
const MAX_SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publisher_ids_are_those_that_windows_computes() {
        for (publisher, id) in [
            (
                "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US",
                "8wekyb3d8bbwe",
            ),
            (
                "CN=Microsoft Windows, O=Microsoft Corporation, L=Redmond, S=Washington, C=US",
                "cw5n1h2txyewy",
            ),
            (
                "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI",
                "z1enpheh36ccm",
            ),
            (
                "CN=harborline tools oy, O=Harborline Tools Oy, L=Tampere, C=FI",
                "01kgfz0t6vkyp",
            ),
            ("CN=7C21E0B4-93D5-4E1A-8F66-0A5D2B7714C9", "d239sqcnjn0qg"),
        ] {
            assert_eq!(publisher_id(publisher), id, "{publisher}");
        }
    }

    #[test]
    fn full_names_round_trip() {
        for (text, architecture, resource_id) in [
            (
                "Fern.Reader_4.2.17.0_x64__d239sqcnjn0qg",
                Some(Architecture::X64),
                "",
            ),
            (
                "Fern.Reader_2026.304.1200.0_neutral_~_d239sqcnjn0qg",
                Some(Architecture::Neutral),
                "~",
            ),
            (
                "Fern.Reader_4.2.17.0_neutral_split.scale-150_d239sqcnjn0qg",
                Some(Architecture::Neutral),
                "split.scale-150",
            ),
            ("Fern.Reader_4.2.17.0_riscv64__d239sqcnjn0qg", None, ""),
        ] {
            let name: FullName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(name.family_name(), "Fern.Reader_d239sqcnjn0qg");
            assert_eq!(
                (name.architecture(), name.resource_id.as_str()),
                (architecture, resource_id)
            );
        }
    }

    #[test]
    fn rejects_texts_that_are_no_full_names() {
        let long = format!("{}_1.0.0.0_x64__d239sqcnjn0qg", "a".repeat(51));
        for bad in [
            "",
            "Fern.Reader_d239sqcnjn0qg",
            "Fern.Reader_1.0.0_x64__d239sqcnjn0qg",
            "Fern.Reader_1.0.0.70000_x64__d239sqcnjn0qg",
            "Fern.Reader_1.0.0.0_x64__d239sqcnjn0qi",
            "Fern.Reader_1.0.0.0_x64__d239sqcnjn0q",
            "Fern.Reader_1.0.0.0___d239sqcnjn0qg",
            "Fern Reader_1.0.0.0_x64__d239sqcnjn0qg",
            "Fern_Reader_1.0.0.0_x64__d239sqcnjn0qg",
            long.as_str(),
        ] {
            assert!(bad.parse::<FullName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_follow_their_rules() {
        for good in [
            "abc",
            "20477fca-282d-49fb-b03e-371dca074f0f",
            "Contoso",
            "COM10",
            "lpt",
        ] {
            assert!(is_name(good), "{good}");
        }
        let long = "a".repeat(51);
        for bad in [
            "ab",
            "a_b",
            "a b c",
            "CON",
            "nul.txt",
            "LPT1",
            long.as_str(),
            "naïve",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
