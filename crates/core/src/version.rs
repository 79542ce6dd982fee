//! Four-part versions of packages and of Windows.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// `major.minor.build.revision`, each 0 to 65535; compares part by part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Version(pub [u16; 4]);

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version: one to four numbers of 0 to 65535, separated by dots")]
pub struct InvalidVersion(pub String);

impl Version {
    /// From the Store's packed form: 16 bits for each part, major highest.
    pub const fn from_packed(packed: u64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "each part is cut out by its shift"
        )]
        Self([
            (packed >> 48) as u16,
            (packed >> 32) as u16,
            (packed >> 16) as u16,
            packed as u16,
        ])
    }
    /// The third part: the Windows build number in an OS version.
    pub const fn build(self) -> u16 {
        self.0[2]
    }
}
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, revision] = self.0;
        write!(f, "{major}.{minor}.{build}.{revision}")
    }
}
impl FromStr for Version {
    type Err = InvalidVersion;
    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(text.to_owned());
        let mut parts = [0; 4];
        let mut given = text.trim().split('.');
        for (index, part) in parts.iter_mut().enumerate() {
            match given.next() {
                Some(number) if number.starts_with('+') => return Err(invalid()),
                Some(number) => *part = number.parse().map_err(|_| invalid())?,
                None if index > 0 => break,
                None => return Err(invalid()),
            }
        }
        if given.next().is_some() {
            Err(invalid())
        } else {
            Ok(Self(parts))
        }
    }
}
impl Serialize for Version {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let parse = |text: &str| text.parse::<Version>().unwrap();
        assert!(parse("10.0.9.0") < parse("10.0.10.0"));
        assert_eq!(parse("10.0.19045"), parse("10.0.19045.0"));
        assert_eq!(Version::from_packed(2_814_750_931_222_528), parse("10.0.17763.0"));
        for bad in ["", "1.x", "1.2.3.4.5", "70000.0", "-1", "+1.0", "1.+0"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
