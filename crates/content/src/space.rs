//! Whether the disk has room: asked before a download, so that a full disk costs no transfer and the database, which may
//! be on the same disk, keeps some.

use crate::{ContentError, ContentStore, files::at, files::blocking};
use std::io;

impl ContentStore {
    /// Fails with [`ContentError::Full`] where this many more bytes would leave too little on the disk.
    pub async fn check_room(&self, bytes: u64) -> Result<(), ContentError> {
        let folder = self.layout.root().to_owned();
        blocking(move || {
            let disk = rustix::fs::statvfs(&folder)
                .map_err(io::Error::from)
                .map_err(at(&folder))?;
            if has_room(disk.f_bavail.saturating_mul(disk.f_frsize), bytes) {
                Ok(())
            } else {
                Err(ContentError::Full { path: folder })
            }
        })
        .await
    }
}

fn has_room(free: u64, wanted: u64) -> bool {
    wanted.checked_add(RESERVE).is_some_and(|needed| needed <= free)
}

/// What stays free for everything else.
const RESERVE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_room_is_left_for_everything_else() {
        let table = [
            (RESERVE, 0, true),
            (RESERVE, 1, false),
            (RESERVE + 10, 10, true),
            (u64::MAX, u64::MAX, false),
            (0, 0, false),
        ];
        for (free, wanted, expected) in table {
            assert_eq!(has_room(free, wanted), expected, "{wanted} of {free}");
        }
    }
}
