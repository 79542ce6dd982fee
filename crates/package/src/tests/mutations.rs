//! Whatever is changed in a package: no panic, and never accepted.

use super::build::{Package, Part, bundle, manifest};
use crate::{
    Limit, Limits,
    archive::{Archive, Budget},
    parts::SIGNATURE,
    verify,
};
use proptest::prelude::*;
use std::{io::Cursor, ops::Range, sync::LazyLock};

fn small() -> Package {
    Package::new(vec![
        Part::new("Data.txt", b"tide ".repeat(40)).deflated(),
        Part::new("Logo.png", "picture"),
        Part::new("AppxManifest.xml", manifest("x64", "1.0.0.0", "")).deflated(),
    ])
}

static PACKAGES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let plain = small().build();
    let wide = Package {
        wide: true,
        ..small()
    };
    let attributes = r#"Type="application" Version="1.0.0.0" Architecture="x64""#;
    let bundle = bundle(&[("a.msix", attributes, plain.clone())]).build();
    [plain, wide.build(), bundle]
});

/// Where the signature's own records are, the only ones that no signature covers.
struct Own {
    local: usize,
    data: Range<usize>,
    central: Range<usize>,
    directory: usize,
}

fn open(bytes: &[u8]) -> Archive {
    Archive::open(&mut Cursor::new(bytes), &mut Budget::new(&Limits::default())).unwrap()
}

fn own_records(bytes: &[u8]) -> Own {
    let archive = open(bytes);
    let entry = archive.entry(SIGNATURE).unwrap();
    let place = |number: u64| usize::try_from(number).unwrap();
    let (local, directory) = (place(entry.offset), place(archive.directory.offset));
    let start = local + 30 + SIGNATURE.len();
    Own {
        local,
        data: start..start + place(entry.packed),
        central: directory + entry.header.start..directory + entry.header.end,
        directory,
    }
}

impl Own {
    /// Bytes that nobody takes anything from (versions and times of both headers, disk number and attributes of the
    /// central one), and those that may be packed in another way.
    fn is_free(&self, at: usize) -> bool {
        let in_local = [4, 5, 10, 11, 12, 13]
            .iter()
            .any(|offset| at == self.local + offset);
        let mut in_central = (4..8).chain(12..16).chain(36..42);
        in_local || in_central.any(|offset| at == self.central.start + offset) || self.data.contains(&at)
    }
}

fn signature(bytes: &[u8]) -> Option<Vec<u8>> {
    open(bytes)
        .read(&mut Cursor::new(bytes), SIGNATURE, Limit::Signature, 1 << 20)
        .unwrap()
}

/// Refused, or another way to write the same signature.
fn is_refused_or_harmless(good: &[u8], own: &Own, at: usize, change: u8) -> Result<(), String> {
    let mut bytes = good.to_vec();
    bytes[at] ^= change;
    match verify(Cursor::new(&bytes), &Limits::default()) {
        Err(_) => Ok(()),
        Ok(_) if own.is_free(at) && signature(good) == signature(&bytes) => Ok(()),
        Ok(verified) => Err(format!("byte {at} changed by {change:#x}: {verified:?}")),
    }
}

#[test]
fn every_byte_of_a_package_counts() {
    for good in PACKAGES.iter() {
        let own = own_records(good);
        for at in 0..good.len() {
            is_refused_or_harmless(good, &own, at, 1 << (at % 8)).unwrap();
        }
    }
}

#[test]
fn every_byte_of_the_directory_behind_the_signature_counts() {
    for good in PACKAGES.iter() {
        let own = own_records(good);
        for at in (own.directory..own.central.start).chain(own.central.end..good.len()) {
            for change in [1, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= change;
                let changed = verify(Cursor::new(&bytes), &Limits::default());
                assert!(changed.is_err(), "byte {at} changed by {change}: {changed:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_byte_is_never_accepted(which in 0..3_usize, index: prop::sample::Index, change in 1..=255_u8) {
        let good = &PACKAGES[which];
        let at = index.index(good.len());
        prop_assert_eq!(is_refused_or_harmless(good, &own_records(good), at, change), Ok(()));
    }

    #[test]
    fn cut_moved_and_repeated_bytes_are_never_accepted(
        which in 0..3_usize,
        from: prop::sample::Index,
        length in 1..200_usize,
        to: prop::sample::Index,
        cut: bool,
    ) {
        let good = &PACKAGES[which];
        let start = from.index(good.len());
        let end = good.len().min(start + length);
        let piece = &good[start..end];
        let mut bytes = good.clone();
        if cut {
            bytes.drain(start..end);
        } else {
            let at = to.index(good.len());
            bytes.splice(at..at, piece.iter().copied());
        }
        prop_assume!(bytes != *good);
        prop_assert!(verify(Cursor::new(&bytes), &Limits::default()).is_err());
    }
}

#[test]
fn the_packages_that_are_mutated_are_good() {
    for bytes in PACKAGES.iter() {
        verify(Cursor::new(bytes), &Limits::default()).unwrap();
    }
}
