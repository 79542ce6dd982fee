//! Short words from outside: names, numbers, digests, media types, cursors.

use qm_core::{Architecture, HResult, PageRequest, Sha256, Timestamp, Version};
use qm_package::{FullName, PackageFormat};
use qm_syncml::Encoding;
use std::{fmt::Display, str, str::FromStr};

/// A word, read as everything that a word can be.
pub fn names(input: &[u8]) {
    let Ok(word) = str::from_utf8(input) else { return };
    written_as_read::<FullName>(word);
    written_as_read::<Version>(word);
    written_as_read::<Sha256>(word);
    if let Ok(name) = FullName::from_str(word) {
        // Leading zeros of the version go.
        assert!(name.to_string().len() <= word.len() && name.to_string().is_ascii());
        let _ = name.architecture();
    }
    if let Some(code) = HResult::parse(word) {
        assert_eq!(HResult::parse(&code.to_string()), Some(code));
    }
    if let Ok(at) = Timestamp::parse_rfc3339(word) {
        assert_eq!(Timestamp::parse_rfc3339(&at.to_string()), Ok(at));
    }
    if let Ok(page) = PageRequest::read(None, Some(word)) {
        let cursor = page.after.map(|id| id.to_string());
        assert_eq!(PageRequest::read(None, cursor.as_deref()), Ok(page));
    }
    let _ = (
        Architecture::parse_lenient(word),
        PackageFormat::from_file_name(word),
    );
    let _ = (Encoding::from_media_type(word), qm_enrollment::is_soap(word));
}

fn written_as_read<T: FromStr + Display + PartialEq>(word: &str) {
    if let Ok(value) = word.parse::<T>() {
        let again = value.to_string().parse::<T>();
        assert!(again.is_ok_and(|again| again == value), "{value}");
    }
}
