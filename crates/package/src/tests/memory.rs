//! Large packages are read once, in order, in pieces.

use super::build::{Package, Part, manifest, noise};
use crate::{Limits, verify};
use std::{
    cell::Cell,
    io::{self, Cursor, Read, Seek, SeekFrom},
};

/// Counts bytes and remembers the largest read.
struct Watched<'w> {
    inner: Cursor<Vec<u8>>,
    read: &'w Cell<usize>,
    largest: &'w Cell<usize>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.largest.set(self.largest.get().max(buffer.len()));
        let read = self.inner.read(buffer)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn a_large_package_is_read_once_and_in_pieces_that_do_not_grow() {
    let package = Package::new(vec![
        Part::new("Large.bin", noise(48 << 20)),
        Part::new("AppxManifest.xml", manifest("x64", "1.0.0.0", "")).deflated(),
    ]);
    let bytes = package.build();
    let (length, read, largest) = (bytes.len(), Cell::new(0), Cell::new(0));
    let reader = Watched {
        inner: Cursor::new(bytes),
        read: &read,
        largest: &largest,
    };
    verify(reader, &Limits::default()).unwrap();
    // Directory, manifest, block map and signature are read twice: before the pass and in it.
    assert!(read.get() < length + (512 << 10), "{} of {length}", read.get());
    assert!(largest.get() <= 256 << 10, "{}", largest.get());
}
