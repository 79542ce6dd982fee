//! What the service tells about products, licenses and seats. Everything but the product key may be missing.

use crate::lenient::{Fields, text};
use qm_core::{Secret, Timestamp};
use serde_json::Value;

/// Declares an enumeration of the service: compared without case, unknown values kept.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value that this program does not know, as received.
            Other(String),
        }

        impl $name {
            /// Reads a value; never fails.
            pub fn read(text: &str) -> Self {
                let text = text.trim();
                $(if text.eq_ignore_ascii_case($text) { return Self::$variant; })+
                Self::Other(text.to_owned())
            }

            /// The value as text.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $text,)+ Self::Other(text) => text }
            }
        }
    };
}
pub(crate) use open_enum;

open_enum! {
    /// How a product is licensed.
    LicenseType {
        /// A seat for each user.
        Online = "online",
        /// A license file.
        Offline = "offline",
    }
}
open_enum! {
    /// Whether a product is in the inventory.
    InventoryStatus {
        /// It is.
        Active = "Active",
        /// It was taken out.
        Removed = "Removed",
    }
}
open_enum! {
    /// Whether seats are counted.
    DistributionPolicy {
        /// Without limit; the counts mean nothing.
        Open = "Open",
        /// No more than acquired.
        Restricted = "Restricted",
    }
}
open_enum! {
    /// Where a seat stands.
    SeatState {
        /// Held.
        Active = "Active",
        /// Taken back.
        Revoked = "Revoked",
    }
}

/// A product of the Store. The SKU id is text: its leading zeros count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProductKey {
    /// `productId`, as received.
    pub product_id: String,
    /// `skuId`, as received.
    pub sku_id: String,
}

impl ProductKey {
    /// Reads `productKey` of what is about a product.
    pub fn read(fields: Fields<'_>) -> Option<Self> {
        let key = fields.object("productKey")?;
        Some(Self {
            product_id: key.text("productId")?,
            sku_id: key.text("skuId")?,
        })
    }

    /// The form to compare by: without case.
    #[must_use]
    pub fn folded(&self) -> Self {
        Self {
            product_id: self.product_id.to_ascii_uppercase(),
            sku_id: self.sku_id.to_ascii_uppercase(),
        }
    }
}

/// An entry of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryEntry {
    /// Key for all further calls.
    pub key: ProductKey,
    /// Seats acquired; meaningless under [`DistributionPolicy::Open`].
    pub seat_capacity: Option<i64>,
    /// Seats left; meaningless under [`DistributionPolicy::Open`], and late after an assignment.
    pub available_seats: Option<i64>,
    /// Last change of details, app or quantity.
    pub last_modified: Option<Timestamp>,
    /// Online or offline.
    pub license: Option<LicenseType>,
    /// Counted or not.
    pub policy: Option<DistributionPolicy>,
    /// In the inventory or taken out.
    pub status: Option<InventoryStatus>,
}

impl InventoryEntry {
    /// Reads an entry; one without a key is none.
    pub fn read(value: &Value) -> Option<Self> {
        let fields = Fields::of(value)?;
        Some(Self {
            key: ProductKey::read(fields)?,
            seat_capacity: fields.int("seatCapacity"),
            available_seats: fields.int("availableSeats"),
            last_modified: fields.date("lastModified"),
            license: fields.text("licenseType").as_deref().map(LicenseType::read),
            policy: fields
                .text("distributionPolicy")
                .as_deref()
                .map(DistributionPolicy::read),
            status: fields.text("status").as_deref().map(InventoryStatus::read),
        })
    }

    /// Whether it is counted and all seats are taken.
    pub fn is_exhausted(&self) -> bool {
        self.policy == Some(DistributionPolicy::Restricted)
            && self.available_seats.is_some_and(|left| left <= 0)
    }

    /// Whether it was taken out of the inventory.
    pub fn is_removed(&self) -> bool {
        self.status == Some(InventoryStatus::Removed)
    }
}

/// An identifier of the same product elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlternateId {
    /// `LegacyWindowsPhoneProductId`, `RedirectToThresholdProductId`, …
    pub kind: String,
    /// The identifier.
    pub value: String,
}

/// What the Store tells about a product in no particular language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductDetails {
    /// `Application` for apps.
    pub product_type: Option<String>,
    /// `Store`, `Enterprise` or `LineOfBusiness`; undocumented.
    pub application_type: Option<String>,
    /// Languages that details exist in.
    pub languages: Vec<String>,
    /// Id of the publisher.
    pub publisher_id: Option<String>,
    /// Category of the Store.
    pub category: Option<String>,
    /// The same product elsewhere.
    pub alternate_ids: Vec<AlternateId>,
    /// `Name_PublisherHash`; without it nothing can be deployed.
    pub package_family_name: Option<String>,
    /// Where it runs.
    pub platforms: Vec<crate::Platform>,
}

impl ProductDetails {
    /// Reads what there is.
    pub fn read(fields: Fields<'_>) -> Self {
        Self {
            product_type: fields.text("productType"),
            application_type: fields.text("applicationType"),
            languages: fields.texts("supportedLanguages"),
            publisher_id: fields.text("publisherId"),
            category: fields.text("category"),
            alternate_ids: fields.list("alternateIds", alternate_id).items,
            package_family_name: fields.text("packageFamilyName"),
            platforms: fields.list("supportedPlatforms", crate::Platform::read).items,
        }
    }
}

fn alternate_id(value: &Value) -> Option<AlternateId> {
    let fields = Fields::of(value)?;
    Some(AlternateId {
        kind: fields.text("type")?,
        value: fields.text("value")?,
    })
}

/// What the Store tells about a product in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalizedDetails {
    /// The language delivered, which may differ from the one asked for.
    pub language: Option<String>,
    /// Name for people.
    pub display_name: Option<String>,
    /// Longer text, up to 10,000 characters.
    pub description: Option<String>,
    /// Artwork.
    pub images: Vec<ProductImage>,
    /// Publisher's name for people.
    pub publisher: Option<String>,
    /// Publisher's site.
    pub publisher_website: Option<String>,
}

impl LocalizedDetails {
    /// Reads what there is.
    pub fn read(fields: Fields<'_>) -> Self {
        let publisher = fields.object("publisher");
        Self {
            language: fields.text("language"),
            display_name: fields.text("displayName"),
            description: fields.text("description"),
            images: fields.list("images", ProductImage::read).items,
            publisher: publisher.and_then(|publisher| publisher.text("publisherName")),
            publisher_website: publisher.and_then(|publisher| publisher.text("publisherWebsite")),
        }
    }
}

/// A picture of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductImage {
    /// Its address.
    pub location: String,
    /// `logo`, `screenshot`, …
    pub purpose: Option<String>,
    /// Height in pixels.
    pub height: Option<i64>,
    /// Width in pixels.
    pub width: Option<i64>,
    /// `#RRGGBB` to show it on.
    pub background: Option<String>,
    /// Size in bytes.
    pub size: Option<u64>,
}

impl ProductImage {
    fn read(value: &Value) -> Option<Self> {
        let fields = Fields::of(value)?;
        Some(Self {
            location: fields.text("location")?,
            purpose: fields.text("purpose"),
            height: fields.int("height"),
            width: fields.int("width"),
            background: fields.text("backgroundColor"),
            size: fields.size("fileSize"),
        })
    }
}

/// An offline license of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// Base64 text as it goes to the device, without white space.
    pub blob: Secret<String>,
    /// Changes when the license is renewed.
    pub instance_id: Option<String>,
    /// The organization that asked.
    pub requestor_id: Option<String>,
    /// The license's own id: the node name on the device.
    pub content_id: Option<String>,
}

impl License {
    /// Reads a license; one without its text is none.
    pub fn read(fields: Fields<'_>) -> Option<Self> {
        let blob: String = fields.text("licenseBlob")?.split_whitespace().collect();
        Some(Self {
            blob: Secret::new(blob),
            instance_id: fields.text("licenseInstanceId"),
            requestor_id: fields.text("requestorId"),
            content_id: fields.text("contentId"),
        })
    }
}

/// A seat of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Whose, as received.
    pub upn: String,
    /// Since when.
    pub assigned_at: Option<Timestamp>,
    /// Held or taken back; absent counts as held, as the service lists active seats only.
    pub state: SeatState,
    /// Of which product, where the answer says so.
    pub key: Option<ProductKey>,
}

impl Seat {
    /// Reads a seat of a list; one that is nobody's is none.
    pub fn read(value: &Value) -> Option<Self> {
        let fields = Fields::of(value)?;
        Some(Self::of(fields, fields.text("assignedTo")?, SeatState::Active))
    }

    /// Reads a seat whose user and expected state are known from the question.
    pub fn of(fields: Fields<'_>, upn: String, expected: SeatState) -> Self {
        Self {
            upn,
            assigned_at: fields.date("dateAssigned"),
            state: fields
                .get("state")
                .and_then(text)
                .map_or(expected, |state| SeatState::read(&state)),
            key: ProductKey::read(fields),
        }
    }

    /// Whether the user holds it.
    pub fn is_active(&self) -> bool {
        self.state != SeatState::Revoked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_an_entry_in_any_casing() {
        let expected = InventoryEntry {
            key: ProductKey {
                product_id: "9ABC".into(),
                sku_id: "0015".into(),
            },
            seat_capacity: Some(i64::MAX),
            available_seats: Some(0),
            last_modified: Some(Timestamp::from_millis(1_709_251_200_000)),
            license: Some(LicenseType::Online),
            policy: Some(DistributionPolicy::Open),
            status: Some(InventoryStatus::Active),
        };
        let pascal = json!({
            "ProductKey": { "ProductId": "9ABC", "SkuId": "0015" }, "SeatCapacity": "9223372036854775807",
            "AvailableSeats": "0", "LastModified": "2024-03-01T00:00:00", "LicenseType": "ONLINE",
            "DistributionPolicy": "open", "Status": "active", "Surprise": [1],
        });
        let camel = json!({
            "productKey": { "productId": "9ABC", "skuId": "0015" }, "seatCapacity": i64::MAX, "availableSeats": 0,
            "lastModified": "2024-03-01T00:00:00.0000000Z", "licenseType": "Online", "distributionPolicy": "Open",
            "status": "Active",
        });
        assert_eq!(InventoryEntry::read(&pascal), Some(expected.clone()));
        assert_eq!(InventoryEntry::read(&camel), Some(expected));
    }

    #[test]
    fn needs_nothing_but_the_key_and_keeps_unknown_values() {
        let bare = InventoryEntry::read(&json!({
            "productKey": { "productId": "9ABC", "skuId": "0015" }, "licenseType": "Leased", "status": null,
        }))
        .unwrap();
        assert_eq!(bare.license, Some(LicenseType::Other("Leased".into())));
        assert_eq!((bare.status, bare.policy, bare.seat_capacity), (None, None, None));
        assert_eq!(
            InventoryEntry::read(&json!({ "productKey": { "productId": "9ABC" } })),
            None
        );
    }

    #[test]
    fn a_license_loses_white_space_only() {
        let answer = json!({ "LicenseBlob": " PExp\r\nYz4=\n", "licenseInstanceId": null });
        let license = License::read(Fields::of(&answer).unwrap()).unwrap();
        assert_eq!(license.blob.expose(), "PExpYz4=");
        assert!(!format!("{license:?}").contains("PExp"));
        assert_eq!(
            License::read(Fields::of(&json!({ "licenseBlog": "x" })).unwrap()),
            None
        );
    }

    #[test]
    fn exhausted_means_counted_and_taken() {
        let entry = |policy: &str, left: i64| {
            InventoryEntry::read(&json!({
                "productKey": { "productId": "9", "skuId": "1" }, "distributionPolicy": policy, "availableSeats": left,
            }))
            .unwrap()
        };
        assert!(entry("Restricted", 0).is_exhausted());
        assert!(!entry("Restricted", 1).is_exhausted());
        assert!(!entry("Open", 0).is_exhausted());
    }
}
