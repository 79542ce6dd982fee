//! The four kinds of package file, told by their extension; devices insist on the right one.

use crate::{PackageError, PackageFile, PackageKind};
use qm_core::text_enum;

text_enum! {
    /// A kind of package file, by its extension.
    pub enum PackageFormat {
        /// A package, as Windows 8 and 10 wrote it.
        Appx = "appx",
        /// A package.
        Msix = "msix",
        /// A bundle, as Windows 8 and 10 wrote it.
        AppxBundle = "appxbundle",
        /// A bundle.
        MsixBundle = "msixbundle",
    }
}

impl PackageFormat {
    /// From a file's name; extensions of files that are no use to devices have errors of their own.
    pub fn from_file_name(file_name: &str) -> Result<Self, PackageError> {
        let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let extension = extension.to_ascii_lowercase();
        match extension.as_str() {
            "appxupload" | "msixupload" => Err(PackageError::StoreUpload),
            "eappx" | "emsix" => Err(PackageError::EncryptedPackage { bundle: false }),
            "eappxbundle" | "emsixbundle" => Err(PackageError::EncryptedPackage { bundle: true }),
            known => known.parse().map_err(|_| PackageError::UnknownExtension {
                file_name: file_name.to_owned(),
            }),
        }
    }

    /// Package or bundle.
    pub const fn kind(self) -> PackageKind {
        match self {
            Self::Appx | Self::Msix => PackageKind::Package,
            Self::AppxBundle | Self::MsixBundle => PackageKind::Bundle,
        }
    }

    /// Whether the content is what the extension says.
    pub fn check(self, package: &PackageFile) -> Result<(), PackageError> {
        if self.kind() == package.kind {
            Ok(())
        } else {
            Err(PackageError::ExtensionDisagrees {
                extension: self.extension(),
                found: package.kind,
            })
        }
    }

    /// The extension, without the dot.
    pub const fn extension(self) -> &'static str {
        self.as_str()
    }

    /// The media type that downloads carry.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Appx => "application/appx",
            Self::Msix => "application/msix",
            Self::AppxBundle => "application/appxbundle",
            Self::MsixBundle => "application/msixbundle",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_extensions_of_packages() {
        for (name, format, media_type) in [
            ("a.appx", PackageFormat::Appx, "application/appx"),
            ("a.b.MSIX", PackageFormat::Msix, "application/msix"),
            (
                "a.AppxBundle",
                PackageFormat::AppxBundle,
                "application/appxbundle",
            ),
            (
                "महसुस.msixbundle",
                PackageFormat::MsixBundle,
                "application/msixbundle",
            ),
        ] {
            assert_eq!(PackageFormat::from_file_name(name).unwrap(), format);
            assert_eq!(format.media_type(), media_type);
        }
    }

    #[test]
    fn says_why_other_files_are_of_no_use() {
        let error = |name: &str| PackageFormat::from_file_name(name).unwrap_err();
        assert!(matches!(error("a.msixupload"), PackageError::StoreUpload));
        assert!(matches!(
            error("a.eappx"),
            PackageError::EncryptedPackage { bundle: false }
        ));
        assert!(matches!(
            error("a.emsixbundle"),
            PackageError::EncryptedPackage { bundle: true }
        ));
        for name in ["a.xap", "appx", "a.appx.zip", ""] {
            assert!(
                matches!(error(name), PackageError::UnknownExtension { .. }),
                "{name}"
            );
        }
    }
}
