//! Processor architectures of packages and devices.

use crate::text_enum;

text_enum! {
    /// A processor architecture; `neutral` runs everywhere and is never a device's.
    pub enum Architecture {
        /// 32-bit Intel.
        X86 = "x86",
        /// 64-bit Intel.
        X64 = "x64",
        /// 32-bit ARM.
        Arm = "arm",
        /// 64-bit ARM.
        Arm64 = "arm64",
        /// Any.
        Neutral = "neutral",
    }
}

impl Architecture {
    /// Reads any spelling in use: case is ignored; `x86a64` counts as `arm64`.
    pub fn parse_lenient(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "x86" => Some(Self::X86),
            "x64" | "amd64" | "x86_64" => Some(Self::X64),
            "arm" => Some(Self::Arm),
            "arm64" | "x86a64" | "aarch64" => Some(Self::Arm64),
            "neutral" | "" => Some(Self::Neutral),
            _ => None,
        }
    }

    /// From the number in `./DevDetail/Ext/Microsoft/ProcessorArchitecture` (the Win32 constants).
    pub const fn from_win32(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::X86),
            5 => Some(Self::Arm),
            9 => Some(Self::X64),
            12 => Some(Self::Arm64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_spellings_in_use() {
        assert_eq!(Architecture::parse_lenient("X64"), Some(Architecture::X64));
        assert_eq!(
            Architecture::parse_lenient("Neutral"),
            Some(Architecture::Neutral)
        );
        assert_eq!(Architecture::parse_lenient("ia64"), None);
        assert_eq!(Architecture::from_win32(9), Some(Architecture::X64));
        assert_eq!("arm64".parse(), Ok(Architecture::Arm64));
    }
}
