//! Archives that get what a strict reader asks for: a block map of what is in them, and a signature over what they say,
//! true or not. So what was changed in a description is reached and not stopped by a digest that no longer fits.

use super::{
    Draft, Place,
    record::{Ending, Entry},
};
use crate::seal;
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};
use std::fmt::Write as _;

/// Adds the parts that were not described. What their placeholders stand for is filled in when they are written.
pub(super) fn complete(entries: &mut Vec<Draft>) {
    let has = |name: &str, entries: &[Draft]| entries.iter().any(|entry| entry.name == name);
    if !has(BLOCK_MAP, entries) {
        let map = block_map(entries);
        entries.push(Draft::new(BLOCK_MAP, map));
    }
    if !has(CONTENT_TYPES, entries) {
        entries.push(Draft::new(CONTENT_TYPES, "<Types/>".to_owned()));
    }
}

fn block_map(entries: &[Draft]) -> String {
    let mut map = format!("<BlockMap HashMethod=\"{METHOD}\">");
    let mapped = entries
        .iter()
        .filter(|entry| !entry.nested && !FOOTPRINTS.contains(&&*entry.name));
    for entry in mapped {
        let name = &entry.name;
        let shown = name.replace('/', "\\");
        let packed = if entry.packed {
            format!(" Size=\"{{size {name}}}\"")
        } else {
            String::new()
        };
        let block = match entry.content.len() {
            0 => String::new(),
            _ => format!("<Block Hash=\"{{hash {name}}}\"{packed}/>"),
        };
        let header = 30 + name.len();
        // Writing to a string does not fail.
        let _ = write!(
            map,
            "<File Name=\"{shown}\" Size=\"{{length {name}}}\" LfhSize=\"{header}\">{block}</File>"
        );
    }
    map + "</BlockMap>"
}

/// The signature of an archive whose entries are all written but for it.
pub(super) fn signature(
    records: &[u8],
    directory: &[u8],
    ending: &Ending,
    places: &[Place],
    alteration: Option<&Alteration>,
) -> Vec<u8> {
    let mut ends = directory.to_vec();
    ending.write(&mut ends, places.len(), directory.len(), records.len());
    let hash = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
    let mut blob = [b"APPXAXPC", hash(records).as_slice(), b"AXCD", &hash(&ends)].concat();
    for (tag, name) in [
        (b"AXCT", CONTENT_TYPES),
        (b"AXBM", BLOCK_MAP),
        (b"AXCI", CODE_INTEGRITY),
    ] {
        if let Some(place) = places.iter().find(|place| place.name == name) {
            blob.extend(tag);
            blob.extend(&place.hash);
        }
    }
    let bundle = places.iter().any(|place| place.name == BUNDLE_MANIFEST);
    let alter = |what, bytes: &mut Vec<u8>| {
        if let Some(alteration) = alteration.filter(|alteration| alteration.of == what) {
            alteration.apply(bytes);
        }
    };
    alter(Stage::Digests, &mut blob);
    let mut content = seal::content(&blob, bundle);
    alter(Stage::Content, &mut content);
    let mut part = seal::sign(&content);
    alter(Stage::Part, &mut part);
    part
}

/// What is changed of a signature: something that is signed afterwards, or the signature itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Digests,
    Content,
    Part,
}

/// Changes of a signature, told by bytes: what is changed, then four for each change.
pub(super) struct Alteration {
    of: Stage,
    changes: Vec<[u8; 4]>,
}

impl Alteration {
    pub(super) fn read(input: &[u8]) -> Self {
        let (first, rest) = input.split_first().unwrap_or((&0, &[]));
        Self {
            of: match first % 3 {
                0 => Stage::Digests,
                1 => Stage::Content,
                _ => Stage::Part,
            },
            changes: rest.as_chunks().0.to_vec(),
        }
    }

    /// Each one flips bits of a byte, takes some bytes out, or puts one in.
    fn apply(&self, bytes: &mut Vec<u8>) {
        for [kind, high, low, value] in &self.changes {
            let at = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
            match kind % 3 {
                0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= value),
                1 => drop(bytes.drain(at..bytes.len().min(at + usize::from(*value)))),
                _ => bytes.insert(at, *value),
            }
        }
    }
}

/// Writes the signature as the last entry.
pub(super) fn write(signature: &[u8], records: &mut Vec<u8>, directory: &mut Vec<u8>) {
    let entry = Entry::new(SIGNATURE, signature, signature.len(), false, records.len());
    entry.write_local(records);
    records.extend(signature);
    entry.write_central(directory);
}

/// A digest as block maps write it.
pub(super) fn text(hash: &[u8]) -> String {
    STANDARD.encode(hash)
}

pub(super) const SIGNATURE: &str = "AppxSignature.p7x";
const BLOCK_MAP: &str = "AppxBlockMap.xml";
const CONTENT_TYPES: &str = "[Content_Types].xml";
const CODE_INTEGRITY: &str = "AppxMetadata/CodeIntegrity.cat";
const BUNDLE_MANIFEST: &str = "AppxMetadata/AppxBundleManifest.xml";
const FOOTPRINTS: &[&str] = &[SIGNATURE, BLOCK_MAP, CONTENT_TYPES, CODE_INTEGRITY];
const METHOD: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
