//! Products as the service knows them: what an organization acquired, with texts, images and packages.
//!
//! [`demo`] is a small catalogue of real packages; [`Product::online`] and [`Product::offline`] start others,
//! [`PackageEntry::from_file`] takes a package that somebody else made.

mod demo;

pub use demo::{DEMO_OFFLINE, DEMO_ONLINE, demo, many};

use crate::appx::{AppxError, PackageIdentity};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use qm_core::{Architecture, Version, text_enum};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// Product and SKU: what every call names a product by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductKey {
    /// 12 letters and digits, upper case.
    pub product_id: String,
    /// Four digits; the zeros in front matter.
    pub sku_id: String,
}

impl ProductKey {
    /// A key; product ids compare without case.
    pub fn new(product_id: &str, sku_id: &str) -> Self {
        Self {
            product_id: product_id.to_ascii_uppercase(),
            sku_id: sku_id.to_owned(),
        }
    }
}

impl fmt::Display for ProductKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.product_id, self.sku_id)
    }
}

text_enum! {
    /// How a product is licensed.
    pub enum LicenseType {
        /// A seat for each user.
        Online = "Online",
        /// A license file for the organization.
        Offline = "Offline",
    }
}

text_enum! {
    /// Whether seats are counted.
    pub enum DistributionPolicy {
        /// They are not.
        Open = "Open",
        /// No more than there are.
        Restricted = "Restricted",
    }
}

/// A product with everything that the service answers about it.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its key.
    pub key: ProductKey,
    /// How it is licensed.
    pub license_type: LicenseType,
    /// Whether its seats are counted.
    pub policy: DistributionPolicy,
    /// Seats acquired; may be lowered below what is assigned.
    pub seat_capacity: u64,
    /// `Application`, except for subscriptions and the like.
    pub product_type: String,
    /// Absent from products that are no apps.
    pub family_name: Option<String>,
    /// The publisher's number at the Store.
    pub publisher_id: String,
    /// The publisher's name for people.
    pub publisher_name: String,
    /// The publisher's web site.
    pub publisher_website: String,
    /// The Store's category.
    pub category: String,
    /// Names and descriptions by language tag, lower case; the first is what others fall back to.
    pub texts: BTreeMap<String, Texts>,
    /// Type and value of legacy identifiers.
    pub alternate_ids: Vec<(String, String)>,
    /// Artwork.
    pub images: Vec<Image>,
    /// Main packages with their frameworks.
    pub packages: Vec<PackageEntry>,
}

impl Product {
    /// An online-licensed app with a number of seats and no packages.
    pub fn online(key: ProductKey, name: &str, family_name: &str, seats: u64) -> Self {
        Self {
            license_type: LicenseType::Online,
            policy: DistributionPolicy::Restricted,
            seat_capacity: seats,
            ..Self::offline(key, name, family_name, Vec::new())
        }
    }

    /// An offline-licensed app.
    pub fn offline(key: ProductKey, name: &str, family_name: &str, packages: Vec<PackageEntry>) -> Self {
        let texts = Texts {
            name: name.to_owned(),
            description: format!("{name}, for trying things out."),
        };
        Self {
            key,
            license_type: LicenseType::Offline,
            policy: DistributionPolicy::Open,
            seat_capacity: 0,
            product_type: "Application".to_owned(),
            family_name: Some(family_name.to_owned()),
            publisher_id: "50214477".to_owned(),
            publisher_name: "Saltmarsh Software".to_owned(),
            publisher_website: "https://saltmarsh.example".to_owned(),
            category: "Productivity".to_owned(),
            texts: BTreeMap::from([("en-us".to_owned(), texts)]),
            alternate_ids: Vec::new(),
            images: Vec::new(),
            packages,
        }
    }

    /// The online-licensed entry of the same app under another SKU.
    #[must_use]
    pub fn online_twin(&self, sku_id: &str, seats: u64) -> Self {
        Self {
            key: ProductKey::new(&self.key.product_id, sku_id),
            license_type: LicenseType::Online,
            policy: DistributionPolicy::Restricted,
            seat_capacity: seats,
            ..self.clone()
        }
    }

    /// Adds a language.
    #[must_use]
    pub fn with_texts(mut self, language: &str, name: &str, description: &str) -> Self {
        let texts = Texts {
            name: name.to_owned(),
            description: description.to_owned(),
        };
        self.texts.insert(language.to_ascii_lowercase(), texts);
        self
    }

    /// Names this combination of packages; changes when one of them does.
    pub fn package_set_id(&self) -> Uuid {
        let mut sha = Sha256::new();
        for package in &self.packages {
            for file in std::iter::once(&package.file).chain(&package.frameworks) {
                sha.update(&file.id);
                sha.update(&file.hash);
            }
        }
        id_from(&sha.finalize())
    }
}

/// A name and a description in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The app's name.
    pub name: String,
    /// Up to 10,000 characters.
    pub description: String,
}

/// A picture of a product.
#[derive(Debug, Clone)]
pub struct Image {
    /// A tag such as `logo`.
    pub purpose: String,
    /// Width and height in pixels.
    pub edge: u16,
    /// The PNG file.
    pub content: Bytes,
}

/// A main package with the frameworks it needs.
#[derive(Debug, Clone)]
pub struct PackageEntry {
    /// The package.
    pub file: PackageFile,
    /// Frameworks, one for each architecture.
    pub frameworks: Vec<PackageFile>,
}

impl PackageEntry {
    /// A main package from a package or bundle file and the files of its frameworks. The file names only tell
    /// `.msix` from `.appx`.
    pub fn from_files(main: (&str, Bytes), frameworks: &[(&str, Bytes)]) -> Result<Self, AppxError> {
        let frameworks = frameworks
            .iter()
            .map(|(name, content)| PackageFile::read(name, content.clone()));
        Ok(Self {
            file: PackageFile::read(main.0, main.1)?,
            frameworks: frameworks.collect::<Result<_, _>>()?,
        })
    }

    /// A main package without frameworks.
    pub fn from_file(name: &str, content: Bytes) -> Result<Self, AppxError> {
        Self::from_files((name, content), &[])
    }
}

impl PackageEntry {
    /// The package family name, as the full name has it.
    pub fn family_name(&self) -> String {
        let hash = self.file.full_name.rsplit('_').next().unwrap_or_default();
        format!("{}_{hash}", self.file.identity_name)
    }
}

/// A downloadable file with what the service says about it. Texts are free: the service may say anything.
#[derive(Debug, Clone)]
pub struct PackageFile {
    /// A GUID and the architectures.
    pub id: String,
    /// Names the licensed content.
    pub content_id: Uuid,
    /// Empty for XAP packages.
    pub full_name: String,
    /// Identity name.
    pub identity_name: String,
    /// Architectures.
    pub architectures: Vec<String>,
    /// `appx`, `appxBundle`, `msix`, `msixBundle`, …
    pub format: String,
    /// Device families with the lowest Windows version.
    pub families: Vec<(String, Version)>,
    /// Package version.
    pub version: Version,
    /// Higher is preferred.
    pub rank: Option<i32>,
    /// Where false, no address is given out.
    pub downloadable: bool,
    /// The file.
    pub content: Bytes,
    /// SHA-256 of the file, base64.
    pub hash: String,
}

impl PackageFile {
    /// Reads the file's identity; ids are made from its bytes, so the same file has the same ids.
    pub fn read(name: &str, content: Bytes) -> Result<Self, AppxError> {
        let identity = PackageIdentity::read(&content)?;
        let digest = Sha256::digest(&content);
        let architectures = identity.architectures.iter();
        let architectures: Vec<_> = architectures.map(|one| one.as_str().to_owned()).collect();
        Ok(Self {
            id: package_id(&identity.architectures, &digest),
            content_id: id_from(&Sha256::digest(identity.family_name())),
            full_name: identity.full_name(),
            format: format(name, identity.bundle).to_owned(),
            identity_name: identity.name,
            architectures,
            families: identity.families,
            version: identity.version,
            rank: Some(10),
            downloadable: true,
            content,
            hash: STANDARD.encode(digest),
        })
    }
}

fn package_id(architectures: &[Architecture], digest: &[u8]) -> String {
    let mut id = id_from(digest).to_string();
    for architecture in architectures {
        let name = architecture.as_str();
        id.extend(["-", &name[..1].to_ascii_uppercase(), &name[1..]]);
    }
    id
}

fn format(name: &str, bundle: bool) -> &'static str {
    let msix = name.rsplit_once('.').is_some_and(|(_, extension)| {
        extension.eq_ignore_ascii_case("msix") || extension.eq_ignore_ascii_case("msixbundle")
    });
    match (msix, bundle) {
        (true, true) => "msixBundle",
        (true, false) => "msix",
        (false, true) => "appxBundle",
        (false, false) => "appx",
    }
}

/// A GUID out of a digest.
fn id_from(digest: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, from) in bytes.iter_mut().zip(digest) {
        *byte = *from;
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_ids_compare_without_case_and_skus_are_text() {
        assert_eq!(ProductKey::new("9abc", "0010"), ProductKey::new("9ABC", "0010"));
        assert_ne!(ProductKey::new("9ABC", "0010"), ProductKey::new("9ABC", "10"));
    }

    #[test]
    fn formats_follow_the_file_name_and_the_content() {
        for (name, bundle, expected) in [
            ("a.msixbundle", true, "msixBundle"),
            ("a.AppxBundle", true, "appxBundle"),
            ("a.MSIX", false, "msix"),
            ("a", false, "appx"),
        ] {
            assert_eq!(format(name, bundle), expected, "{name}");
        }
    }

    #[test]
    fn a_package_set_changes_its_name_with_its_packages() {
        let product = demo(3).unwrap().remove(1);
        let mut changed = product.clone();
        assert_eq!(product.package_set_id(), changed.package_set_id());
        changed.packages[0].frameworks.pop();
        assert_ne!(product.package_set_id(), changed.package_set_id());
    }
}
