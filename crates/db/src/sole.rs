//! One server for one SQLite file: a second one is refused, and whoever holds the file knows that nobody else works.

use crate::{error::DbError, open::Address, outage::Outage};
use std::fs::{File, OpenOptions, TryLockError};

/// The proof that no other server works on this database. The operating system takes it back when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct SoleServer {
    _lock: File,
}

impl SoleServer {
    /// Claims a database that one server has for itself: an SQLite file. `None` for PostgreSQL, which servers share, and
    /// for a database in memory, which nobody else can reach.
    pub fn claim(url: &str) -> Result<Option<Self>, DbError> {
        let Address::File(file) = Address::parse(url)? else {
            return Ok(None);
        };
        // Not the database itself: closing a second handle on it would drop SQLite's own locks.
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(unavailable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Err(DbError::InUse(name.into())),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }
}

fn unavailable(error: std::io::Error) -> DbError {
    DbError::Unavailable(Outage::NoFile, sqlx::Error::Io(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("q.db").display());
        let first = SoleServer::claim(&url).unwrap();
        assert!(first.is_some());
        let refused = SoleServer::claim(&url).unwrap_err();
        assert!(matches!(&refused, DbError::InUse(lock) if lock.ends_with("q.db.lock")));
        drop(first);
        assert!(SoleServer::claim(&url).unwrap().is_some(), "free again");
    }

    #[test]
    fn what_is_shared_or_unreachable_needs_no_claim() {
        assert!(SoleServer::claim("postgres://h/n").unwrap().is_none());
        assert!(SoleServer::claim("sqlite::memory:").unwrap().is_none());
    }
}
