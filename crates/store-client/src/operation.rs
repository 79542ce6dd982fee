//! The twelve operations by name.

use std::fmt;

/// An operation of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `GET /Inventory`.
    Inventory,
    /// `GET /Products/{productId}/{skuId}`.
    ProductDetails,
    /// `GET /Products/{productId}/{skuId}/LocalizedDetails/{language}`.
    LocalizedDetails,
    /// `POST /Products/{productId}/{skuId}/OfflineLicense/{contentId}`.
    OfflineLicense,
    /// `GET /Products/{productId}/{skuId}/Packages`.
    Packages,
    /// `GET /Products/{productId}/{skuId}/Packages/{packageId}`.
    Package,
    /// `GET /Inventory/{productId}/{skuId}/Seats`.
    Seats,
    /// `GET /Inventory/{productId}/{skuId}/Seats/{username}`.
    Seat,
    /// `POST /Inventory/{productId}/{skuId}/Seats/{username}`.
    AssignSeat,
    /// `DELETE /Inventory/{productId}/{skuId}/Seats/{username}`.
    ReclaimSeat,
    /// `POST /Inventory/{productId}/{skuId}/Seats`.
    BulkSeats,
    /// `GET /Users/{username}/Seats`.
    UserSeats,
}

impl Operation {
    /// Whether it gives or takes seats: then a lost answer leaves open what happened.
    pub const fn changes_seats(self) -> bool {
        matches!(self, Self::AssignSeat | Self::ReclaimSeat | Self::BulkSeats)
    }

    /// The name for logs and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inventory => "get inventory",
            Self::ProductDetails => "get product details",
            Self::LocalizedDetails => "get localized product details",
            Self::OfflineLicense => "get offline license",
            Self::Packages => "get product packages",
            Self::Package => "get product package",
            Self::Seats => "get seats",
            Self::Seat => "get seat",
            Self::AssignSeat => "assign seat",
            Self::ReclaimSeat => "reclaim seat",
            Self::BulkSeats => "bulk assign and reclaim seats",
            Self::UserSeats => "get seats assigned to a user",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
