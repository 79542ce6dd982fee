//! The folder and what is in it.

use crate::{
    Content, ContentError, ContentWriter, Partial,
    files::{at, blocking, create_folder, remove_unlocked},
    folder, partial,
};
use qm_core::{Sha256, Timestamp};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// Content by its digest, in a folder. Clones share it; so may several servers.
#[derive(Debug, Clone)]
pub struct ContentStore {
    layout: Layout,
}

impl ContentStore {
    /// Opens a folder, creating it if need be, and removes what an earlier run left unfinished.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, ContentError> {
        let layout = Layout(root.into().into());
        blocking(move || {
            create_folder(&layout.temporary())?;
            create_folder(&layout.partial())?;
            let removed = remove_unlocked(&layout.temporary())?;
            if removed > 0 {
                tracing::info!(content.removed = removed, "removed unfinished uploads");
            }
            Ok(Self { layout })
        })
        .await
    }

    /// Opens what a `content.url` setting names; relative paths are relative to `base`.
    pub async fn from_url(url: &str, base: &Path) -> Result<Self, ContentError> {
        Self::open(folder(url, base)?).await
    }

    /// Begins to store content.
    pub async fn writer(&self) -> Result<ContentWriter, ContentError> {
        ContentWriter::create(self.layout.clone()).await
    }

    /// Begins a download that can be continued, or goes on with it. The key is the caller's name for it.
    pub async fn partial(&self, key: &str) -> Result<Partial, ContentError> {
        Partial::open(self.layout.clone(), key.to_owned()).await
    }

    /// Removes downloads that were last written before then and are not going on. Answers how many.
    pub async fn prune_partials(&self, before: Timestamp) -> Result<u64, ContentError> {
        let folder = self.layout.partial();
        let millis = u64::try_from(before.as_millis()).unwrap_or(0);
        blocking(move || partial::prune(&folder, UNIX_EPOCH + Duration::from_millis(millis))).await
    }

    /// Opens content to read it; `None` where it is not stored.
    pub async fn reader(&self, sha256: &Sha256) -> Result<Option<Content>, ContentError> {
        let (path, sha256) = (self.path(sha256), *sha256);
        blocking(move || {
            let Some(file) = found(File::open(&path), &path)? else {
                return Ok(None);
            };
            let size = file.metadata().map_err(at(&path))?.len();
            Ok(Some(Content::new(file, sha256, size)))
        })
        .await
    }

    /// The size of stored content; `None` where it is not stored.
    pub async fn size(&self, sha256: &Sha256) -> Result<Option<u64>, ContentError> {
        let path = self.path(sha256);
        blocking(move || Ok(found(std::fs::metadata(&path), &path)?.map(|metadata| metadata.len()))).await
    }

    /// Whether content is stored.
    pub async fn contains(&self, sha256: &Sha256) -> Result<bool, ContentError> {
        Ok(self.size(sha256).await?.is_some())
    }

    /// Removes content; `false` where it was not stored. Who is reading it may read on.
    pub async fn delete(&self, sha256: &Sha256) -> Result<bool, ContentError> {
        let path = self.path(sha256);
        blocking(move || Ok(found(std::fs::remove_file(&path), &path)?.is_some())).await
    }

    /// Where content is, or would be: for readers that block, such as `qm_package::inspect`.
    pub fn path(&self, sha256: &Sha256) -> PathBuf {
        self.layout.content(sha256)
    }
}

fn found<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, ContentError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Where things are: `ab/cdef…` for content, `tmp/` for uploads, `partial/` for downloads that go on.
#[derive(Debug, Clone)]
pub(crate) struct Layout(Arc<Path>);

impl Layout {
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }
    pub(crate) fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }
    pub(crate) fn partial(&self) -> PathBuf {
        self.0.join("partial")
    }
    /// The folder of all content whose digest begins alike.
    pub(crate) fn shelf(&self, sha256: &Sha256) -> PathBuf {
        self.0.join(&sha256.to_string()[..2])
    }
    pub(crate) fn content(&self, sha256: &Sha256) -> PathBuf {
        self.shelf(sha256).join(&sha256.to_string()[2..])
    }
}
