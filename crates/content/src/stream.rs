//! Reading content in ranges.

use crate::sink::CHUNK;
use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use qm_core::Sha256;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

/// Stored content, open for reading: it stays readable even if it is deleted meanwhile.
#[derive(Debug)]
pub struct Content {
    file: File,
    sha256: Sha256,
    size: u64,
}

impl Content {
    pub(crate) const fn new(file: File, sha256: Sha256, size: u64) -> Self {
        Self { file, sha256, size }
    }
    /// Its address.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }
    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }
    /// The file, for readers that block.
    pub fn into_file(self) -> File {
        self.file
    }
    /// The bytes of a range (cut to the content) in chunks of 256 KiB, one in memory at a time.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let range = range.start..range.end.min(self.size);
        try_unfold((self.file, range), |(file, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let (file, chunk) = read_chunk(file, range.clone()).await?;
            let rest = range.start + chunk.len() as u64..range.end;
            Ok(Some((chunk, (file, rest))))
        })
    }
}

async fn read_chunk(mut file: File, range: Range<u64>) -> io::Result<(File, Bytes)> {
    tokio::task::spawn_blocking(move || {
        let length = (range.end - range.start).min(CHUNK as u64);
        let mut chunk = Vec::with_capacity(CHUNK);
        file.seek(SeekFrom::Start(range.start))?;
        Read::by_ref(&mut file).take(length).read_to_end(&mut chunk)?;
        if chunk.len() as u64 == length {
            Ok((file, Bytes::from(chunk)))
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    })
    .await
    .unwrap_or_else(|_| Err(io::Error::other("reading was given up")))
}
