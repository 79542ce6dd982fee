//! HRESULTs as devices report them: signed, unsigned or hexadecimal text for the same 32 bits.

use std::fmt;

/// A Windows result code; prints as `0x80073CF3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HResult(pub u32);

impl HResult {
    /// Success.
    pub const OK: Self = Self(0);

    /// Reads `-2147009293`, `2147958003` or `0x80073CF3`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return u32::from_str_radix(digits, 16).ok().map(Self);
        }
        let number: i64 = text.parse().ok()?;
        let code = if number < 0 {
            i32::try_from(number).ok()?.cast_unsigned()
        } else {
            u32::try_from(number).ok()?
        };
        Some(Self(code))
    }

    /// Whether it reports success (the severity bit is clear).
    pub const fn is_success(self) -> bool {
        self.0 & 0x8000_0000 == 0
    }
}
impl fmt::Display for HResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_spellings_mean_the_same() {
        for text in ["-2147009293", "2147958003", "0x80073CF3", " 0X80073cf3 "] {
            assert_eq!(HResult::parse(text), Some(HResult(0x8007_3CF3)), "{text}");
        }
        assert_eq!(HResult::parse("0"), Some(HResult::OK));
        assert_eq!(HResult::parse("many"), None);
        assert!(!HResult(0x8007_3CF3).is_success());
    }
}
