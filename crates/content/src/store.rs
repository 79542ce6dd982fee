//! The folder and what is in it.

use crate::{
    Content, ContentError, ContentWriter, Partial,
    files::{at, blocking, create_folder, list, remove_unlocked},
    folder, partial,
    stream::Memory,
};
use qm_core::{Sha256, Timestamp};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Content by its digest, in a folder. Clones share it; so may several servers.
#[derive(Debug, Clone)]
pub struct ContentStore {
    pub(crate) layout: Layout,
    memory: Memory,
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
            Ok(Self {
                layout,
                memory: Memory::default(),
            })
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
        let (folder, before) = (self.layout.partial(), system_time(before));
        blocking(move || partial::prune(&folder, before)).await
    }

    /// Opens content to read it; `None` where it is not stored.
    pub async fn reader(&self, sha256: &Sha256) -> Result<Option<Content>, ContentError> {
        let (path, sha256, memory) = (self.path(sha256), *sha256, self.memory.clone());
        blocking(move || {
            let Some(file) = found(File::open(&path), &path)? else {
                return Ok(None);
            };
            let size = file.metadata().map_err(at(&path))?.len();
            Ok(Some(Content::new(file, sha256, size, memory)))
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

    /// All content whose file was written before then. Answers with nothing that is being written.
    pub async fn stored_before(&self, before: Timestamp) -> Result<Vec<Sha256>, ContentError> {
        let (layout, before) = (self.layout.clone(), system_time(before));
        blocking(move || layout.written_before(before)).await
    }

    /// Removes content unless its file was written since then; whether it did. Who is reading it may read on.
    pub async fn delete_stored_before(
        &self,
        sha256: &Sha256,
        before: Timestamp,
    ) -> Result<bool, ContentError> {
        let (layout, path) = (self.layout.clone(), self.path(sha256));
        let (sha256, before) = (*sha256, system_time(before));
        blocking(move || {
            // Whoever stores the same content now renames a young file to this place: looking at what was moved away
            // leaves no moment between look and removal.
            let aside = layout.temporary().join(format!("unused-{sha256}"));
            if found(std::fs::rename(&path, &aside), &path)?.is_none() {
                return Ok(false);
            }
            let old = written(&aside)? < before;
            if old {
                std::fs::remove_file(&aside).map_err(at(&aside))?;
            } else {
                std::fs::rename(&aside, &path).map_err(at(&path))?;
            }
            Ok(old)
        })
        .await
    }

    /// Where content is, or would be: for readers that block, such as `qm_package::inspect`.
    pub fn path(&self, sha256: &Sha256) -> PathBuf {
        self.layout.content(sha256)
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

fn written(path: &Path) -> Result<SystemTime, ContentError> {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(at(path))
}

fn found<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, ContentError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// The digest that a file is stored under: its folder's two digits and its own sixty-two.
fn digest_of(path: &Path) -> Option<Sha256> {
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let (shelf, rest) = (name(path.parent()?)?, name(path)?);
    if shelf.len() != 2 {
        return None;
    }
    (shelf + &rest).parse().ok()
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
    /// The content in files that were written before then.
    fn written_before(&self, before: SystemTime) -> Result<Vec<Sha256>, ContentError> {
        let mut found = Vec::new();
        for shelf in list(self.root())?.iter().filter(|path| path.is_dir()) {
            for path in list(shelf)? {
                // What has another name is not content: uploads and downloads under way, and what others put there.
                if let Some(sha256) = digest_of(&path)
                    && written(&path)? < before
                {
                    found.push(sha256);
                }
            }
        }
        Ok(found)
    }
    pub(crate) fn content(&self, sha256: &Sha256) -> PathBuf {
        self.shelf(sha256).join(&sha256.to_string()[2..])
    }
}
