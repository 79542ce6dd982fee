//! Whether a certificate's subject is the publisher that a manifest names.

use super::SignatureFault;
use x509_parser::{
    asn1_rs::{Any, Tag},
    x509::X509Name,
};

/// An attribute's object identifier in dots, and its value.
type Attribute = (String, String);

/// Compares attribute by attribute. Certificates hold them in the reverse of the order in which Windows writes them,
/// usually: both orders will do. Letters and spaces inside values count.
pub(super) fn check(subject: &X509Name<'_>, publisher: &str) -> Result<(), SignatureFault> {
    let signer = attributes(subject);
    let same = parse(publisher).is_some_and(|named| named == signer || named.iter().rev().eq(&signer));
    if same {
        return Ok(());
    }
    Err(SignatureFault::Publisher {
        signer: shown(&signer),
        publisher: publisher.to_owned(),
    })
}

fn attributes(subject: &X509Name<'_>) -> Vec<Attribute> {
    subject
        .iter_attributes()
        .map(|attribute| (attribute.attr_type().to_id_string(), text(attribute.attr_value())))
        .collect()
}

/// As Windows writes names: the last attribute first.
fn shown(attributes: &[Attribute]) -> String {
    let one = |(oid, value): &Attribute| match KEYS.iter().find(|(_, known)| known == oid) {
        Some((key, _)) => format!("{key}={value}"),
        None => format!("OID.{oid}={value}"),
    };
    let all: Vec<_> = attributes.iter().rev().map(one).collect();
    all.join(", ")
}

/// A distinguished name as manifests write it: `CN=One, O="Two, Three", OID.2.5.4.17=Four`.
fn parse(name: &str) -> Option<Vec<Attribute>> {
    let mut attributes = Vec::new();
    let mut rest = name;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start())?;
        attributes.push((object_identifier(key.trim())?, value));
        match after.trim_start() {
            "" => return Some(attributes),
            more => rest = more.strip_prefix([',', ';', '+'])?,
        }
    }
}

/// A value, and what stands behind it. Quoted, it may have separators; a quote inside is doubled.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', ';', '+']).unwrap_or(text.len());
        return Some((text[..end].trim_end().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(_) => value.push('"'),
            None => return Some((value, after)),
        }
        rest = &after[1..];
    }
}

fn object_identifier(key: &str) -> Option<String> {
    let upper = key.to_ascii_uppercase();
    if let Some(dotted) = upper.strip_prefix("OID.") {
        return Some(dotted.to_owned());
    }
    let known = KEYS.iter().find(|(known, _)| *known == upper);
    known.map(|(_, oid)| (*oid).to_owned())
}

/// A value in any of the encodings of names.
fn text(value: &Any<'_>) -> String {
    match value.tag() {
        Tag::BmpString => {
            let (units, _) = value.data.as_chunks::<2>();
            let units: Vec<_> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16_lossy(&units)
        }
        Tag::T61String => value.data.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(value.data).into_owned(),
    }
}

/// The keys that Windows writes, the usual one of an attribute first.
const KEYS: &[(&str, &str)] = &[
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("S", "2.5.4.8"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("T", "2.5.4.12"),
    ("POSTALCODE", "2.5.4.17"),
    ("G", "2.5.4.42"),
    ("I", "2.5.4.43"),
    ("E", "1.2.840.113549.1.9.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_windows_writes_them() {
        for (name, values) in [
            ("CN=Fern", &[("2.5.4.3", "Fern")][..]),
            (
                "CN=Larch & Sons \"Works\" ,O = Larch; S=Pirkanmaa+C=FI",
                &[
                    ("2.5.4.3", "Larch & Sons \"Works\""),
                    ("2.5.4.10", "Larch"),
                    ("2.5.4.8", "Pirkanmaa"),
                    ("2.5.4.6", "FI"),
                ],
            ),
            (
                "cn=\"Larch, Inc. \"\"North\"\"\", OID.1.3.6.1.4.1.311.60.2.1.3=US",
                &[
                    ("2.5.4.3", "Larch, Inc. \"North\""),
                    ("1.3.6.1.4.1.311.60.2.1.3", "US"),
                ],
            ),
        ] {
            let values: Vec<_> = values
                .iter()
                .map(|(oid, value)| ((*oid).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(parse(name), Some(values), "{name}");
        }
        for bad in ["", "Fern", "X=Fern", "CN=\"Fern", "CN=\"Fern\" O=x", "CN=Fern,"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
