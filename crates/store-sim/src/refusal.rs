//! What the service refuses, with the codes and reasons of its documentation.

use http::StatusCode;
use serde_json::{Value, json};

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A parameter is missing.
    Missing(&'static str),
    /// A parameter cannot be.
    Invalid {
        parameter: &'static str,
        details: String,
    },
    /// No such thing.
    NotFound(Item, String),
    /// As 404, but answered as a conflict: the request does not suit the product.
    Conflict(Reason, String),
    /// A seat was wanted and none is left; the status is configured.
    NoSeats(StatusCode, String),
    /// No token, or none that is good.
    Unauthorized,
    /// The tool is not activated in the organization's portal.
    NotActivated,
    /// A POST without `Content-Length`.
    LengthRequired,
    /// A body that is not JSON.
    MediaType,
    /// A path of the service with another verb.
    WrongVerb,
}

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// The documentation names no item type.
    Unnamed,
    Inventory,
    User,
    Seat,
    Product,
    Language,
}

/// Why a request conflicts with its product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Unowned,
    OnlineLicensed,
    OfflineLicensed,
}

impl Refusal {
    pub(crate) fn invalid(parameter: &'static str, details: impl Into<String>) -> Self {
        Self::Invalid {
            parameter,
            details: details.into(),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_) | Self::Invalid { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound(..) => StatusCode::NOT_FOUND,
            Self::Conflict(..) => StatusCode::CONFLICT,
            Self::NoSeats(status, _) => *status,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotActivated => StatusCode::FORBIDDEN,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WrongVerb => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The error body.
    pub(crate) fn body(&self) -> Value {
        let status = self.status();
        let code = status.canonical_reason().unwrap_or_default().replace(' ', "");
        json!({ "code": code, "message": self.message(), "data": self.data() })
    }

    fn message(&self) -> &'static str {
        match self {
            Self::Missing(_) => "A required parameter is missing.",
            Self::Invalid { .. } => "A parameter has a value that is not valid.",
            Self::NotFound(..) => "There is no such item.",
            Self::Conflict(..) => "The operation does not apply to this item.",
            Self::NoSeats(..) => "Every seat of the product is assigned.",
            Self::Unauthorized => "A valid access token is required.",
            Self::NotActivated => "The application is not an active management tool of the organization.",
            Self::LengthRequired => "The length of the body must be given.",
            Self::MediaType => "The body must be JSON.",
            Self::WrongVerb => "The resource does not support this method.",
        }
    }

    fn data(&self) -> Value {
        match self {
            Self::Missing(parameter) => json!({ "parameterName": parameter, "reason": "Missing parameter" }),
            Self::Invalid { parameter, details } => {
                json!({ "parameterName": parameter, "reason": "Invalid parameter", "details": details })
            }
            Self::NotFound(Item::Unnamed, _) => Value::Null,
            Self::NotFound(item, value) => json!({ "itemType": item.as_str(), "values": [value] }),
            Self::Conflict(reason, value) => json!({ "reason": reason.as_str(), "details": value }),
            Self::NoSeats(_, value) => json!({ "reason": NO_SEATS, "details": value }),
            _ => Value::Null,
        }
    }
}

impl Item {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unnamed => "",
            Self::Inventory => "Inventory",
            Self::User => "User",
            Self::Seat => "Seat",
            Self::Product => "Product/SKU",
            Self::Language => "language",
        }
    }
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unowned => "Not owned",
            Self::OnlineLicensed => "Not offline",
            Self::OfflineLicensed => "Not online",
        }
    }
}

/// The reason given where no seat is left; nothing about it is documented.
pub(crate) const NO_SEATS: &str = "No seats available";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_carries_its_documented_data() {
        for (refusal, status, data) in [
            (
                Refusal::Missing("seatAction"),
                400,
                json!({"parameterName": "seatAction", "reason": "Missing parameter"}),
            ),
            (
                Refusal::NotFound(Item::User, "a@b".to_owned()),
                404,
                json!({"itemType": "User", "values": ["a@b"]}),
            ),
            (
                Refusal::Conflict(Reason::Unowned, "9A/0010".to_owned()),
                409,
                json!({"reason": "Not owned", "details": "9A/0010"}),
            ),
            (Refusal::Unauthorized, 401, Value::Null),
            (Refusal::NotActivated, 403, Value::Null),
        ] {
            assert_eq!(refusal.status().as_u16(), status);
            assert_eq!(refusal.body()["data"], data);
        }
        assert_eq!(Refusal::LengthRequired.body()["code"], "LengthRequired");
    }
}
