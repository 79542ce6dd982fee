//! Signed, expiring download addresses.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qm_core::{Secret, Sha256, Timestamp};

/// Signs download addresses and checks them. Servers that share a database share the key.
#[derive(Debug, Clone)]
pub struct LinkSigner {
    key: Secret<[u8; 32]>,
}

/// Why an address is not honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not signed by us for this content and name: incomplete, made up or changed.
    #[error("this download address is not valid")]
    Altered,
    /// Signed, but too old.
    #[error("this download address expired at {0}")]
    Expired(Timestamp),
}

impl LinkSigner {
    /// With a key of its own.
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self { key }
    }

    /// Path and query of an address that is good until `expires` (whole seconds, rounded up).
    pub fn link(&self, sha256: &Sha256, file_name: &str, expires: Timestamp) -> String {
        let seconds = expires.as_millis().saturating_add(999).div_euclid(1000);
        let signature = self.mac(sha256, file_name, seconds).finalize().into_bytes();
        let name = utf8_percent_encode(file_name, ENCODED);
        let signature = hex::encode(signature);
        format!("/content/{sha256}/{name}?exp={seconds}&sig={signature}")
    }

    /// Checks the parts of a requested address; both path segments percent-decoded, the query as it came.
    pub fn verify(
        &self,
        sha256: &str,
        file_name: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<Sha256, LinkError> {
        let sha256: Sha256 = sha256.parse().map_err(|_| LinkError::Altered)?;
        let seconds: i64 = parameter(query, "exp")?.parse().map_err(|_| LinkError::Altered)?;
        let signature = hex::decode(parameter(query, "sig")?).map_err(|_| LinkError::Altered)?;
        self.mac(&sha256, file_name, seconds)
            .verify_slice(&signature)
            .map_err(|_| LinkError::Altered)?;
        let expires = Timestamp::from_millis(seconds.saturating_mul(1000));
        if now < expires {
            Ok(sha256)
        } else {
            Err(LinkError::Expired(expires))
        }
    }

    /// Everything that the link grants; the name comes last, so nothing can move from one field to the next.
    fn mac(&self, sha256: &Sha256, file_name: &str, seconds: i64) -> Hmac<sha2::Sha256> {
        let mut mac =
            Hmac::<sha2::Sha256>::new_from_slice(self.key.expose()).expect("HMAC takes keys of any length");
        mac.update(b"quartermaster content link 1\0");
        mac.update(sha256.as_bytes());
        mac.update(&seconds.to_be_bytes());
        mac.update(file_name.as_bytes());
        mac
    }
}

/// The one value of a parameter: of two, others might read the other one.
fn parameter<'q>(query: &'q str, name: &str) -> Result<&'q str, LinkError> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(LinkError::Altered),
    }
}

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_750_000_000_123);
    const LATER: Timestamp = Timestamp::from_millis(1_750_000_060_123);
    const SHA: Sha256 = Sha256([0xab; 32]);

    fn signer() -> LinkSigner {
        LinkSigner::new(Secret::new([7; 32]))
    }

    /// What a router hands over: decoded segments and the raw query.
    fn parts(link: &str) -> (String, String, String) {
        let (path, query) = link.split_once('?').unwrap();
        let segments: Vec<_> = path.split('/').collect();
        let ["", "content", sha256, name] = segments[..] else {
            panic!("{path}")
        };
        let decode = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        (decode(sha256), decode(name), query.to_owned())
    }

    #[test]
    fn a_link_is_good_until_it_expires() {
        let (sha256, name, query) = parts(&signer().link(&SHA, "Tides 2.9 (ä).msixbundle", LATER));
        assert_eq!(name, "Tides 2.9 (ä).msixbundle");
        let verify = |now| signer().verify(&sha256, &name, &query, now);
        assert_eq!(verify(NOW), Ok(SHA));
        assert_eq!(verify(LATER), Ok(SHA));
        let end = Timestamp::from_millis(1_750_000_061_000);
        assert_eq!(verify(end), Err(LinkError::Expired(end)));
    }

    #[test]
    fn the_extension_stays_in_the_path() {
        let link = signer().link(&SHA, "Tides_2.9.44.0_x64.appx", LATER);
        assert!(
            link.contains("/Tides_2.9.44.0_x64.appx?exp=1750000061&sig="),
            "{link}"
        );
    }

    #[test]
    fn an_altered_link_is_refused() {
        let (sha256, name, query) = parts(&signer().link(&SHA, "a.msix", LATER));
        let later = query.replace("exp=1", "exp=2");
        let shifted = query.replace("exp=17", "exp=1");
        let cut = &query[..query.len() - 2];
        let twice = format!("{query}&exp=9999999999");
        let cases = [
            ("cd".repeat(32), name.as_str(), query.as_str()),
            ("zz".to_owned(), &name, &query),
            (sha256.clone(), "b.msix", &query),
            (sha256.clone(), "", &query),
            (sha256.clone(), &name, &later),
            (sha256.clone(), &name, &shifted),
            (sha256.clone(), &name, cut),
            (sha256.clone(), &name, &twice),
            (sha256.clone(), &name, ""),
            (sha256.clone(), &name, "exp=1750000061"),
            (sha256.clone(), &name, "sig=00"),
            (sha256, &name, "exp=x&sig=y"),
        ];
        for (sha256, name, query) in cases {
            let result = signer().verify(&sha256, name, query, NOW);
            assert_eq!(result, Err(LinkError::Altered), "{sha256} {name} {query}");
        }
        let stranger = LinkSigner::new(Secret::new([8; 32])).link(&SHA, "a.msix", LATER);
        let (sha256, name, query) = parts(&stranger);
        assert_eq!(
            signer().verify(&sha256, &name, &query, NOW),
            Err(LinkError::Altered)
        );
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", signer()), "LinkSigner { key: *** }");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_file_name_survives_the_address(name in "[^\u{0}]{1,40}") {
            let (sha256, decoded, query) = parts(&signer().link(&SHA, &name, LATER));
            prop_assert_eq!(&decoded, &name);
            prop_assert_eq!(signer().verify(&sha256, &decoded, &query, NOW), Ok(SHA));
        }

        #[test]
        fn any_query_is_survived(query in ".{0,80}") {
            prop_assert_eq!(signer().verify(&SHA.to_string(), "a", &query, NOW), Err(LinkError::Altered));
        }
    }
}
