use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use qm_core::{Architecture, Version};
use quick_xml::{Reader, XmlVersion, events::Event};
use std::io::{Cursor, Read};
use zip::ZipArchive;

const PUBLISHER: &str = "CN=Larch & Sons \"Works\", C=NO";
const VERSION: Version = Version([2, 1, 40, 0]);

fn app(architecture: Architecture) -> PackageSpec {
    PackageSpec {
        payload: 150_000,
        needs: vec![RuntimeNeed {
            name: "Larch.Runtime".to_owned(),
            publisher: PUBLISHER.to_owned(),
            min_version: VERSION,
        }],
        ..PackageSpec::app("Larch.Plane", PUBLISHER, VERSION, architecture)
    }
}

fn part(file: &[u8], name: &str) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(file)).unwrap();
    let mut content = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut content).unwrap();
    content
}

/// Every element of a document with its attributes, in order.
fn elements(document: &[u8]) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(std::str::from_utf8(document).unwrap());
    let mut all = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => all.push((
                tag.local_name().into_inner().to_owned(),
                tag.attributes()
                    .map(Result::unwrap)
                    .map(|a| {
                        let value = a.normalized_value(XmlVersion::Implicit1_0).unwrap();
                        (a.key.into_inner().to_owned(), value.into_owned())
                    })
                    .collect(),
            )),
            Event::Eof => return all,
            _ => {}
        }
    }
}

fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
    let found = attributes.iter().find(|(key, _)| key == name);
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn publisher_hashes_are_those_that_windows_computes() {
    for (publisher, hash) in [
        (
            "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US",
            "8wekyb3d8bbwe",
        ),
        (
            "CN=Microsoft Windows, O=Microsoft Corporation, L=Redmond, S=Washington, C=US",
            "cw5n1h2txyewy",
        ),
    ] {
        assert_eq!(publisher_hash(publisher), hash);
    }
}

#[test]
fn a_package_says_what_it_was_made_to_be() {
    let spec = app(Architecture::X64);
    let identity = PackageIdentity::read(&spec.build().unwrap()).unwrap();
    assert_eq!(identity.publisher, PUBLISHER);
    assert_eq!(identity.architectures, [Architecture::X64]);
    assert_eq!(identity.full_name(), spec.full_name());
    assert_eq!(identity.family_name(), spec.family_name());
    assert_eq!(
        identity.families,
        [("Windows.Desktop".to_owned(), manifest::WINDOWS_10_1809)]
    );
    assert!(!identity.bundle);
}

#[test]
fn the_same_specification_gives_the_same_bytes() {
    assert_eq!(
        app(Architecture::X86).build().unwrap(),
        app(Architecture::X86).build().unwrap()
    );
    assert_ne!(
        app(Architecture::X86).build().unwrap(),
        app(Architecture::X64).build().unwrap()
    );
}

#[test]
fn the_block_map_covers_every_part_with_true_hashes_and_header_sizes() {
    let file = app(Architecture::X64).build().unwrap();
    let mut archive = ZipArchive::new(Cursor::new(file.as_slice())).unwrap();
    let mut covered = Vec::new();
    let mut blocks: Vec<u8> = Vec::new();
    for (name, attributes) in elements(&part(&file, "AppxBlockMap.xml")) {
        match name.as_str() {
            "File" => {
                let name = attribute(&attributes, "Name").replace('\\', "/");
                let entry = archive.by_name(&name).unwrap();
                let header = entry.data_start().unwrap() - entry.header_start();
                assert_eq!(attribute(&attributes, "LfhSize"), header.to_string());
                assert_eq!(attribute(&attributes, "Size"), entry.size().to_string());
                assert_eq!(
                    entry.compressed_size(),
                    entry.size(),
                    "stored, so that blocks need no size"
                );
                drop(entry);
                blocks = part(&file, &name);
                covered.push(name);
            }
            "Block" => {
                let rest = blocks.split_off(blocks.len().min(64 << 10));
                let hash = STANDARD.encode(Sha256::digest(&blocks));
                assert_eq!(attribute(&attributes, "Hash"), hash);
                blocks = rest;
            }
            _ => {}
        }
    }
    assert!(blocks.is_empty(), "every block is listed");
    covered.sort();
    assert_eq!(
        covered,
        [
            "AppxManifest.xml",
            "Assets/Logo.png",
            "Data/payload.bin",
            "Program.exe"
        ]
    );
}

#[test]
fn a_bundle_lists_its_packages_where_they_are() {
    let bundle = BundleSpec {
        version: Version([2026, 5, 1, 0]),
        packages: vec![app(Architecture::X64), app(Architecture::X86)],
    };
    let file = bundle.build().unwrap();
    let identity = PackageIdentity::read(&file).unwrap();
    assert_eq!(identity.full_name(), bundle.full_name().unwrap());
    assert_eq!(identity.family_name(), bundle.family_name().unwrap());
    assert_eq!(identity.architectures, [Architecture::X64, Architecture::X86]);
    assert_eq!(identity.families.len(), 1);
    let manifest = elements(&part(&file, "AppxMetadata/AppxBundleManifest.xml"));
    let mut found = 0;
    for (_, attributes) in manifest.iter().filter(|(name, _)| name == "Package") {
        let number = |name| attribute(attributes, name).parse::<usize>().unwrap();
        let inner = &file[number("Offset")..][..number("Size")];
        let inner = PackageIdentity::read(inner).unwrap();
        assert_eq!(
            inner.architectures[0].as_str(),
            attribute(attributes, "Architecture")
        );
        found += 1;
    }
    assert_eq!(found, 2);
}

#[test]
fn finds_packages_whose_names_are_percent_encoded() {
    let manifest = "<Bundle><Identity Name='Larch.Saw' Publisher='CN=L' Version='1.0.0.0'/><Packages>\
        <Package Type='application' Version='1.0.0.0' Architecture='x86' FileName='s\u{e5}g.appx'/></Packages></Bundle>";
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let inner = app(Architecture::X86).build().unwrap();
    for (name, content) in [
        ("s%C3%A5g.appx", &inner[..]),
        (manifest::BUNDLE_MANIFEST, manifest.as_bytes()),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::Write::write_all(&mut zip, content).unwrap();
    }
    let identity = PackageIdentity::read(&zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(identity.families.len(), 1);
}

#[test]
fn packages_end_with_content_types_and_a_signature() {
    let file = app(Architecture::Arm64).build().unwrap();
    let signature = part(&file, "AppxSignature.p7x");
    assert_eq!(&signature[..5], b"PKCX\x30");
    let header = file.windows(4).rposition(|bytes| bytes == b"PK\x03\x04").unwrap();
    for (tag, signed) in [
        ("AXPC", &file[..header]),
        ("AXCT", &part(&file, "[Content_Types].xml")),
        ("AXBM", &part(&file, "AppxBlockMap.xml")),
    ] {
        let digest = [tag.as_bytes(), &Sha256::digest(signed)].concat();
        assert!(
            signature.windows(digest.len()).any(|bytes| bytes == digest),
            "{tag}"
        );
    }
    let types = elements(&part(&file, "[Content_Types].xml"));
    let overridden: Vec<_> = types
        .iter()
        .filter(|(name, _)| name == "Override")
        .map(|(_, attributes)| attribute(attributes, "PartName"))
        .collect();
    assert_eq!(
        overridden,
        ["/AppxManifest.xml", "/AppxBlockMap.xml", "/AppxSignature.p7x"]
    );
}

#[test]
fn rejects_files_that_are_no_packages() {
    assert!(matches!(
        PackageIdentity::read(b"no archive"),
        Err(AppxError::Archive(_))
    ));
    let mut empty = zip::ZipWriter::new(Cursor::new(Vec::new()));
    empty
        .add_directory("x", zip::write::SimpleFileOptions::default())
        .unwrap();
    let empty = empty.finish().unwrap().into_inner();
    assert!(matches!(
        PackageIdentity::read(&empty),
        Err(AppxError::NoManifest)
    ));
    let none = BundleSpec {
        version: VERSION,
        packages: Vec::new(),
    };
    assert!(matches!(none.build(), Err(AppxError::Missing("Package"))));
}
