//! Bundles whose packages are not what they should be, to the last byte.

use super::{
    build::{Package, Part, bundle, manifest},
    structure::refused,
};
use crate::{BlockMapFault, Limit, Limits, PackageError, SignatureFault, verify};
use std::io::Cursor;

const APP: &str = r#"Type="application" Version="1.0.0.0" Architecture="x64""#;
const FINNISH: &str = r#"Version="1.0.0.0" ResourceId="lang-fi""#;

fn package(architecture: &str, more: &str) -> Package {
    Package::new(vec![
        Part::new("Data.bin", super::build::noise(70_000)).deflated(),
        Part::new("AppxManifest.xml", manifest(architecture, "1.0.0.0", more)).deflated(),
    ])
}

fn app() -> Vec<u8> {
    package("x64", "").build()
}

fn finnish() -> Vec<u8> {
    package("neutral", "ResourceId=\"lang-fi\"").build_signed(None)
}

#[test]
fn a_bundle_of_signed_and_unsigned_packages_is_accepted() {
    let bytes = bundle(&[("a.msix", APP, app()), ("fi.msix", FINNISH, finnish())]).build();
    let verified = verify(Cursor::new(bytes), &Limits::default()).unwrap();
    assert_eq!(verified.file.members.len(), 2);
}

#[test]
fn bundles_that_disagree_with_their_packages_are_refused() {
    let disagrees = |attributes: &str| {
        let bytes = bundle(&[("a.msix", APP, app()), ("fi.msix", attributes, finnish())]).build();
        match refused(&bytes) {
            PackageError::MemberMismatch { field, .. } => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        disagrees(r#"Version="1.0.0.0" ResourceId="lang-sv""#),
        "resource id"
    );
    assert_eq!(disagrees(r#"Version="1.0.0.0""#), "resource id");
    assert_eq!(disagrees(r#"Version="1.0.0.1" ResourceId="lang-fi""#), "version");
}

#[test]
fn a_bundle_lists_each_package_once_and_nothing_else_is_in_it() {
    let twice = bundle(&[("a.msix", APP, app()), ("b.msix", APP, app())]).build();
    assert!(matches!(refused(&twice), PackageError::MemberRepeated { .. }));
    let mut package = bundle(&[("a.msix", APP, app())]);
    package.parts.push(Part::new("more.msix", app()).unmapped());
    assert!(matches!(
        refused(&package.build()),
        PackageError::BlockMap(BlockMapFault::Unlisted(name)) if name == "more.msix"
    ));
}

#[test]
fn a_bomb_is_one_also_in_pieces() {
    let piece = |architecture: &str| {
        let mut package = package(architecture, "");
        package.parts[0].central = |header| header[24..28].copy_from_slice(&(200_u32 << 20).to_le_bytes());
        package.build()
    };
    let arm = r#"Type="application" Version="1.0.0.0" Architecture="arm64""#;
    let one = bundle(&[("a.msix", APP, piece("x64"))]).build();
    assert!(!matches!(refused(&one), PackageError::Member { source, .. } if is_bomb(&source)));
    let two = bundle(&[("a.msix", APP, piece("x64")), ("b.msix", arm, piece("arm64"))]).build();
    assert!(matches!(refused(&two), PackageError::Member { source, .. } if is_bomb(&source)));
}

fn is_bomb(error: &PackageError) -> bool {
    let limit = Limit::Ratio;
    matches!(error, PackageError::Limit { limit: hit, .. } if *hit == limit)
}

#[test]
fn packages_inside_are_checked_like_others() {
    let inner = |bytes: Vec<u8>| match refused(&bundle(&[("a.msix", APP, bytes)]).build()) {
        PackageError::Member { source, file_name } if file_name == "a.msix" => *source,
        other => panic!("{other:?}"),
    };
    let unmapped = Package {
        with_block_map: false,
        ..package("x64", "")
    };
    assert!(matches!(inner(unmapped.build()), PackageError::NoBlockMap));
    let mut changed = package("x64", "").build_signed(None);
    changed[100] ^= 1;
    let error = inner(changed);
    assert!(
        matches!(
            error,
            PackageError::BlockMap(_) | PackageError::EntryDamaged { .. }
        ),
        "{error:?}"
    );
    let foreign = Package {
        blob: |blob| blob[8] ^= 1,
        ..package("x64", "")
    };
    assert!(matches!(
        inner(foreign.build()),
        PackageError::Signature(SignatureFault::Changed("the files"))
    ));
}

#[test]
fn a_bundle_without_a_signature_is_told_apart_whatever_is_in_it() {
    let bytes = bundle(&[("a.msix", APP, app())]).build_signed(None);
    let verified = crate::verify(std::io::Cursor::new(bytes), &crate::Limits::default()).unwrap();
    assert!(!verified.signed);
}
