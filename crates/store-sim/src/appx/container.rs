//! The archive around a package: parts, block map, content types, signature.

use super::{
    AppxError,
    signature::{self, Signer},
};
use crate::xml::Node;
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Write};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// A part of the archive, stored as it is.
pub(super) struct Part {
    /// Its name with forward slashes, ASCII.
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    /// Whether the block map covers it; the packages inside a bundle have block maps of their own.
    pub(super) mapped: bool,
}

/// What the parts with a common extension are, unless overridden.
pub(super) struct ContentTypes {
    pub(super) defaults: &'static [(&'static str, &'static str)],
    pub(super) manifest: (&'static str, &'static str),
}

/// Where a stored part's bytes begin when it follows the given parts at the front of the archive.
pub(super) fn offset_after<'a>(parts: impl IntoIterator<Item = &'a Part>, name: &str) -> u64 {
    let before: usize = parts
        .into_iter()
        .map(|part| header_size(&part.name) + part.content.len())
        .sum();
    (before + header_size(name)) as u64
}

/// Writes the parts in their order, then what every package ends with. The publisher signs.
pub(super) fn write(parts: &[Part], types: &ContentTypes, publisher: &str) -> Result<Vec<u8>, AppxError> {
    let (block_map, content_types) = (block_map(parts).document(), content_types(types).document());
    // What is signed is the archive without its signature.
    let unsigned = archive(parts, &block_map, &content_types, None)?;
    let directory = directory_start(&unsigned);
    let digest = |bytes: &[u8]| Sha256::digest(bytes).to_vec();
    let blob = signature::digest_blob(&[
        (b"AXPC", digest(&unsigned[..directory])),
        (b"AXCD", digest(&unsigned[directory..])),
        (b"AXCT", digest(&content_types)),
        (b"AXBM", digest(&block_map)),
    ]);
    let bundle = types.manifest.0 != PACKAGE_MANIFEST_PART;
    let signature = Signer::simulated(publisher)?.sign(&blob, bundle)?;
    archive(parts, &block_map, &content_types, Some(&signature))
}

fn archive(
    parts: &[Part],
    block_map: &[u8],
    content_types: &[u8],
    signature: Option<&[u8]>,
) -> Result<Vec<u8>, AppxError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for part in parts {
        add(&mut zip, &part.name, &part.content, CompressionMethod::Stored)?;
    }
    let deflated = CompressionMethod::Deflated;
    add(&mut zip, "AppxBlockMap.xml", block_map, deflated)?;
    add(&mut zip, "[Content_Types].xml", content_types, deflated)?;
    if let Some(signature) = signature {
        add(
            &mut zip,
            "AppxSignature.p7x",
            signature,
            CompressionMethod::Stored,
        )?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Where the central directory begins, by the end record of an archive without comment.
fn directory_start(archive: &[u8]) -> usize {
    let at = archive.len() - 6;
    archive[at..at + 4]
        .iter()
        .rev()
        .fold(0, |start, byte| start << 8 | usize::from(*byte))
}

fn add(
    zip: &mut ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    content: &[u8],
    method: CompressionMethod,
) -> Result<(), AppxError> {
    // A fixed date: the same specification gives the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(DateTime::default());
    zip.start_file(name, options)?;
    zip.write_all(content)?;
    Ok(())
}

fn block_map(parts: &[Part]) -> Node {
    let mapped = parts.iter().filter(|part| part.mapped);
    Node::new("BlockMap")
        .attribute("xmlns", "http://schemas.microsoft.com/appx/2010/blockmap")
        .attribute("HashMethod", "http://www.w3.org/2001/04/xmlenc#sha256")
        .children(mapped.map(|part| {
            Node::new("File")
                .attribute("Name", part.name.replace('/', "\\"))
                .attribute("Size", part.content.len())
                .attribute("LfhSize", header_size(&part.name))
                .children(part.content.chunks(BLOCK).map(|block| {
                    Node::new("Block").attribute("Hash", STANDARD.encode(Sha256::digest(block)))
                }))
        }))
}

fn content_types(types: &ContentTypes) -> Node {
    let defaults = types.defaults.iter().map(|(extension, content_type)| {
        Node::new("Default")
            .attribute("Extension", extension)
            .attribute("ContentType", content_type)
    });
    let overrides = [
        types.manifest,
        ("/AppxBlockMap.xml", "application/vnd.ms-appx.blockmap+xml"),
        ("/AppxSignature.p7x", "application/vnd.ms-appx.signature"),
    ];
    Node::new("Types")
        .attribute(
            "xmlns",
            "http://schemas.openxmlformats.org/package/2006/content-types",
        )
        .children(defaults)
        .children(overrides.map(|(part, content_type)| {
            Node::new("Override")
                .attribute("PartName", part)
                .attribute("ContentType", content_type)
        }))
}

/// Size of a part's local file header; these archives have no extra fields.
fn header_size(name: &str) -> usize {
    30 + name.len()
}

const BLOCK: usize = 64 << 10;

const PACKAGE_MANIFEST_PART: &str = "/AppxManifest.xml";
