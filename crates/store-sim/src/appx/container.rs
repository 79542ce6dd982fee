//! The archive around a package: parts, block map, content types, signature.

use super::AppxError;
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

/// Writes the parts in their order, then what every package ends with.
pub(super) fn write(parts: &[Part], types: &ContentTypes) -> Result<Vec<u8>, AppxError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for part in parts {
        add(&mut zip, &part.name, &part.content, CompressionMethod::Stored)?;
    }
    let block_map = block_map(parts).document();
    let content_types = content_types(types).document();
    add(
        &mut zip,
        "AppxBlockMap.xml",
        &block_map,
        CompressionMethod::Deflated,
    )?;
    add(
        &mut zip,
        "[Content_Types].xml",
        &content_types,
        CompressionMethod::Deflated,
    )?;
    add(
        &mut zip,
        "AppxSignature.p7x",
        SIGNATURE,
        CompressionMethod::Stored,
    )?;
    Ok(zip.finish()?.into_inner())
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

/// The magic, then an empty PKCS #7 SignedData: version 1, no digests, plain data without content, no signers.
const SIGNATURE: &[u8] = b"PKCX\
    \x30\x23\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x16\x30\x14\x02\x01\x01\x31\x00\
    \x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x31\x00";
