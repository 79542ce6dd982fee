//! The catalogue: apps, their packages and their offline licenses.

use crate::{AppId, Architecture, PackageId, Secret, Sha256, Timestamp, Version, text_enum};

text_enum! {
    /// Where an app came from.
    pub enum AppSource {
        /// The Microsoft Store for Business management service.
        Store = "store",
        /// An administrator's upload.
        Upload = "upload",
    }
}
text_enum! {
    /// How an app is licensed.
    pub enum LicenseKind {
        /// A seat for each user, assigned at the Store.
        Online = "online",
        /// A license file that is sent to the device.
        Offline = "offline",
        /// Needs none.
        None = "none",
    }
}
text_enum! {
    /// Whether the source still offers an app.
    pub enum AppState {
        /// Offered.
        Available = "available",
        /// Gone from the Store's inventory; what was synchronized stays deployable.
        Removed = "removed",
    }
}

/// An app of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Primary key.
    pub id: AppId,
    /// Display name.
    pub name: String,
    /// Publisher's display name, else its distinguished name.
    pub publisher: Option<String>,
    /// Longer text for people.
    pub description: Option<String>,
    /// Where it came from.
    pub source: AppSource,
    /// How it is licensed.
    pub license: LicenseKind,
    /// Whether the source still offers it.
    pub state: AppState,
    /// The Store's product id, for Store apps.
    pub product_id: Option<String>,
    /// The Store's SKU id, for Store apps.
    pub sku_id: Option<String>,
    /// `Name_PublisherId`; a Store app may lack it until its details were read.
    pub package_family_name: Option<String>,
    /// Seats, for online-licensed apps with a count.
    pub seats: Option<SeatCounts>,
    /// The icon in the content store.
    pub icon: Option<Sha256>,
    /// First seen.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
}

/// Seats of an online-licensed app, as the Store counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeatCounts {
    /// Bought; `None` where the policy is unlimited.
    pub total: Option<i64>,
    /// Given out.
    pub assigned: i64,
    /// Left; `None` where the policy is unlimited.
    pub available: Option<i64>,
}

/// A family of devices that a package runs on, from a version of Windows up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceFamily {
    /// `Windows.Universal`, `Windows.Desktop`, …
    pub name: String,
    /// The lowest OS version.
    pub min_version: Version,
}

text_enum! {
    /// What a package is to its app.
    pub enum PackageRole {
        /// The app itself.
        Main = "main",
        /// A framework that the app needs.
        Framework = "framework",
    }
}

/// A package (or bundle) of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Primary key.
    pub id: PackageId,
    /// Whose it is.
    pub app_id: AppId,
    /// The app itself or one of its frameworks.
    pub role: PackageRole,
    /// The Store's package id, for Store packages.
    pub store_package_id: Option<String>,
    /// The content id that its offline license is for.
    pub content_id: Option<String>,
    /// `Name_Version_Arch_ResourceId_PublisherId`.
    pub full_name: String,
    /// Name for the device's download address; keeps the real extension.
    pub file_name: String,
    /// Four-part version; the bundle's own for a bundle.
    pub version: Version,
    /// Architectures inside; more than one only for bundles.
    pub architectures: Vec<Architecture>,
    /// A bundle of several packages.
    pub bundle: bool,
    /// Device families it runs on; empty means any.
    pub families: Vec<DeviceFamily>,
    /// The Store's preference among equals, higher first.
    pub rank: i64,
    /// Size of the file in bytes.
    pub size: i64,
    /// The content, once it is in the content store.
    pub sha256: Option<Sha256>,
    /// Frameworks that must be sent along (ids of packages with [`PackageRole::Framework`]).
    pub frameworks: Vec<PackageId>,
}

impl Package {
    /// The architecture to show: the only one, else all joined by `+`.
    pub fn architecture_label(&self) -> String {
        let labels: Vec<_> = self.architectures.iter().map(|a| a.as_str()).collect();
        if labels.is_empty() {
            Architecture::Neutral.to_string()
        } else {
            labels.join("+")
        }
    }
}

/// An offline license: one for each app and content id, the same for all devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineLicense {
    /// For which app.
    pub app_id: AppId,
    /// The device's `LicenseID` node.
    pub content_id: String,
    /// Changes when the Store renews the license.
    pub instance_id: Option<String>,
    /// Base64 text, exactly as it goes to the device.
    pub blob: Secret<String>,
    /// When it was fetched or uploaded.
    pub fetched_at: Timestamp,
}
