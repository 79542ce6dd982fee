//! Private keys on disk: written whole or not at all, never readable by others.
//!
//! Reading refuses a file that the world may read or that anybody but its owner may write. Group read
//! access passes: container platforms mount secrets that way, and it takes an operator to grant it.

use qm_core::Secret;
use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Why a key file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// [`create`] found a file where it was to make one.
    #[error("{} exists already and is not overwritten", .0.display())]
    Exists(PathBuf),
    /// The file's permissions give the key away.
    #[error("{} has mode {mode:04o} and is open to others: run `chmod 600` on it", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file of more than 64 KiB is no key.
    #[error("{} is larger than 64 KiB and cannot be a key", .0.display())]
    TooLarge(PathBuf),
    /// Not UTF-8.
    #[error("{} is not text: expected PEM", .0.display())]
    NotText(PathBuf),
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes a new key file (mode 0600 from the start); fails if there is one already.
pub fn create(path: &Path, text: &Secret<String>) -> Result<(), KeyFileError> {
    let written = write_beside(path, text).map_err(|source| io_error(path, source))?;
    match written.persist_noclobber(path) {
        Ok(_) => sync_folder(path),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(KeyFileError::Exists(path.to_owned()))
        }
        Err(error) => Err(io_error(path, error.error)),
    }
}

/// Writes a key file in place of the old one, which stays whole until the new one is complete.
pub fn replace(path: &Path, text: &Secret<String>) -> Result<(), KeyFileError> {
    let written = write_beside(path, text).map_err(|source| io_error(path, source))?;
    written
        .persist(path)
        .map_err(|error| io_error(path, error.error))?;
    sync_folder(path)
}

/// Reads a key file; on Unix its permissions are checked first.
pub fn read(path: &Path) -> Result<Secret<String>, KeyFileError> {
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    check_permissions(path, &file)?;
    let mut bytes = Vec::new();
    file.take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| io_error(path, source))?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(KeyFileError::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes)
        .map(Secret::new)
        .map_err(|_| KeyFileError::NotText(path.to_owned()))
}

/// Temporary files are made with mode 0600 on Unix.
fn write_beside(path: &Path, text: &Secret<String>) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".key-")
        .tempfile_in(folder(path))?;
    file.write_all(text.expose().as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), KeyFileError> {
    File::open(folder(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|source| io_error(path, source))
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(unix)]
fn check_permissions(path: &Path, file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| io_error(path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o027 == 0 {
        return Ok(());
    }
    Err(KeyFileError::Exposed {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(not(unix))]
fn check_permissions(_path: &Path, _file: &File) -> Result<(), KeyFileError> {
    Ok(())
}

fn io_error(path: &Path, source: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        source,
    }
}

const MAX_SIZE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn keys_round_trip_and_create_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.key");
        create(&path, &secret("first")).unwrap();
        assert!(matches!(
            create(&path, &secret("second")),
            Err(KeyFileError::Exists(_))
        ));
        assert_eq!(read(&path).unwrap(), secret("first"));
        replace(&path, &secret("third")).unwrap();
        assert_eq!(read(&path).unwrap(), secret("third"));
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no leftovers"
        );
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_private_from_the_start_and_refused_once_they_are_not() {
        use std::{fs, os::unix::fs::PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.key");
        create(&path, &secret("key")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for (mode, accepted) in [
            (0o600, true),
            (0o400, true),
            (0o440, true),
            (0o644, false),
            (0o620, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), accepted, "{mode:o}");
        }
        let refused = read(&path).unwrap_err();
        assert!(
            matches!(refused, KeyFileError::Exposed { mode: 0o620, .. }),
            "{refused}"
        );
    }

    #[test]
    fn refuses_files_that_cannot_be_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.key");
        create(&path, &secret(&"x".repeat(64 * 1024 + 1))).unwrap();
        assert!(matches!(read(&path), Err(KeyFileError::TooLarge(_))));
        let missing = folder.path().join("missing.key");
        assert!(matches!(read(&missing), Err(KeyFileError::Io { .. })));
    }
}
