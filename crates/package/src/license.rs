//! Offline license files of the Store.
//!
//! A license is an XML document, signed by the Store:
//! `<License LicenseID=".." ContentID=".." xmlns="urn:schemas-microsoft-com:windows:store:licensing:ls">` with
//! `Binding/PFM` (the family name, in lower case), `Binding/ProductID` and `Binding/LicenseInstanceID`. It exists in two forms:
//!
//! - *unencoded*: that document. `winget download` writes it beside the package, and image servicing takes it.
//! - *encoded*: the base64 text of the very same bytes. The Store service delivers it, and the device's `AddLicense` takes it as
//!   `<License Content="BASE64"/>`.
//!
//! [`read`] takes either form, or that last wrapper. What goes to the device is always the encoded form: the text as it came,
//! without white space, or the base64 of the document's bytes as they came, for the signature covers them.

use crate::xml::{self, Element, XmlFault};
use base64::{Engine, engine::general_purpose::STANDARD};
use qm_core::Secret;

/// A license, ready for the device.
#[derive(Debug, Clone)]
pub struct LicenseFile {
    /// The license's content id: the name of the device's `LicenseID` node.
    pub content_id: String,
    /// The family that it is for, in lower case; compare with [`LicenseFile::covers`].
    pub package_family_name: Option<String>,
    /// The Store's product id, such as `9WZDNCRFJBMP`.
    pub product_id: Option<String>,
    /// Changes when the Store renews the license.
    pub instance_id: Option<String>,
    /// Base64 text for the `Content` attribute of the device's `AddLicense`.
    pub blob: Secret<String>,
}

impl LicenseFile {
    /// Whether the license is for this package family; one that names none may be for any.
    pub fn covers(&self, family_name: &str) -> bool {
        self.package_family_name
            .as_ref()
            .is_none_or(|family| family.eq_ignore_ascii_case(family_name))
    }
}

/// Why a file is no license that a device could use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    /// Nothing in it.
    #[error("the license file is empty")]
    Empty,
    /// Larger than [`MAX_SIZE`].
    #[error("the license file is larger than {MAX_SIZE} bytes, which no license is")]
    TooLarge,
    /// Neither XML nor base64.
    #[error("the license file is neither XML nor base64 text")]
    NotALicense,
    /// The document is no acceptable XML.
    #[error("the license {0}")]
    Xml(#[from] XmlFault),
    /// Another document.
    #[error(
        "the document's root is `{0}`, not `License`; choose the license file that came with the package"
    )]
    Root(String),
    /// There is no id to install it under.
    #[error("the license names no content id, so no device could install it")]
    NoContentId,
    /// The content id cannot name a node on the device.
    #[error("the license's content id `{0}` is not one")]
    BadContentId(String),
}

/// Reads a license file in any of its forms.
pub fn read(bytes: &[u8]) -> Result<LicenseFile, LicenseError> {
    if bytes.len() > MAX_SIZE {
        return Err(LicenseError::TooLarge);
    }
    let text = xml::decode(bytes)?;
    let text = text.trim_start();
    if text.is_empty() {
        return Err(LicenseError::Empty);
    }
    if !text.starts_with('<') {
        return from_encoded(text);
    }
    let root = root(bytes)?;
    match root.attribute("Content") {
        Some(encoded) => from_encoded(encoded),
        None => from_document(&root, STANDARD.encode(bytes)),
    }
}

/// The encoded form: its text is kept, its content only looked into.
fn from_encoded(text: &str) -> Result<LicenseFile, LicenseError> {
    let blob: String = text.split_whitespace().collect();
    let document = STANDARD.decode(&blob).map_err(|_| LicenseError::NotALicense)?;
    from_document(&root(&document)?, blob)
}

fn root(document: &[u8]) -> Result<Element, LicenseError> {
    let root = xml::parse(document)?;
    if root.name == "License" {
        Ok(root)
    } else {
        Err(LicenseError::Root(root.name))
    }
}

fn from_document(root: &Element, blob: String) -> Result<LicenseFile, LicenseError> {
    let none = Element::default();
    let binding = root.child("Binding").unwrap_or(&none);
    let text = |name| binding.child_text(name).map(str::to_owned);
    Ok(LicenseFile {
        content_id: content_id(root, binding)?,
        package_family_name: text("PFM"),
        product_id: text("ProductID"),
        instance_id: text("LicenseInstanceID"),
        blob: Secret::new(blob),
    })
}

/// The id that the device files the license under: the document calls it `LicenseID` (the Store's API speaks of the
/// content id). Braces are no part of it.
fn content_id(root: &Element, binding: &Element) -> Result<String, LicenseError> {
    let id = root
        .attribute("LicenseID")
        .or_else(|| root.attribute("ContentID"))
        .or_else(|| binding.child_text("ContentID"))
        .map(|id| id.trim().trim_start_matches('{').trim_end_matches('}'))
        .filter(|id| !id.is_empty())
        .ok_or(LicenseError::NoContentId)?;
    let good = id.len() <= 128
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._{}".contains(&byte));
    if good {
        Ok(id.to_owned())
    } else {
        Err(LicenseError::BadContentId(id.chars().take(128).collect()))
    }
}

/// Largest license file in bytes; real ones have some three kilobytes.
pub const MAX_SIZE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "<License xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" ID=\"1f0c\" \
        LicenseID=\"aaaaaaaa-0000-4000-8000-000000000001\" ContentID=\"bbbbbbbb-0000-4000-8000-000000000002\" Version=\"3\" \
        xmlns=\"urn:schemas-microsoft-com:windows:store:licensing:ls\"><Binding Binding_Type=\"Machine\">\
        <ProductID>9NFERNREADER</ProductID><PFM>fern.reader_d239sqcnjn0qg</PFM>\
        <LicenseInstanceID>cccccccc-0000-4000-8000-000000000003</LicenseInstanceID></Binding>\
        <LicenseInfo Type=\"Full\" LicenseUsage=\"Offline\"/><SPLicenseBlock>FAAA</SPLicenseBlock></License>";

    #[test]
    fn every_form_gives_the_same_license() {
        let encoded = STANDARD.encode(DOCUMENT);
        let lines = format!("{}\r\n{}\n", &encoded[..76], &encoded[76..]);
        let wrapper = format!("<License Content=\"{lines}\"/>");
        for form in [DOCUMENT, &encoded, &lines, &wrapper] {
            let license = read(form.as_bytes()).unwrap();
            assert_eq!(license.content_id, "aaaaaaaa-0000-4000-8000-000000000001");
            assert_eq!(
                license.package_family_name.as_deref(),
                Some("fern.reader_d239sqcnjn0qg")
            );
            assert_eq!(license.product_id.as_deref(), Some("9NFERNREADER"));
            assert_eq!(
                license.instance_id.as_deref(),
                Some("cccccccc-0000-4000-8000-000000000003")
            );
            assert_eq!(license.blob.expose(), &encoded);
        }
    }

    #[test]
    fn the_document_is_encoded_byte_for_byte() {
        let marked = [b"\xef\xbb\xbf", DOCUMENT.as_bytes(), b"\r\n"].concat();
        let license = read(&marked).unwrap();
        assert_eq!(STANDARD.decode(license.blob.expose()).unwrap(), marked);
    }

    #[test]
    fn covers_its_family_whatever_the_case() {
        let license = read(DOCUMENT.as_bytes()).unwrap();
        assert!(license.covers("Fern.Reader_d239sqcnjn0qg"));
        assert!(!license.covers("Fern.Writer_d239sqcnjn0qg"));
        let unbound = read(b"<License LicenseID='5d0c8a41-0000'/>").unwrap();
        assert_eq!(unbound.content_id, "5d0c8a41-0000");
        assert!(unbound.covers("Fern.Writer_d239sqcnjn0qg"));
    }

    #[test]
    fn debug_output_hides_the_license() {
        let license = read(DOCUMENT.as_bytes()).unwrap();
        assert!(!format!("{license:?}").contains(license.blob.expose().as_str()));
    }

    #[test]
    fn rejects_files_that_are_no_license() {
        let nested = STANDARD.encode("<Other/>");
        let large = vec![b'A'; MAX_SIZE + 1];
        for (bytes, error) in [
            (&b""[..], LicenseError::Empty),
            (b" \r\n", LicenseError::Empty),
            (&large, LicenseError::TooLarge),
            (b"no base64 at all!", LicenseError::NotALicense),
            (b"<License Content='%%%'/>", LicenseError::NotALicense),
            (b"PK\x03\x04\xff", LicenseError::Xml(XmlFault::Encoding)),
            (
                b"<!DOCTYPE License><License ContentID='a'/>",
                LicenseError::Xml(XmlFault::Doctype),
            ),
            (b"<Package/>", LicenseError::Root("Package".to_owned())),
            (nested.as_bytes(), LicenseError::Root("Other".to_owned())),
            (b"<License Version='1'/>", LicenseError::NoContentId),
            (
                b"<License ContentID='../x'/>",
                LicenseError::BadContentId("../x".to_owned()),
            ),
        ] {
            assert_eq!(read(bytes).unwrap_err(), error);
        }
        assert!(matches!(
            read(b"<License>"),
            Err(LicenseError::Xml(XmlFault::Malformed(_)))
        ));
    }
}
