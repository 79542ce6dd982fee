//! The catalogue, the seat ledger, the Store.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// An app of the catalogue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct App {
    /// Its id.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Publisher.
    pub publisher: Option<String>,
    /// `store` or `upload`.
    pub source: String,
    /// `online`, `offline` or `none`.
    pub license: String,
    /// The Store's identifiers.
    pub store: Option<StoreIds>,
    /// `Name_PublisherId`.
    pub package_family_name: Option<String>,
    /// Seats of an online-licensed app.
    pub seats: Option<Seats>,
    /// Its packages.
    pub packages: Vec<Package>,
    /// Where its icon is.
    pub icon_url: Option<String>,
    /// `available`, or `removed` once the Store no longer offers it.
    pub state: String,
}

/// The Store's identifiers of an app.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StoreIds {
    /// Product.
    pub product_id: String,
    /// SKU.
    pub sku_id: String,
}

/// Seats, as the Store counts them; `null` where there is no limit.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Seats {
    /// Bought.
    pub total: Option<i64>,
    /// Given out.
    pub assigned: i64,
    /// Left.
    pub available: Option<i64>,
}

/// A package of an app.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Package {
    /// Digest of the content, once it is here.
    pub sha256: Option<String>,
    /// File name.
    pub file_name: String,
    /// Version.
    pub version: String,
    /// Architecture; of a bundle, all inside, joined by `+`.
    pub architecture: String,
    /// Size in bytes.
    pub size: i64,
    /// Whether the content is here.
    pub downloaded: bool,
    /// `main` or `framework`.
    pub role: String,
}

/// Which apps are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AppQuery {
    /// `online`, `offline` or `none`.
    pub license: Option<String>,
    /// Part of the name, publisher or family name.
    pub q: Option<String>,
    /// Page size.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// A seat of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Seat {
    /// Of which app.
    pub app_id: Uuid,
    /// Whose.
    pub upn: String,
    /// `assigning`, `assigned`, `reclaiming`, `reclaimed` or `failed`.
    pub state: String,
    /// Why it is held or was given back.
    pub reason: String,
    /// Since when.
    pub since: String,
}

/// Which seats are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SeatQuery {
    /// Only this app's.
    pub app_id: Option<Uuid>,
    /// Only this user's.
    pub upn: Option<String>,
    /// Page size.
    pub limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

/// How the synchronization with the Store stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// `idle`, `running` or `failed`.
    pub state: String,
    /// End of the last good run.
    pub last_success_at: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Products in the catalogue.
    pub products: i64,
    /// Seats given out.
    pub seats_assigned: i64,
    /// Whether the Store is asked at all.
    pub circuit: StoreCircuit,
}

/// Whether requests go to the Store; all servers share it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StoreCircuit {
    /// `closed`: requests go out. `open`: the Store is left alone. `half_open`: one request finds out how it is.
    pub state: String,
    /// Since when; `null` where it was never otherwise.
    pub since: Option<String>,
    /// When the Store is asked again; `null` while closed. A synchronization by hand asks at once.
    pub retry_at: Option<String>,
    /// What went wrong, and what to do; `null` while closed.
    pub reason: Option<String>,
}
