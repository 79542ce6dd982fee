//! Block maps that are missing, broken, or do not fit the files.

use super::{
    build::{Package, Part, Rewrite},
    structure::refused,
};
use crate::{BlockMapFault, Limit, PackageError, XmlFault};

type Check = fn(&BlockMapFault) -> bool;

#[test]
fn packages_without_a_block_map_or_content_types_are_refused() {
    let no_map = Package {
        with_block_map: false,
        ..Package::app()
    };
    assert!(matches!(refused(&no_map.build()), PackageError::NoBlockMap));
    let no_types = Package {
        with_content_types: false,
        ..Package::app()
    };
    assert!(matches!(refused(&no_types.build()), PackageError::NoContentTypes));
}

#[test]
fn block_maps_that_do_not_fit_are_refused() {
    let cases: [(Rewrite, Check); 16] = [
        (
            |map| map.replace("BlockMap", "Map"),
            |f| *f == BlockMapFault::Missing("BlockMap"),
        ),
        (
            |map| map.replace("</BlockMap>", ""),
            |f| matches!(f, BlockMapFault::Xml(XmlFault::Malformed(_))),
        ),
        (
            |map| map.replace("<BlockMap", "<!DOCTYPE a><BlockMap"),
            |f| matches!(f, BlockMapFault::Xml(XmlFault::Doctype)),
        ),
        (
            |map| map.replace("xmlenc#sha256", "xmldsig#sha1"),
            |f| *f == BlockMapFault::Method,
        ),
        (
            |map| map.replace("Empty.txt", "AppxSignature.p7x"),
            |f| matches!(f, BlockMapFault::Unlisted(_) | BlockMapFault::Footprint(_)),
        ),
        (
            |map| map.replace("Empty.txt", "Elsewhere.txt"),
            |f| matches!(f, BlockMapFault::Unlisted(name) if name == "Empty.txt"),
        ),
        (
            |map| map.replace("</BlockMap>", "<File Name=\"More.txt\" Size=\"0\"/></BlockMap>"),
            |f| matches!(f, BlockMapFault::Absent(name) if name == "More.txt"),
        ),
        (
            |map| map.replace("</BlockMap>", "<File Name=\"empty.TXT\" Size=\"0\"/></BlockMap>"),
            |f| matches!(f, BlockMapFault::Repeated(_)),
        ),
        (
            |map| {
                map.replace(
                    "</BlockMap>",
                    "<File Name=\"AppxBlockMap.xml\" Size=\"0\"/></BlockMap>",
                )
            },
            |f| matches!(f, BlockMapFault::Footprint(_)),
        ),
        (
            |map| map.replace("Size=\"150000\"", "Size=\"150001\""),
            |f| matches!(f, BlockMapFault::Size(_)),
        ),
        (
            |map| map.replace("LfhSize=\"51\"", "LfhSize=\"50\""),
            |f| matches!(f, BlockMapFault::HeaderSize(name) if name == r"Assets\Logo (1).png"),
        ),
        (
            |map| map.replacen("<Block Hash=", "<Block Hash=\"\"/><Block Hash=", 1),
            |f| *f == BlockMapFault::Missing("Hash"),
        ),
        (
            |map| {
                let at = map.find("<Block ").unwrap();
                let block = map[at..at + map[at..].find("/>").unwrap() + 2].to_owned();
                map.replacen(&block, "", 1)
            },
            |f| matches!(f, BlockMapFault::Blocks(_)),
        ),
        (
            |map| map.replace("Name=", "Title="),
            |f| *f == BlockMapFault::Missing("Name"),
        ),
        (
            |map| {
                let at = map.find("<Block Hash=\"").unwrap() + 13;
                let other = if map.as_bytes()[at] == b'A' { "B" } else { "A" };
                [&map[..at], other, &map[at + 1..]].concat()
            },
            |f| matches!(f, BlockMapFault::Content { offset: 0, .. }),
        ),
        (
            |map| map.replace("/><Block", " Size=\"7\"/><Block"),
            |f| matches!(f, BlockMapFault::Packed { .. } | BlockMapFault::Xml(_)),
        ),
    ];
    for (case, (block_map, expected)) in cases.into_iter().enumerate() {
        let bytes = Package {
            block_map,
            ..Package::app()
        }
        .build();
        match refused(&bytes) {
            PackageError::BlockMap(fault) => assert!(expected(&fault), "{case}: {fault:?}"),
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn compressed_sizes_of_blocks_have_to_be_the_real_ones() {
    // As many bytes together, but the first block is said to take one more and the second one less.
    let shifted: Rewrite = |map| {
        let mut pieces: Vec<_> = map.split("=\" Size=\"").map(str::to_owned).collect();
        for (piece, step) in pieces[1..].iter_mut().zip([1, -1]) {
            let end = piece.find('"').unwrap();
            let size: i64 = piece[..end].parse().unwrap();
            *piece = format!("{}{}", size + step, &piece[end..]);
        }
        pieces.join("=\" Size=\"")
    };
    let bytes = Package {
        block_map: shifted,
        ..Package::app()
    }
    .build();
    let error = refused(&bytes);
    assert!(
        matches!(error, PackageError::BlockMap(BlockMapFault::Packed { .. })),
        "{error:?}"
    );
}

#[test]
fn a_file_that_no_block_map_lists_is_refused_and_so_is_a_changed_one() {
    let mut package = Package::app();
    package.parts.push(Part::new("Extra.dll", "x").unmapped());
    let error = refused(&package.build());
    assert!(
        matches!(error, PackageError::BlockMap(BlockMapFault::Unlisted(ref name)) if name == "Extra.dll"),
        "{error:?}"
    );
    let mut bytes = Package::app().build();
    bytes[100_000] ^= 1;
    let error = refused(&bytes);
    assert!(
        matches!(
            error,
            PackageError::BlockMap(BlockMapFault::Content { offset: 65_536, .. })
        ),
        "{error:?}"
    );
}

#[test]
fn a_block_map_is_no_longer_than_its_files_need() {
    let bytes = Package {
        block_map: |map| map + &" ".repeat(1 << 20),
        ..Package::app()
    }
    .build();
    assert!(matches!(
        refused(&bytes),
        PackageError::Limit {
            limit: Limit::BlockMap,
            ..
        }
    ));
}
