//! Storing content in one go.

use crate::{
    ContentError,
    files::{TemporaryFile, at, blocking, create_folder, create_temporary, sync_folder},
    sink::{Sink, State},
    store::Layout,
};
use qm_core::Sha256;
use std::fs::File;

/// Content that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its address.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// Takes content piece by piece. Until [`ContentWriter::finish`] nothing is stored; dropped, it leaves nothing.
pub struct ContentWriter {
    layout: Layout,
    temporary: TemporaryFile,
    sink: Sink,
}

impl ContentWriter {
    pub(crate) async fn create(layout: Layout) -> Result<Self, ContentError> {
        blocking(move || {
            let (file, temporary) = create_temporary(&layout.temporary())?;
            let sink = Sink::new(State::new(file, temporary.path().to_owned()));
            Ok(Self {
                layout,
                temporary,
                sink,
            })
        })
        .await
    }

    /// Takes the next bytes. After an error, or if this was given up half-way, the writer is of no more use.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        self.sink.write(bytes).await
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.sink.size()
    }

    /// Shows what was written so far to somebody who blocks while reading, before it is stored.
    pub async fn look<T: Send + 'static>(
        &mut self,
        look: impl FnOnce(File) -> T + Send + 'static,
    ) -> Result<T, ContentError> {
        self.sink.flush().await?;
        let path = self.temporary.path().to_owned();
        blocking(move || Ok(look(File::open(&path).map_err(at(&path))?))).await
    }

    /// Nothing more comes, if digest and size are as announced. It is not stored yet.
    pub async fn complete(
        self,
        expected: Option<Sha256>,
        expected_size: Option<u64>,
    ) -> Result<CompleteContent, ContentError> {
        let state = self.sink.close().await?;
        Ok(CompleteContent {
            sha256: state.verify(expected, expected_size)?,
            layout: self.layout,
            temporary: self.temporary,
            state,
        })
    }

    /// Stores what was written, if digest and size are as announced. It survives a power failure from then on.
    pub async fn finish(
        self,
        expected: Option<Sha256>,
        expected_size: Option<u64>,
    ) -> Result<Stored, ContentError> {
        self.complete(expected, expected_size).await?.store().await
    }
}

/// Content that is all there and waits to be wanted. Dropped, it leaves nothing.
pub struct CompleteContent {
    layout: Layout,
    temporary: TemporaryFile,
    state: State,
    sha256: Sha256,
}

impl CompleteContent {
    /// What it will be stored as.
    pub const fn stored(&self) -> Stored {
        Stored {
            sha256: self.sha256,
            size: self.state.size,
        }
    }

    /// Stores it. It survives a power failure from then on.
    pub async fn store(self) -> Result<Stored, ContentError> {
        blocking(move || {
            let stored = place(&self.layout, &self.state, self.sha256)?;
            self.temporary.moved();
            Ok(stored)
        })
        .await
    }
}

/// Moves a complete file to its address. Whoever stores the same content meanwhile does the same.
pub(crate) fn place(layout: &Layout, state: &State, sha256: Sha256) -> Result<Stored, ContentError> {
    state.file.sync_all().map_err(at(&state.path))?;
    let folder = layout.shelf(&sha256);
    create_folder(&folder)?;
    std::fs::rename(&state.path, layout.content(&sha256)).map_err(at(&state.path))?;
    sync_folder(&folder)?;
    sync_folder(layout.root())?;
    Ok(Stored {
        sha256,
        size: state.size,
    })
}
