//! Archives that can be read in two ways, or that play tricks.

use super::build::{Edit, Package, Part};
use crate::{Limit, Limits, NameFault, PackageError, verify};
use std::io::Cursor;

type Check = fn(&PackageError) -> bool;

pub(super) fn refused(bytes: &[u8]) -> PackageError {
    verify(Cursor::new(bytes), &Limits::default()).unwrap_err()
}

/// The app, with something done to its first, stored, file.
fn with_first(edit: impl FnOnce(&mut Part)) -> Vec<u8> {
    let mut package = Package::app();
    edit(&mut package.parts[0]);
    package.build()
}

/// The app, with something done to its second, deflated, file.
fn with_second(edit: impl FnOnce(&mut Part)) -> Vec<u8> {
    let mut package = Package::app();
    edit(&mut package.parts[1]);
    package.build()
}

fn with_part(part: Part) -> Vec<u8> {
    let mut package = Package::app();
    package.parts.push(part);
    package.build()
}

#[test]
fn a_package_that_is_what_it_says_is_accepted_in_both_forms_of_archives() {
    for wide in [false, true] {
        let bytes = Package {
            wide,
            ..Package::app()
        }
        .build();
        let verified = verify(Cursor::new(bytes), &Limits::default()).unwrap();
        assert_eq!(
            verified.file.full_name,
            "Harborline.Tides_1.2.3.0_x64__z1enpheh36ccm"
        );
    }
}

#[test]
fn headers_that_disagree_are_refused() {
    let local: [(Edit, &str); 6] = [
        (|header| header[30] = b'B', "name"),
        (|header| header[6] |= 2, "flags"),
        (|header| header[8] = 8, "method"),
        (|header| header[14] ^= 1, "checksum"),
        (|header| header[18] ^= 1, "compressed size"),
        (|header| header[22] ^= 1, "size"),
    ];
    for (edit, disagrees) in local {
        let error = refused(&with_first(|part| part.local = edit));
        assert!(
            matches!(&error, PackageError::HeadersDisagree { entry, field } if entry.starts_with("Assets") && *field == disagrees),
            "{disagrees}: {error}"
        );
    }
    let descriptor: [Edit; 4] = [
        |data| *data.last_mut().unwrap() ^= 1,
        |data| {
            let at = data.len() - 10;
            data[at] ^= 1;
        },
        |data| {
            let at = data.len() - 20;
            data[at] ^= 1;
        },
        |data| data.truncate(data.len() - 24),
    ];
    for (case, edit) in descriptor.into_iter().enumerate() {
        let error = refused(&with_second(|part| part.data = edit));
        assert!(
            matches!(
                error,
                PackageError::HeadersDisagree {
                    field: "descriptor",
                    ..
                }
            ),
            "{case}: {error}"
        );
    }
}

#[test]
fn entries_that_overlap_or_leave_gaps_are_refused() {
    let cases: [(Vec<u8>, Check); 6] = [
        (with_first(|part| part.data = |data| data.extend(b"more")), |e| {
            matches!(e, PackageError::Stray { .. })
        }),
        (with_first(|part| part.data = |data| data.extend([7; 40])), |e| {
            matches!(e, PackageError::Stray { .. })
        }),
        (
            with_second(|part| part.data = |data| data.extend(b"PK\x07\x08")),
            |e| matches!(e, PackageError::Stray { .. }),
        ),
        (
            with_second(|part| part.central = |header| header[42..46].fill(0)),
            |e| matches!(e, PackageError::Overlap { .. }),
        ),
        // One byte into the entry before.
        (with_second(|part| part.central = |header| header[42] -= 1), |e| {
            matches!(e, PackageError::Overlap { .. })
        }),
        (with_first(|part| part.central = |header| header[42] = 9), |e| {
            matches!(e, PackageError::Stray { .. })
        }),
    ];
    for (case, (bytes, expected)) in cases.iter().enumerate() {
        let error = refused(bytes);
        assert!(expected(&error), "{case}: {error:?}");
    }
}

#[test]
fn garbage_around_the_archive_is_refused() {
    let good = Package::app().build();
    let before = [b"PK\x03\x04 something else".as_slice(), &good].concat();
    let behind = [good.as_slice(), b" "].concat();
    // Its comment holds a second end record, which readers that look from behind would find first.
    let mut comment = good.clone();
    let end = comment[comment.len() - 22..].to_vec();
    let at = comment.len() - 2;
    comment[at] = 22;
    comment.extend(&end);
    for bytes in [&before, &comment] {
        let error = refused(bytes);
        assert!(matches!(error, PackageError::Damaged { .. }), "{error:?}");
    }
    assert!(matches!(refused(&behind), PackageError::Truncated));
    for length in [10, good.len() / 2, good.len() - 1] {
        let error = refused(&good[..length]);
        assert!(matches!(error, PackageError::Truncated), "{error:?}");
    }
}

#[test]
fn end_records_that_lie_are_refused() {
    let wide = Package {
        wide: true,
        ..Package::app()
    }
    .build();
    let narrow = Package::app().build();
    // Offsets from the end: of the plain record 22, of the ZIP64 locator 42, of the ZIP64 record 98.
    for (bytes, from_end) in [
        (&wide, 98 - 24),
        (&wide, 98 - 32),
        (&wide, 98 - 40),
        (&wide, 98 - 48),
        (&wide, 42 - 8),
        (&narrow, 22 - 4),
        (&narrow, 22 - 8),
        (&narrow, 22 - 10),
        (&narrow, 22 - 12),
        (&narrow, 22 - 16),
    ] {
        let mut bytes = bytes.clone();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        let error = refused(&bytes);
        assert!(
            matches!(error, PackageError::Damaged { .. }),
            "{from_end}: {error:?}"
        );
    }
    // The plain record tells another number than the ZIP64 one.
    let mut two = wide.clone();
    let at = two.len() - 14;
    two[at..at + 2].copy_from_slice(&[3, 0]);
    two[at - 2..at].copy_from_slice(&[3, 0]);
    assert!(matches!(refused(&two), PackageError::Damaged { .. }));
}

#[test]
fn names_that_play_tricks_are_refused() {
    for (name, fault) in [
        ("../escape.dll", NameFault::Traversal),
        ("/rooted.dll", NameFault::Absolute),
        ("a\\b.dll", NameFault::Character),
        ("C:/a.dll", NameFault::Character),
        ("a%00.dll", NameFault::Character),
        ("%2e%2e/a.dll", NameFault::Traversal),
        ("Nul.txt", NameFault::Device),
    ] {
        let error = refused(&with_part(Part::new(name, "x")));
        assert!(
            matches!(&error, PackageError::EntryName { entry, fault: found } if entry == name && *found == fault),
            "{name}: {error:?}"
        );
    }
    for name in ["DATA/tides.TXT", "Data/Tides%2Etxt", "assets/logo (1).png"] {
        let error = refused(&with_part(Part::new(name, "x")));
        assert!(
            matches!(error, PackageError::DuplicateEntry { .. }),
            "{name}: {error:?}"
        );
    }
    let error = refused(&with_part(Part::new("Data", "x")));
    assert!(matches!(error, PackageError::FileIsFolder { entry } if entry == "data"));
}

#[test]
fn entries_that_are_not_what_their_headers_say_are_refused() {
    let unmapped = |edit: Edit| {
        let part = Part::new("AppxMetadata/CodeIntegrity.cat", super::build::noise(5000));
        with_part(Part {
            central: edit,
            local: |header| header[14..26].fill(0),
            ..part.deflated().unmapped()
        })
    };
    let cases: [(Edit, &str); 2] = [
        (|header| header[24] ^= 1, "size"),
        (|header| header[25] ^= 0x80, "size"),
    ];
    for (edit, field) in cases {
        let error = refused(&unmapped(edit));
        assert!(
            matches!(error, PackageError::EntryDamaged { field: found, .. } if found == field),
            "{error:?}"
        );
    }
    let checksum = with_first(|part| {
        part.local = |header| header[14] ^= 1;
        part.central = |header| header[16] ^= 1;
    });
    assert!(matches!(
        refused(&checksum),
        PackageError::EntryDamaged {
            field: "checksum",
            ..
        }
    ));
    let stored = with_first(|part| part.central = |header| header[24] ^= 1);
    assert!(matches!(
        refused(&stored),
        PackageError::EntryDamaged {
            field: "compressed size",
            ..
        }
    ));
}

#[test]
fn encrypted_entries_and_unknown_methods_are_refused() {
    for flag in [1_u8, 1 << 6] {
        let bytes = with_first(|part| {
            part.central = if flag == 1 {
                |h| h[8] |= 1
            } else {
                |h| h[8] |= 1 << 6
            };
        });
        assert!(matches!(refused(&bytes), PackageError::EncryptedEntry { .. }));
    }
    let masked = with_first(|part| part.central = |header| header[9] |= 1 << 5);
    assert!(matches!(refused(&masked), PackageError::EncryptedEntry { .. }));
    for method in [12, 93] {
        let bytes = with_first(|part| {
            part.central = if method == 12 {
                |h| h[10] = 12
            } else {
                |h| h[10] = 93
            };
        });
        assert!(matches!(refused(&bytes), PackageError::Compression { .. }));
    }
}

#[test]
fn archives_that_promise_too_much_are_refused_before_they_are_unpacked() {
    let huge = with_part(Part {
        central: |header| header[24..28].copy_from_slice(&[0, 0, 0, 0xf0]),
        ..Part::new("huge.bin", "x").deflated()
    });
    assert!(matches!(
        refused(&huge),
        PackageError::Limit {
            limit: Limit::Ratio,
            ..
        }
    ));
    let limits = Limits {
        block_map: 500,
        ..Limits::default()
    };
    let error = verify(Cursor::new(Package::app().build()), &limits).unwrap_err();
    assert!(matches!(
        error,
        PackageError::Limit {
            limit: Limit::BlockMap,
            allowed: 500,
        }
    ));
    let limits = Limits {
        unpacked: 100_000,
        ..Limits::default()
    };
    let error = verify(Cursor::new(Package::app().build()), &limits).unwrap_err();
    assert!(matches!(
        error,
        PackageError::Limit {
            limit: Limit::Unpacked,
            ..
        }
    ));
    let limits = Limits {
        signature: 100,
        ..Limits::default()
    };
    let error = verify(Cursor::new(Package::app().build()), &limits).unwrap_err();
    assert!(matches!(
        error,
        PackageError::Limit {
            limit: Limit::Signature,
            ..
        }
    ));
}
