//! Files that an administrator uploads: packages, bundles, licenses.

use crate::archive;
use qm_package::{Limits, PackageFile, PackageFormat, PackageKind, inspect, license, verify};
use std::io::Cursor;

/// An archive as it is.
pub fn package(input: &[u8]) {
    if let Ok(file) = read(input) {
        check(&file, input.len());
        match verify(Cursor::new(input), &Limits::default()) {
            Ok(verified) => assert_eq!(verified.file, file, "both readers say the same"),
            Err(error) => assert!(error.to_string().len() < 4096 + input.len(), "a long error"),
        }
    }
}

/// An archive made from a description of its parts, so that the parts are reached whatever becomes of the text.
pub fn package_parts(input: &[u8]) {
    package(&archive::build(input));
}

/// The same with a block map and a signature that fit whatever the description says, where it has none of its own.
pub fn package_sealed(input: &[u8]) {
    package(&archive::build_sealed(input));
}

/// A package that is true but for its signature: changed, or made over something that was changed before.
pub fn package_signature(input: &[u8]) {
    package(&archive::build_altered(input));
}

fn read(bytes: &[u8]) -> Result<PackageFile, qm_package::PackageError> {
    let limits = Limits {
        entries: 1_000,
        members: 50,
        ..Limits::default()
    };
    inspect(Cursor::new(bytes), &limits).inspect_err(|error| {
        let text = error.to_string();
        assert!(text.len() < 4096, "an error of {} bytes", text.len());
    })
}

fn check(file: &PackageFile, length: usize) {
    assert!(file.family_name.starts_with(&file.identity.name));
    assert!(
        file.full_name.len() <= 128 && file.full_name.is_ascii(),
        "{}",
        file.full_name
    );
    assert_eq!(file.kind == PackageKind::Package, file.members.is_empty());
    for member in &file.members {
        let end = member.offset.checked_add(member.size);
        assert!(
            end.is_some_and(|end| end <= length as u64),
            "{member:?} lies outside the file"
        );
    }
    for name in ["a.msix", "a.msixbundle"] {
        let format = PackageFormat::from_file_name(name).expect("a known ending");
        let _ = format.check(file);
    }
}

/// A license file in any of its forms.
pub fn license(input: &[u8]) {
    let file = match license::read(input) {
        Ok(file) => file,
        Err(error) => return assert!(error.to_string().len() < 4096, "a long error"),
    };
    let blob = file.blob.expose();
    assert!(!blob.contains(char::is_whitespace), "the device gets one word");
    assert!(!file.content_id.is_empty() && file.content_id.len() <= 128);
    let again = license::read(blob.as_bytes()).expect("what goes to the device is a license");
    assert_eq!(again.blob.expose(), blob, "a license keeps its bytes");
    assert_eq!(again.content_id, file.content_id);
}
