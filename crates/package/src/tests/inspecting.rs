//! Whole packages and bundles, built here and read back; what is wrong with them and what it costs to find out.

use crate::{
    Limit, Limits, ManifestFault, MemberKind, PackageError, PackageFile, PackageFormat, PackageKind, Part,
    inspect,
};
use proptest::prelude::*;
use qm_core::{Architecture, Version};
use std::{
    cell::Cell,
    fmt::Write as _,
    io::{self, Cursor, Read, Seek, SeekFrom, Write},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const PUBLISHER: &str = "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI";

#[test]
fn reads_a_package() {
    let file = read(&package("x64", "1.2.3.0")).unwrap();
    assert_eq!(file.kind, PackageKind::Package);
    assert_eq!(file.family_name, "Harborline.Tides_z1enpheh36ccm");
    assert_eq!(file.full_name, "Harborline.Tides_1.2.3.0_x64__z1enpheh36ccm");
    assert_eq!(file.identity.publisher, PUBLISHER);
    assert_eq!(file.display_name.as_deref(), Some("Tides"));
    assert_eq!(file.publisher_display_name, None);
    assert_eq!(file.architectures, [Architecture::X64]);
    assert!(!file.framework);
    assert_eq!(file.families[0].name, "Windows.Desktop");
    assert_eq!(file.families[0].min_version.build(), 17763);
    assert_eq!(
        file.dependencies[0].family_name().as_deref(),
        Some("Harborline.Runtime_z1enpheh36ccm")
    );
    assert!(file.members.is_empty());
}

#[test]
fn reads_a_package_with_zip64_end_records() {
    let bytes = with_zip64_end(&package("x64", "1.2.3.0"), 0);
    assert_eq!(read(&bytes).unwrap(), read(&package("x64", "1.2.3.0")).unwrap());
    let lying = with_zip64_end(&package("x64", "1.2.3.0"), 1);
    assert!(matches!(read(&lying), Err(PackageError::Damaged { .. })));
}

#[test]
fn a_dependency_is_met_by_the_same_or_a_newer_framework() {
    let file = read(&package("x64", "1.2.3.0")).unwrap();
    let mut framework = file.identity.clone();
    let needed = &file.dependencies[0];
    framework.name = "harborline.runtime".to_owned();
    for (version, met) in [([1, 9, 9, 9], false), ([2, 0, 0, 0], true), ([2, 1, 0, 0], true)] {
        framework.version = Version(version);
        assert_eq!(needed.is_met_by(&framework), met);
    }
    framework.publisher.push(' ');
    assert!(!needed.is_met_by(&framework));
}

#[test]
fn reads_a_bundle_with_names_outside_ascii() {
    let members = [
        Inner::app("x64", "1.0.0.0", "महसुस x64.msix"),
        Inner::app("x86", "1.0.1.0", "परीक्षा.msix"),
        Inner::resource("lang-fi", "1.0.0.0", r"Resources\kieli ä.msix"),
    ];
    let bytes = bundle(&members);
    let file = read(&bytes).unwrap();
    assert_eq!(file.kind, PackageKind::Bundle);
    assert_eq!(file.family_name, "Harborline.Tides_z1enpheh36ccm");
    assert_eq!(
        file.full_name,
        "Harborline.Tides_2026.304.0.0_neutral_~_z1enpheh36ccm"
    );
    assert_eq!(file.architectures, [Architecture::X86, Architecture::X64]);
    assert_eq!(file.display_name.as_deref(), Some("Tides"));
    assert_eq!((file.families.len(), file.dependencies.len()), (1, 1));
    let names: Vec<_> = file
        .members
        .iter()
        .map(|m| (m.file_name.as_str(), m.kind))
        .collect();
    assert_eq!(
        names,
        [
            ("महसुस x64.msix", MemberKind::Application),
            ("परीक्षा.msix", MemberKind::Application),
            ("Resources/kieli ä.msix", MemberKind::Resource)
        ]
    );
    assert_eq!(
        file.members[2].full_name,
        "Harborline.Tides_1.0.0.0_neutral_lang-fi_z1enpheh36ccm"
    );
    for (member, inner) in file.members.iter().zip(&members) {
        let start = usize::try_from(member.offset).unwrap();
        assert_eq!(member.size, inner.bytes.len() as u64);
        assert!(bytes[start..].starts_with(&inner.bytes));
    }
}

#[test]
fn a_bundle_runs_where_any_of_its_applications_does() {
    let older =
        Inner::app("x86", "1.0.0.0", "x86.appx").with(&manifest("x86", "1.0.0.0").replace("17763", "14393"));
    let newer = Inner::app("x64", "1.0.0.0", "x64.appx")
        .with(&manifest("x64", "1.0.0.0").replace("2.0.0.0", "2.5.0.0"));
    let file = read(&bundle(&[newer, older])).unwrap();
    assert_eq!(file.families[0].min_version.build(), 14393);
    assert_eq!(file.dependencies[0].min_version, Version([2, 5, 0, 0]));
    assert_eq!(file.members[0].dependencies[0].min_version, Version([2, 5, 0, 0]));
    assert_eq!(file.members[1].dependencies[0].min_version, Version([2, 0, 0, 0]));
}

#[test]
fn the_extension_has_to_fit_the_content() {
    let file = read(&package("x64", "1.0.0.0")).unwrap();
    assert!(PackageFormat::Msix.check(&file).is_ok());
    let error = PackageFormat::MsixBundle.check(&file).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file is named `.msixbundle`, but it is a package"
    );
}

#[test]
fn tells_other_files_apart() {
    let upload = archive(&[("Tides.msixbundle", b"PK"), ("Tides.appxsym", b"")]);
    let both = archive(&[
        ("AppxManifest.xml", b""),
        ("AppxMetadata/AppxBundleManifest.xml", b""),
    ]);
    let cut = {
        let mut bytes = package("x64", "1.0.0.0");
        bytes.truncate(bytes.len() - 30);
        bytes
    };
    let appended = [package("x64", "1.0.0.0"), b"more".to_vec()].concat();
    let cases: [(&[u8], Check); 11] = [
        (b"", |e| matches!(e, PackageError::NotZip)),
        (b"MZ\x90\0 a program", |e| matches!(e, PackageError::NotZip)),
        (b"PK\x03\x04", |e| matches!(e, PackageError::Truncated)),
        (b"PK\x05\x06", |e| matches!(e, PackageError::NoManifest)),
        (&cut, |e| matches!(e, PackageError::Truncated)),
        (&appended, |e| matches!(e, PackageError::Truncated)),
        (b"EXPH\x01\0\0\0", |e| {
            matches!(e, PackageError::EncryptedPackage { bundle: false })
        }),
        (b"EXBH\x01\0\0\0", |e| {
            matches!(e, PackageError::EncryptedPackage { bundle: true })
        }),
        (&archive(&[("readme.txt", b"hello")]), |e| {
            matches!(e, PackageError::NoManifest)
        }),
        (&upload, |e| matches!(e, PackageError::StoreUpload)),
        (&both, |e| matches!(e, PackageError::TwoManifests)),
    ];
    for (index, (bytes, expected)) in cases.iter().enumerate() {
        let error = read(bytes).unwrap_err();
        assert!(expected(&error), "case {index}: {error:?}");
    }
}

#[test]
fn rejects_encrypted_and_repeated_entries() {
    let mut encrypted = package("x64", "1.0.0.0");
    let header = find(&encrypted, b"PK\x01\x02").unwrap();
    encrypted[header + 8] |= 1;
    assert!(matches!(
        read(&encrypted),
        Err(PackageError::EncryptedEntry { .. })
    ));

    let cased = archive(&[("appxmanifest.XML", b""), ("AppxManifest.xml", b"")]);
    assert!(matches!(read(&cased), Err(PackageError::DuplicateEntry { .. })));
    let escaped = archive(&[("a%20b", b""), ("a b", b"")]);
    assert!(matches!(read(&escaped), Err(PackageError::DuplicateEntry { .. })));
    let mut same = archive(&[("one.txt", b""), ("two.txt", b"")]);
    while let Some(at) = find(&same, b"two") {
        same[at..at + 3].copy_from_slice(b"one");
    }
    assert!(matches!(read(&same), Err(PackageError::DuplicateEntry { .. })));
}

#[test]
fn says_what_is_wrong_with_a_manifest() {
    let bytes = archive(&[(
        "AppxManifest.xml",
        b"<Package><Identity Name='Fern.Reader'/><Properties/></Package>",
    )]);
    let error = read(&bytes).unwrap_err();
    assert!(matches!(
        error,
        PackageError::BadManifest {
            part: Part::Manifest,
            fault: ManifestFault::Missing("Publisher")
        }
    ));
    assert_eq!(
        error.to_string(),
        "the manifest (AppxManifest.xml) has no `Publisher`"
    );

    let resources_only = bundle(&[Inner::resource("lang-fi", "1.0.0.0", "fi.msix")]);
    assert!(matches!(
        read(&resources_only),
        Err(PackageError::BadManifest {
            part: Part::BundleManifest,
            ..
        })
    ));
}

#[test]
fn rejects_a_bundle_that_disagrees_with_its_packages() {
    let good = Inner::app("x64", "1.0.0.0", "app.msix");
    let document = manifest("x64", "1.0.0.0");
    for (field, inner) in [
        (
            "name",
            document.replace("\"Harborline.Tides\"", "\"Harborline.Waves\""),
        ),
        ("publisher", document.replace("CN=Harborline", "CN=harborline")),
        ("version", manifest("x64", "1.0.0.1")),
        ("architecture", manifest("arm64", "1.0.0.0")),
    ] {
        let error = read(&bundle(&[good.clone().with(&inner)])).unwrap_err();
        assert!(
            matches!(error, PackageError::MemberMismatch { field: found, .. } if found == field),
            "{error}"
        );
    }
    for (field, from, to) in [
        ("size", "Size=\"", "Size=\"1"),
        ("offset", "Offset=\"", "Offset=\"1"),
    ] {
        let error = read(&bundle_with(
            std::slice::from_ref(&good),
            |text| text.replace(from, to),
            true,
        ))
        .unwrap_err();
        assert!(
            matches!(error, PackageError::MemberMismatch { field: found, .. } if found == field),
            "{error}"
        );
    }
}

#[test]
fn rejects_a_bundle_whose_packages_cannot_be_used() {
    let app = Inner::app("x64", "1.0.0.0", "app.msix");
    let flat = bundle_with(
        std::slice::from_ref(&app),
        |text| text.replace("app.msix", "elsewhere.msix"),
        true,
    );
    assert!(
        matches!(read(&flat), Err(PackageError::MemberElsewhere { file_name }) if file_name == "elsewhere.msix")
    );
    let packed = bundle_with(std::slice::from_ref(&app), str::to_owned, false);
    assert!(matches!(read(&packed), Err(PackageError::Compression { entry }) if entry == "app.msix"));
    let mut broken = app;
    broken.bytes = b"PK\x03\x04 not really".to_vec();
    let error = read(&bundle(&[broken])).unwrap_err();
    assert!(
        matches!(error, PackageError::Member { source, .. } if matches!(*source, PackageError::Truncated))
    );
}

#[test]
fn each_limit_is_kept() {
    let members = [
        Inner::app("x64", "1.0.0.0", "a.msix"),
        Inner::app("x86", "1.0.0.0", "b.msix"),
    ];
    let two = bundle(&members);
    let padding = " ".repeat(100 << 10);
    let padded = archive(&[(
        "AppxManifest.xml",
        (manifest("x64", "1.0.0.0") + &padding).as_bytes(),
    )]);
    let wide = Limits::default();
    let one = manifest("x64", "1.0.0.0").len() as u64;
    // The bundle has five entries, each member four.
    for (bytes, limits, limit) in [
        (&two, Limits { entries: 12, ..wide }, Limit::Entries),
        (
            &two,
            Limits {
                directory: 300,
                ..wide
            },
            Limit::Directory,
        ),
        (&two, Limits { members: 1, ..wide }, Limit::Members),
        (
            &padded,
            Limits {
                manifest: 50 << 10,
                ..wide
            },
            Limit::Manifest,
        ),
        (
            &two,
            Limits {
                manifests: one + 1,
                ..wide
            },
            Limit::Manifests,
        ),
        (&padded, Limits { ratio: 10, ..wide }, Limit::Ratio),
    ] {
        let error = inspect(Cursor::new(bytes), &limits).unwrap_err();
        let found = match &error {
            PackageError::Member { source, .. } => source.as_ref(),
            other => other,
        };
        assert!(
            matches!(found, PackageError::Limit { limit: hit, .. } if *hit == limit),
            "{limit}: {error}"
        );
    }
    assert!(
        inspect(
            Cursor::new(&two),
            &Limits {
                entries: 13,
                members: 2,
                ..wide
            }
        )
        .is_ok()
    );
    assert!(inspect(Cursor::new(&padded), &Limits { ratio: 1000, ..wide }).is_ok());
}

#[test]
fn a_manifest_that_lies_about_its_size_is_cut_off() {
    let document = manifest("x64", "1.0.0.0") + &" ".repeat(8 << 20);
    let mut bytes = archive(&[("AppxManifest.xml", document.as_bytes())]);
    let header = find(&bytes, b"PK\x01\x02").unwrap();
    bytes[header + 24..header + 28].copy_from_slice(&4000_u32.to_le_bytes());
    let error = read(&bytes).unwrap_err();
    assert!(
        matches!(error, PackageError::HeadersDisagree { field: "size", .. }),
        "{error:?}"
    );
}

#[test]
fn reads_no_more_of_a_large_package_than_of_a_small_one() {
    let payload = vec![7; 8 << 20];
    let large = archive_of(&[
        ("payload.bin", payload.as_slice(), false),
        ("AppxManifest.xml", manifest("x64", "1.0.0.0").as_bytes(), true),
    ]);
    let read = Cell::new(0);
    let file = inspect(
        Counting {
            inner: Cursor::new(large),
            read: &read,
        },
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(file.identity.name, "Harborline.Tides");
    assert!(read.get() < 128 << 10, "{} bytes", read.get());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn inspecting_a_mutated_archive_never_panics(
        bundled: bool,
        cut in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = if bundled {
            bundle(&[Inner::app("x64", "1.0.0.0", "ä.msix"), Inner::resource("lang-fi", "1.0.0.0", "fi.msix")])
        } else {
            package("x64", "1.0.0.0")
        };
        bytes.truncate(bytes.len() - cut / 3);
        // Mostly the records at the end: changes to packed data only break checksums.
        let tail = bytes.len().saturating_sub(700);
        for (index, value) in changes {
            let at = tail + index.index(bytes.len() - tail);
            bytes[at] = value;
        }
        let _ = read(&bytes);
    }

    #[test]
    fn inspecting_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), zip: bool) {
        let bytes = if zip { [b"PK\x03\x04".to_vec(), bytes].concat() } else { bytes };
        let _ = read(&bytes);
        let _ = crate::license::read(&bytes);
    }
}

type Check = fn(&PackageError) -> bool;

fn read(bytes: &[u8]) -> Result<PackageFile, PackageError> {
    inspect(Cursor::new(bytes), &Limits::default())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn manifest(architecture: &str, version: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10">
  <Identity Name="Harborline.Tides" Publisher="{PUBLISHER}" Version="{version}" ProcessorArchitecture="{architecture}"/>
  <Properties><DisplayName>Tides</DisplayName><PublisherDisplayName>ms-resource:publisher</PublisherDisplayName></Properties>
  <Dependencies>
    <TargetDeviceFamily Name="Windows.Desktop" MinVersion="10.0.17763.0" MaxVersionTested="10.0.22621.0"/>
    <PackageDependency Name="Harborline.Runtime" Publisher="{PUBLISHER}" MinVersion="2.0.0.0"/>
  </Dependencies>
</Package>"#
    )
}

fn package(architecture: &str, version: &str) -> Vec<u8> {
    package_of(&manifest(architecture, version))
}

fn package_of(manifest: &str) -> Vec<u8> {
    archive(&[
        ("Assets/Logo%20(1).png", b"picture"),
        ("AppxManifest.xml", manifest.as_bytes()),
        ("AppxBlockMap.xml", b"<BlockMap/>"),
        ("AppxSignature.p7x", b"PKCX0\x82"),
    ])
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, bytes)| (*name, *bytes, true))
        .collect();
    archive_of(&entries)
}

fn archive_of(entries: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, packed) in entries {
        let method = if *packed {
            CompressionMethod::Deflated
        } else {
            CompressionMethod::Stored
        };
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The same archive with the records of a large one at its end, its directory `shift` bytes off.
fn with_zip64_end(bytes: &[u8], shift: u64) -> Vec<u8> {
    let (body, end) = bytes.split_at(bytes.len() - 22);
    let wide = |at: usize, length: usize| {
        let mut field = [0; 8];
        field[..length].copy_from_slice(&end[at..at + length]);
        u64::from_le_bytes(field)
    };
    let mut out = body.to_vec();
    out.extend_from_slice(b"PK\x06\x06");
    out.extend_from_slice(&44_u64.to_le_bytes());
    out.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [wide(8, 2), wide(10, 2), wide(12, 4), wide(16, 4) + shift] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
    out.extend_from_slice(&[&end[..8], &[0xff; 12], &end[20..]].concat());
    out
}

/// A package for a bundle, with what the bundle's manifest says of it.
#[derive(Clone)]
struct Inner {
    bytes: Vec<u8>,
    file_name: String,
    attributes: String,
}

impl Inner {
    fn app(architecture: &str, version: &str, file_name: &str) -> Self {
        Self {
            bytes: package(architecture, version),
            file_name: file_name.to_owned(),
            attributes: format!(r#"Type="application" Version="{version}" Architecture="{architecture}""#),
        }
    }
    fn resource(id: &str, version: &str, file_name: &str) -> Self {
        let identity = format!("ProcessorArchitecture=\"neutral\" ResourceId=\"{id}\"");
        let manifest = manifest("neutral", version).replace("ProcessorArchitecture=\"neutral\"", &identity);
        Self {
            bytes: package_of(&manifest),
            file_name: file_name.to_owned(),
            attributes: format!(r#"Version="{version}" ResourceId="{id}""#),
        }
    }
    fn with(mut self, manifest: &str) -> Self {
        self.bytes = package_of(manifest);
        self
    }
    /// The entry's name as an OPC part: percent-encoded outside ASCII.
    fn part_name(&self) -> String {
        let path = self.file_name.replace('\\', "/");
        percent_encoding::utf8_percent_encode(&path, ENCODED).to_string()
    }
}

fn bundle(members: &[Inner]) -> Vec<u8> {
    bundle_with(members, str::to_owned, true)
}

fn bundle_with(members: &[Inner], edit: impl Fn(&str) -> String, stored: bool) -> Vec<u8> {
    let mut offset = 0;
    let mut list = String::new();
    for member in members {
        // The local header without extra fields is 30 bytes and the name.
        let start = offset + 30 + member.part_name().len();
        offset = start + member.bytes.len();
        write!(
            list,
            r#"<Package {} FileName="{}" Offset="{start}" Size="{}"/>"#,
            member.attributes,
            member.file_name,
            member.bytes.len()
        )
        .unwrap();
    }
    let manifest = edit(&format!(
        r#"<Bundle xmlns="http://schemas.microsoft.com/appx/2013/bundle" SchemaVersion="2.0">
<Identity Name="Harborline.Tides" Publisher="{PUBLISHER}" Version="2026.304.0.0"/><Packages>{list}</Packages></Bundle>"#
    ));
    let names: Vec<_> = members.iter().map(Inner::part_name).collect();
    let mut entries: Vec<(&str, &[u8], bool)> = names
        .iter()
        .zip(members)
        .map(|(name, member)| (name.as_str(), member.bytes.as_slice(), !stored))
        .collect();
    entries.push(("AppxMetadata/AppxBundleManifest.xml", manifest.as_bytes(), true));
    entries.push(("AppxBlockMap.xml", b"<BlockMap/>", true));
    entries.push(("AppxSignature.p7x", b"PKCX0\x82", true));
    archive_of(&entries)
}

const ENCODED: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');

/// Counts the bytes that are read.
struct Counting<'a, R> {
    inner: R,
    read: &'a Cell<usize>,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.set(self.read.get() + read);
        Ok(read)
    }
}
impl<R: Seek> Seek for Counting<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
