//! File hashes of the service, whose encoding is undocumented.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use qm_core::Sha256;

/// Decodes a file hash by its length: 64 hexadecimal digits or the base64 of 32 bytes, with or without padding.
/// `None` for another algorithm and for everything unreadable: such a hash proves nothing either way.
pub fn decode_hash(text: &str, algorithm: Option<&str>) -> Option<Sha256> {
    if !algorithm.is_none_or(is_sha256) {
        return None;
    }
    let text = text.trim();
    if text.len() == 64 {
        return text.parse().ok();
    }
    let standard = text.replace('-', "+").replace('_', "/");
    BASE64.decode(standard).ok()?.try_into().ok().map(Sha256)
}

fn is_sha256(algorithm: &str) -> bool {
    let folded: String = algorithm.chars().filter(char::is_ascii_alphanumeric).collect();
    folded.is_empty() || folded.eq_ignore_ascii_case("sha256")
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_both_encodings_and_nothing_else() {
        let digest = Sha256([0xfb; 32]);
        let base64 = BASE64.encode(digest.as_bytes());
        assert_eq!(base64.len(), 44);
        let url_safe = base64.replace('+', "-").replace('/', "_");
        for text in [
            &digest.to_string(),
            &digest.to_string().to_uppercase(),
            &base64,
            &url_safe,
        ] {
            assert_eq!(decode_hash(text, Some("SHA-256")), Some(digest), "{text}");
            assert_eq!(
                decode_hash(text.trim_end_matches('='), None),
                Some(digest),
                "{text}"
            );
        }
        for (text, algorithm) in [
            ("", None),
            ("abc", None),
            (base64.as_str(), Some("SHA1")),
            ("zz", Some("sha256")),
        ] {
            assert_eq!(decode_hash(text, algorithm), None, "{text} {algorithm:?}");
        }
        assert_eq!(decode_hash(&BASE64.encode([1; 20]), None), None);
    }
}
