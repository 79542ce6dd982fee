//! Reading content in ranges.

use crate::sink::CHUNK;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, try_unfold};
use qm_core::Sha256;
use std::{
    collections::VecDeque,
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Stored content, open for reading: it stays readable even if it is deleted meanwhile.
#[derive(Debug)]
pub struct Content {
    file: File,
    sha256: Sha256,
    size: u64,
    memory: Memory,
}

impl Content {
    pub(crate) const fn new(file: File, sha256: Sha256, size: u64, memory: Memory) -> Self {
        Self {
            file,
            sha256,
            size,
            memory,
        }
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
    /// The bytes of a range (cut to the content) in chunks of 256 KiB, one read at a time.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let range = range.start..range.end.min(self.size);
        let reading = Reading {
            file: Arc::new(self.file),
            range,
            memory: self.memory,
        };
        try_unfold(reading, Reading::next)
    }
}

/// A range that is being read.
struct Reading {
    file: Arc<File>,
    /// What is left of it.
    range: Range<u64>,
    memory: Memory,
}

impl Reading {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.range.is_empty() {
            return Ok(None);
        }
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(CHUNK);
        let mut chunk = self.memory.take();
        chunk.resize(left.min(CHUNK), 0);
        let chunk = fill(&self.file, chunk, self.range.start).await?.freeze();
        self.range.start += chunk.len() as u64;
        self.memory.keep(&chunk);
        Ok(Some((chunk, self)))
    }
}

/// The memory of chunks, for all readers of a store: it serves again once a connection has let go of a chunk. Fresh memory
/// costs page faults, which show beside the cipher.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<VecDeque<Bytes>>>);

impl Memory {
    fn take(&self) -> BytesMut {
        let mut chunks = self.chunks();
        let free = chunks.iter().position(Bytes::is_unique);
        let chunk = free.and_then(|place| chunks.remove(place));
        chunk
            .and_then(|chunk| chunk.try_into_mut().ok())
            .unwrap_or_default()
    }

    fn keep(&self, chunk: &Bytes) {
        let mut chunks = self.chunks();
        if chunks.len() < KEPT {
            chunks.push_back(chunk.clone());
        }
    }

    fn chunks(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills a chunk from a position on: at once with what the system has in memory, the rest off the async threads. The
/// trip to another thread would cost as much as half of the cipher.
async fn fill(file: &Arc<File>, mut chunk: BytesMut, start: u64) -> io::Result<BytesMut> {
    let filled = cached(file, &mut chunk, start);
    if filled == chunk.len() {
        return Ok(chunk);
    }
    let file = Arc::clone(file);
    let read = move || {
        file.read_exact_at(&mut chunk[filled..], start + filled as u64)?;
        Ok(chunk)
    };
    // The task fails to join only where it panicked or the runtime is going down.
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("reading was given up")))
}

/// Reads what needs no waiting; how many bytes that were. None where the file system cannot tell.
#[cfg(target_os = "linux")]
fn cached(file: &File, chunk: &mut [u8], start: u64) -> usize {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut filled = 0;
    while filled < chunk.len() {
        let rest = io::IoSliceMut::new(&mut chunk[filled..]);
        match preadv2(file, &mut [rest], start + filled as u64, ReadWriteFlags::NOWAIT) {
            Ok(read) if read > 0 => filled += read,
            _ => break,
        }
    }
    filled
}

#[cfg(not(target_os = "linux"))]
fn cached(_: &File, _: &mut [u8], _: u64) -> usize {
    0
}

/// 4 MiB, enough for a handful of downloads at a time; more of them take fresh memory.
const KEPT: usize = 16;
