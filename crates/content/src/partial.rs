//! Downloads that go on after a restart.
//!
//! Beside the bytes stands a note: how many of them are known to be on the disk, and the validator of the
//! response they came from. After a crash everything beyond that number is cut off, so a power failure
//! cannot leave a hole inside.

use crate::{
    ContentError, Stored,
    files::{at, blocking, list, open_exclusive, remove_if_unlocked},
    sink::{Sink, State},
    store::Layout,
    writer::place,
};
use qm_core::Sha256;
use sha2::Digest;
use std::{
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A download in progress; locked while this lives. Dropped, it stays as of its last checkpoint.
pub struct Partial {
    layout: Layout,
    path: PathBuf,
    validator: Option<String>,
    sink: Sink,
    noted: u64,
}

impl Partial {
    pub(crate) async fn open(layout: Layout, key: String) -> Result<Self, ContentError> {
        blocking(move || {
            let name = hex::encode(sha2::Sha256::digest(key.as_bytes()));
            let path = layout.partial().join(name);
            let file = open_exclusive(&path)?.ok_or(ContentError::Busy { key })?;
            let length = file.metadata().map_err(at(&path))?.len();
            let note = Note::read(&path)
                .filter(|note| note.size <= length)
                .unwrap_or_default();
            let state = State::resume(file, path.clone(), note.size)?;
            Ok(Self {
                layout,
                path,
                validator: note.validator,
                sink: Sink::new(state),
                noted: note.size,
            })
        })
        .await
    }

    /// Bytes that are there: where to go on (`Range: bytes={size}-`).
    pub fn size(&self) -> u64 {
        self.sink.size()
    }

    /// What identifies the response that the bytes are from (`If-Range`).
    pub fn validator(&self) -> Option<&str> {
        self.validator.as_deref()
    }

    /// Starts from nothing: the response is another one, or the first.
    pub async fn restart(&mut self, validator: Option<&str>) -> Result<(), ContentError> {
        self.validator = validator.map(str::to_owned);
        self.noted = 0;
        let note = Note {
            size: 0,
            validator: self.validator.clone(),
        };
        let path = self.path.clone();
        self.sink
            .with_state(move |mut state| {
                // The note first: bytes of one response must never stand under another's validator.
                note.write(&path)?;
                state
                    .file
                    .set_len(0)
                    .and_then(|()| state.file.seek(SeekFrom::Start(0)))
                    .map_err(at(&path))?;
                Ok(State::new(state.file, path))
            })
            .await
    }

    /// Takes the next bytes; notes them as safe now and then.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        self.sink.write(bytes).await?;
        if self.size() - self.noted >= CHECKPOINT {
            self.checkpoint().await?;
        }
        Ok(())
    }

    /// Makes sure that everything so far is there after a restart: for when the connection broke.
    pub async fn checkpoint(&mut self) -> Result<(), ContentError> {
        let (path, validator) = (self.path.clone(), self.validator.clone());
        self.sink
            .with_state(move |state| {
                state.file.sync_data().map_err(at(&path))?;
                Note {
                    size: state.size,
                    validator,
                }
                .write(&path)?;
                Ok(state)
            })
            .await?;
        self.noted = self.sink.size();
        Ok(())
    }

    /// Stores the whole. Content other than announced is thrown away, so that the next attempt starts afresh.
    pub async fn finish(
        self,
        expected: Option<Sha256>,
        expected_size: Option<u64>,
    ) -> Result<Stored, ContentError> {
        let state = self.sink.close().await?;
        let (layout, path) = (self.layout, self.path);
        blocking(move || match state.verify(expected, expected_size) {
            Ok(sha256) => {
                let stored = place(&layout, &state, sha256)?;
                remove(&note_path(&path))?;
                Ok(stored)
            }
            Err(error) => {
                remove_both(&path)?;
                Err(error)
            }
        })
        .await
    }

    /// Throws the download away.
    pub async fn discard(self) -> Result<(), ContentError> {
        blocking(move || remove_both(&self.path)).await
    }
}

/// Removes downloads that were last written before `limit` and are not going on. Answers how many.
pub(crate) fn prune(folder: &Path, limit: SystemTime) -> Result<u64, ContentError> {
    let mut removed = 0;
    for path in list(folder)?.iter().filter(|path| path.extension().is_none()) {
        let stale = std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|written| written < limit);
        if stale && remove_if_unlocked(path)? {
            remove(&note_path(path))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The note goes first: without it, what is left of the bytes does not count.
fn remove_both(path: &Path) -> Result<(), ContentError> {
    remove(&note_path(path))?;
    remove(path)
}

fn remove(path: &Path) -> Result<(), ContentError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// What is known of a partial download; on disk the size, a line end and the validator.
#[derive(Default)]
struct Note {
    size: u64,
    validator: Option<String>,
}

impl Note {
    /// A note that is missing or torn says that nothing is there.
    fn read(partial: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(note_path(partial)).ok()?;
        let (size, validator) = text.strip_suffix('\n')?.split_once('\n')?;
        Some(Self {
            size: size.parse().ok()?,
            validator: Some(validator.to_owned()).filter(|validator| !validator.is_empty()),
        })
    }

    fn write(&self, partial: &Path) -> Result<(), ContentError> {
        let path = note_path(partial);
        let validator = self.validator.as_deref().unwrap_or_default();
        std::fs::write(&path, format!("{}\n{validator}\n", self.size)).map_err(at(&path))
    }
}

fn note_path(partial: &Path) -> PathBuf {
    partial.with_extension("note")
}

/// Bytes between two notes: what a crash may cost.
const CHECKPOINT: u64 = 16 << 20;
