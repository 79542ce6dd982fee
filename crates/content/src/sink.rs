//! Bytes on their way into a file, hashed as they pass. Shared by whole uploads and partial downloads.

use crate::{
    ContentError,
    files::{at, blocking},
};
use qm_core::Sha256;
use sha2::Digest;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

/// Collects small writes into [`CHUNK`]s; each chunk is hashed and written off the async threads.
pub(crate) struct Sink {
    /// Absent while a chunk is being written, and for good after a write that failed or was given up.
    state: Option<State>,
    buffer: Vec<u8>,
}

/// A file with the digest and number of the bytes in it.
pub(crate) struct State {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    hasher: sha2::Sha256,
    pub(crate) size: u64,
}

impl Sink {
    pub(crate) const fn new(state: State) -> Self {
        Self {
            state: Some(state),
            buffer: Vec::new(),
        }
    }

    /// Bytes taken so far, written or not.
    pub(crate) fn size(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.size) + self.buffer.len() as u64
    }

    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), ContentError> {
        while !bytes.is_empty() {
            let room = CHUNK - self.buffer.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == CHUNK {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Writes what is buffered.
    pub(crate) async fn flush(&mut self) -> Result<(), ContentError> {
        self.with_state(Ok).await
    }

    /// Writes what is buffered, then does more with the file, all in one trip to the blocking threads.
    pub(crate) async fn with_state(
        &mut self,
        more: impl FnOnce(State) -> Result<State, ContentError> + Send + 'static,
    ) -> Result<(), ContentError> {
        let mut state = self.state.take().ok_or(ContentError::Interrupted)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let (state, buffer) = blocking(move || {
            state.append(&buffer)?;
            buffer.clear();
            Ok((more(state)?, buffer))
        })
        .await?;
        self.state = Some(state);
        self.buffer = buffer;
        Ok(())
    }

    /// Everything written; hands the file over.
    pub(crate) async fn close(mut self) -> Result<State, ContentError> {
        self.flush().await?;
        self.state.ok_or(ContentError::Interrupted)
    }
}

impl State {
    /// For a file that is empty.
    pub(crate) fn new(file: File, path: PathBuf) -> Self {
        Self {
            file,
            path,
            hasher: sha2::Sha256::new(),
            size: 0,
        }
    }

    /// For a file of which the first `size` bytes count; the others are cut off. Reads those once.
    pub(crate) fn resume(mut file: File, path: PathBuf, size: u64) -> Result<Self, ContentError> {
        file.set_len(size)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .map_err(at(&path))?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer).map_err(at(&path))? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
        Ok(Self {
            file,
            path,
            hasher,
            size,
        })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        self.file.write_all(bytes).map_err(at(&self.path))?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// The digest of what is in the file, if that and its size are as announced.
    pub(crate) fn verify(&self, expected: Option<Sha256>, size: Option<u64>) -> Result<Sha256, ContentError> {
        if let Some(expected) = size.filter(|size| *size != self.size) {
            let actual = self.size;
            return Err(ContentError::Size { expected, actual });
        }
        let actual = Sha256(self.hasher.clone().finalize().into());
        match expected.filter(|expected| *expected != actual) {
            Some(expected) => Err(ContentError::Digest { expected, actual }),
            None => Ok(actual),
        }
    }
}

/// Bytes written at once: enough that the trip to another thread costs little beside the hashing.
pub(crate) const CHUNK: usize = 256 << 10;
