//! Whatever is changed in a package: no panic, and never accepted.

use super::build::{Package, Part, bundle, manifest};
use crate::{Limits, verify};
use proptest::prelude::*;
use std::{io::Cursor, sync::LazyLock};

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

/// What no signature covers: the signature's own records. Bytes there that nobody reads may be anything.
fn is_free(bytes: &[u8], at: usize) -> bool {
    let local = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x03\x04")
        .unwrap();
    let central = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x01\x02")
        .unwrap();
    // Versions and times of both headers, and the attributes of the central one.
    let in_local = [4, 5, 10, 11, 12, 13].iter().any(|offset| at == local + offset);
    let in_central = (4..8)
        .chain(12..16)
        .chain(36..42)
        .any(|offset| at == central + offset);
    in_local || in_central
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_byte_is_never_accepted(which in 0..3_usize, index: prop::sample::Index, change in 1..=255_u8) {
        let mut bytes = PACKAGES[which].clone();
        let at = index.index(bytes.len());
        bytes[at] ^= change;
        if let Ok(verified) = verify(Cursor::new(&bytes), &Limits::default()) {
            // The signature's compression and encoding leave some choice; its content does not.
            let signature = bytes.windows(4).rposition(|window| window == b"PK\x03\x04").unwrap();
            prop_assert!(at >= signature || is_free(&bytes, at), "byte {at} of {}", verified.file.full_name);
        }
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
