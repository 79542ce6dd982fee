//! File system steps that the store is made of; all of them block.
//!
//! A file that is being written is locked by its writer. The system drops the lock with the process, so an
//! unlocked temporary file is a leftover, whoever made it and on whatever server that shares the folder.

use crate::ContentError;
use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ContentError> + Send + 'static,
) -> Result<T, ContentError> {
    // The task fails to join only where it panicked or the runtime is going down.
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(ContentError::Interrupted))
}

/// Makes an I/O error tell the path.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> ContentError + use<> {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ContentError::Full { path },
        _ => ContentError::Io { path, source },
    }
}

/// Creates a folder for the server alone, and its parents. Existing ones are left as they are.
pub(crate) fn create_folder(path: &Path) -> Result<(), ContentError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(at(path))
}

/// A new, locked file with a name of its own.
pub(crate) fn create_temporary(folder: &Path) -> Result<(File, TemporaryFile), ContentError> {
    static SEQUENCE: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        match options().create_new(true).open(&path) {
            Ok(file) => {
                let temporary = TemporaryFile::new(path);
                if try_lock(&file, temporary.path())? {
                    return Ok((file, temporary));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(at(&path)(error)),
        }
    }
}

/// Opens a file to go on with it, creating it if need be; `None` while someone else has it.
pub(crate) fn open_exclusive(path: &Path) -> Result<Option<File>, ContentError> {
    let file = options()
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(at(path))?;
    Ok(try_lock(&file, path)?.then_some(file))
}

/// Removes leftovers: the files that nobody has locked. Answers how many.
pub(crate) fn remove_unlocked(folder: &Path) -> Result<u64, ContentError> {
    let mut removed = 0;
    for path in list(folder)? {
        removed += u64::from(remove_if_unlocked(&path)?);
    }
    Ok(removed)
}

/// Removes a file unless someone has it locked.
pub(crate) fn remove_if_unlocked(path: &Path) -> Result<bool, ContentError> {
    // Gone in between, or not ours to open: not this server's business.
    let Ok(file) = options().open(path) else {
        return Ok(false);
    };
    if !try_lock(&file, path)? {
        return Ok(false);
    }
    std::fs::remove_file(path).map_err(at(path))?;
    Ok(true)
}

/// What a folder holds.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, ContentError> {
    let entries = std::fs::read_dir(folder).map_err(at(folder))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(at(folder)))
        .collect()
}

/// Makes a rename or a new file in this folder survive a power failure.
pub(crate) fn sync_folder(path: &Path) -> Result<(), ContentError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(at(path))
}

/// Locks a file, unless someone else has it or it is no longer the one at `path`.
fn try_lock(file: &File, path: &Path) -> Result<bool, ContentError> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(at(path)(error)),
    }
    let mine = file.metadata().map_err(at(path))?;
    Ok(std::fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// A file that is removed when this is dropped, unless it moved on to a place of its own.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    path: PathBuf,
    moved: bool,
}

impl TemporaryFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, moved: false }
    }
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
    /// It is elsewhere now.
    pub(crate) fn moved(mut self) {
        self.moved = true;
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.moved {
            // What cannot be removed now is removed at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let told = |kind: io::ErrorKind| at(Path::new("/srv/content"))(io::Error::from(kind));
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert!(told(kind).to_string().contains("free some space"), "{kind}");
        }
        let other = told(io::ErrorKind::PermissionDenied).to_string();
        assert!(
            other.contains("/srv/content") && other.contains("permission denied"),
            "{other}"
        );
    }
}
