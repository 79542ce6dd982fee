//! `AppxBlockMap.xml`: the digests of every 64 KiB of every file, by which devices download and check packages.

use crate::{
    XmlFault,
    archive::Archive,
    entry::{Entry, Packing},
    names::file_key,
    xml::decode,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use std::{collections::HashMap, fmt::Display};

/// What is wrong with a block map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockMapFault {
    /// It is no acceptable XML.
    #[error(transparent)]
    Xml(#[from] XmlFault),
    /// Something of it is missing or makes no sense.
    #[error("has no usable `{0}`")]
    Missing(&'static str),
    /// Neither SHA-256 nor SHA-384 nor SHA-512.
    #[error("uses a digest that is not SHA-256, SHA-384 or SHA-512")]
    Method,
    /// A file is listed twice.
    #[error("lists the file `{0}` twice")]
    Repeated(String),
    /// A file is listed and not in the package.
    #[error("lists the file `{0}`, which is not in the package")]
    Absent(String),
    /// A file is in the package and not listed.
    #[error("does not list the file `{0}`, which is in the package")]
    Unlisted(String),
    /// A file that must not be listed, since it is written afterwards.
    #[error("lists `{0}`, which no block map covers")]
    Footprint(String),
    /// Another size of the whole file.
    #[error("gives `{0}` another size than it has")]
    Size(String),
    /// Another size of the header before a file.
    #[error("gives the header of `{0}` another size (`LfhSize`) than it has")]
    HeaderSize(String),
    /// More or fewer blocks than the file's size takes.
    #[error("has too many or too few blocks of `{0}`")]
    Blocks(String),
    /// A block is not packed into as many bytes as listed.
    #[error("gives a block of `{file}` at {offset} another compressed size than it has")]
    Packed {
        /// The file.
        file: String,
        /// Where in it the block begins, unpacked.
        offset: u64,
    },
    /// A block's content is another.
    #[error(
        "does not fit the content of `{file}` at {offset}: the file was changed after the package was built"
    )]
    Content {
        /// The file.
        file: String,
        /// Where in it the block begins.
        offset: u64,
    },
}

/// A block map. It takes as many bytes as the digests, about 40 for each 64 KiB of content.
pub(crate) struct BlockMap {
    files: HashMap<String, MappedFile>,
}

/// A file with the digests of its blocks.
pub(crate) struct MappedFile {
    name: String,
    size: u64,
    header: Option<u64>,
    method: &'static Algorithm,
    /// One behind the other.
    digests: Vec<u8>,
    /// Compressed sizes; zero where none is given.
    packed: Vec<u32>,
}

/// Most bytes that the block map of an archive can honestly take.
pub(crate) fn most_bytes(archive: &Archive) -> u64 {
    let blocks: u64 = archive
        .entries
        .iter()
        .map(|entry| entry.size.div_ceil(BLOCK) + 1)
        .sum();
    blocks
        .saturating_mul(BLOCK_TEXT)
        .saturating_add(archive.directory.size.saturating_mul(8))
        .saturating_add(64 << 10)
}

impl BlockMap {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BlockMapFault> {
        let text = decode(bytes)?;
        let mut reader = Reader::from_str(&text);
        let mut building = Building::default();
        loop {
            match reader.read_event().map_err(malformed)? {
                Event::Start(tag) => building.open(&tag, false)?,
                Event::Empty(tag) => building.open(&tag, true)?,
                Event::End(_) => building.close()?,
                Event::DocType(_) => return Err(XmlFault::Doctype.into()),
                Event::Eof => return building.finish(),
                _ => {}
            }
        }
    }

    /// The blocks of an entry.
    pub(crate) fn file(&self, entry: &Entry) -> Option<&MappedFile> {
        self.files.get(&entry.key)
    }

    /// Whether map and archive list the same files in the same sizes. `covered` tells the entries that belong in a map.
    pub(crate) fn check(
        &self,
        archive: &Archive,
        covered: impl Fn(&Entry) -> bool,
    ) -> Result<(), BlockMapFault> {
        for entry in &archive.entries {
            match (self.file(entry), covered(entry)) {
                (Some(file), true) => file.check(entry)?,
                (Some(file), false) => return Err(BlockMapFault::Footprint(file.name.clone())),
                (None, true) => return Err(BlockMapFault::Unlisted(entry.name.clone())),
                (None, false) => {}
            }
        }
        let absent = self.files.values().find(|file| !archive.contains(&file.name));
        absent.map_or(Ok(()), |file| Err(BlockMapFault::Absent(file.name.clone())))
    }
}

impl MappedFile {
    /// What can be told by the entry's headers.
    fn check(&self, entry: &Entry) -> Result<(), BlockMapFault> {
        let name = || self.name.clone();
        let packed = self.packed.iter().map(|size| u64::from(*size));
        let deflated = entry.packing == Packing::Deflated;
        if self.size != entry.size {
            Err(BlockMapFault::Size(name()))
        } else if self.packed.len() as u64 != self.size.div_ceil(BLOCK) {
            Err(BlockMapFault::Blocks(name()))
        } else if deflated && (self.packed.contains(&0) || packed.sum::<u64>() > entry.packed) {
            Err(BlockMapFault::Packed {
                file: name(),
                offset: 0,
            })
        } else {
            Ok(())
        }
    }

    /// The size of the local header, where the map tells it.
    pub(crate) fn check_header(&self, length: u64) -> Result<(), BlockMapFault> {
        match self.header {
            Some(told) if told != length => Err(BlockMapFault::HeaderSize(self.name.clone())),
            _ => Ok(()),
        }
    }

    pub(crate) fn blocks(&self) -> usize {
        self.packed.len()
    }

    /// The compressed size of a block; of a stored one its size.
    pub(crate) fn packed(&self, block: usize) -> u64 {
        match self.packed[block] {
            0 => (self.size - offset(block)).min(BLOCK),
            told => told.into(),
        }
    }

    /// Whether a block has this content.
    pub(crate) fn check_block(&self, block: usize, content: &[u8]) -> Result<(), BlockMapFault> {
        let length = self.method.output_len();
        let found = digest(self.method, content);
        if found.as_ref() == &self.digests[block * length..][..length] {
            Ok(())
        } else {
            Err(BlockMapFault::Content {
                file: self.name.clone(),
                offset: offset(block),
            })
        }
    }

    /// The error for a block that does not come out of its bytes.
    pub(crate) fn wrong_size(&self, block: usize) -> BlockMapFault {
        BlockMapFault::Packed {
            file: self.name.clone(),
            offset: offset(block),
        }
    }
}

/// Where a block begins in its file.
const fn offset(block: usize) -> u64 {
    block as u64 * BLOCK
}

/// A block map on its way.
#[derive(Default)]
struct Building {
    method: Option<&'static Algorithm>,
    files: HashMap<String, MappedFile>,
    open: Option<MappedFile>,
    depth: usize,
}

impl Building {
    fn open(&mut self, tag: &BytesStart<'_>, empty: bool) -> Result<(), BlockMapFault> {
        let name = tag.name().into_inner();
        // Elements with a prefix belong to extensions.
        match (self.depth, name) {
            (0, "BlockMap") if self.method.is_none() => self.method = Some(method(tag)?),
            (0, _) => return Err(BlockMapFault::Missing("BlockMap")),
            (1, "File") => {
                let method = self.method.ok_or(BlockMapFault::Missing("HashMethod"))?;
                self.open = Some(file(tag, method)?);
                if empty {
                    self.close_file()?;
                }
            }
            (2, "Block") => block(tag, self.open.as_mut().ok_or(BlockMapFault::Missing("File"))?)?,
            _ => {}
        }
        if !empty {
            self.depth += 1;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), BlockMapFault> {
        self.depth = self.depth.saturating_sub(1);
        if self.depth == 1 {
            self.close_file()
        } else {
            Ok(())
        }
    }

    fn close_file(&mut self) -> Result<(), BlockMapFault> {
        let Some(file) = self.open.take() else {
            return Ok(());
        };
        match self.files.insert(file_key(&file.name), file) {
            None => Ok(()),
            Some(known) => Err(BlockMapFault::Repeated(known.name)),
        }
    }

    fn finish(self) -> Result<BlockMap, BlockMapFault> {
        if self.depth > 0 {
            return Err(malformed("it ends too early"));
        }
        match self.method {
            Some(_) => Ok(BlockMap { files: self.files }),
            None => Err(BlockMapFault::Missing("BlockMap")),
        }
    }
}

fn method(tag: &BytesStart<'_>) -> Result<&'static Algorithm, BlockMapFault> {
    match attribute(tag, "HashMethod")?.as_deref() {
        Some("http://www.w3.org/2001/04/xmlenc#sha256") => Ok(&SHA256),
        Some("http://www.w3.org/2001/04/xmldsig-more#sha384") => Ok(&SHA384),
        Some("http://www.w3.org/2001/04/xmlenc#sha512") => Ok(&SHA512),
        _ => Err(BlockMapFault::Method),
    }
}

fn file(tag: &BytesStart<'_>, method: &'static Algorithm) -> Result<MappedFile, BlockMapFault> {
    Ok(MappedFile {
        name: attribute(tag, "Name")?.ok_or(BlockMapFault::Missing("Name"))?,
        size: number(tag, "Size")?.ok_or(BlockMapFault::Missing("Size"))?,
        header: number(tag, "LfhSize")?,
        method,
        digests: Vec::new(),
        packed: Vec::new(),
    })
}

fn block(tag: &BytesStart<'_>, file: &mut MappedFile) -> Result<(), BlockMapFault> {
    let hash = attribute(tag, "Hash")?.unwrap_or_default();
    let digest = STANDARD.decode(&hash).unwrap_or_default();
    if digest.len() != file.method.output_len() {
        return Err(BlockMapFault::Missing("Hash"));
    }
    let packed = number(tag, "Size")?.unwrap_or(0);
    file.digests.extend(digest);
    file.packed
        .push(packed.try_into().map_err(|_| BlockMapFault::Missing("Size"))?);
    Ok(())
}

fn number(tag: &BytesStart<'_>, name: &'static str) -> Result<Option<u64>, BlockMapFault> {
    let text = attribute(tag, name)?;
    text.map(|text| text.parse().map_err(|_| BlockMapFault::Missing(name)))
        .transpose()
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, BlockMapFault> {
    for attribute in tag.attributes().take(MAX_ATTRIBUTES) {
        let attribute = attribute.map_err(malformed)?;
        if attribute.key.into_inner() == name {
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(malformed)?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

fn malformed(problem: impl Display) -> BlockMapFault {
    XmlFault::Malformed(problem.to_string()).into()
}

/// Unpacked bytes of a block; the last one of a file may be shorter.
pub(crate) const BLOCK: u64 = 64 << 10;
/// A `Block` element with the longest digest.
const BLOCK_TEXT: u64 = 160;
/// Elements of a block map have three.
const MAX_ATTRIBUTES: usize = 16;
