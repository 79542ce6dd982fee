//! The operations of the service, and how a request is recognised as one.

use crate::{
    catalogue::ProductKey,
    refusal::{Item, Refusal},
};
use http::Method;
use percent_encoding::percent_decode_str;
use qm_core::text_enum;
use uuid::Uuid;

text_enum! {
    /// What a request asks for: the token, one of the twelve operations, or content.
    pub enum Operation {
        /// An access token.
        Token = "token",
        /// Get inventory.
        Inventory = "inventory",
        /// Get product details.
        ProductDetails = "product-details",
        /// Get localized product details.
        LocalizedDetails = "localized-details",
        /// Get offline license.
        OfflineLicense = "offline-license",
        /// Get product packages.
        Packages = "packages",
        /// Get product package.
        Package = "package",
        /// Get seats.
        Seats = "seats",
        /// Get seat.
        Seat = "seat",
        /// Assign seat.
        AssignSeat = "assign-seat",
        /// Reclaim seat from user.
        ReclaimSeat = "reclaim-seat",
        /// Bulk assign and reclaim seats.
        BulkSeats = "bulk-seats",
        /// Get seats assigned to a user.
        UserSeats = "user-seats",
        /// A package from the content host.
        Content = "content",
        /// A picture from the content host.
        Image = "image",
    }
}

impl Operation {
    /// One of the twelve.
    pub const fn is_api(self) -> bool {
        !matches!(self, Self::Token | Self::Content | Self::Image)
    }
    /// Whether it answers in pages.
    pub const fn is_paged(self) -> bool {
        matches!(self, Self::Inventory | Self::Seats | Self::UserSeats)
    }
    /// A POST that carries no body, or a request that never does.
    pub(crate) const fn has_body(self) -> bool {
        matches!(self, Self::Token | Self::BulkSeats)
    }
    /// Query parameters that it knows, in lower case.
    pub(crate) const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Inventory => &[
                CONTINUATION,
                "modifiedsince",
                "licensetypes",
                MAX_RESULTS,
                "includeremoved",
                "includesubscription",
            ],
            Self::Seats | Self::UserSeats => &[CONTINUATION, MAX_RESULTS],
            _ => &[],
        }
    }
}

/// A request that was recognised.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// The variable segments of the path, decoded, in order.
    arguments: Vec<String>,
    /// Query parameters; names in lower case.
    pub(crate) query: Vec<(String, String)>,
}

impl Call {
    /// Recognises a request; `path` is below the base path and still percent-encoded.
    pub(crate) fn parse(method: &Method, path: &str, query: &str) -> Result<Self, Refusal> {
        let segments = path
            .trim_start_matches('/')
            .split('/')
            .map(decode)
            .collect::<Result<Vec<_>, _>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (operation, arguments) =
            recognise(method.as_str(), &segments).ok_or_else(|| unrecognised(&segments))?;
        let query = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned()));
        Ok(Self {
            operation,
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            query: query.collect(),
        })
    }

    /// A request for a token.
    pub(crate) fn token() -> Self {
        Self {
            operation: Operation::Token,
            arguments: Vec::new(),
            query: Vec::new(),
        }
    }

    /// The product that the path names.
    pub(crate) fn key(&self) -> Result<ProductKey, Refusal> {
        let (product_id, sku_id) = (self.argument(0), self.argument(1));
        let alphanumeric = product_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if product_id.len() != 12 || !alphanumeric {
            return Err(Refusal::invalid("productId", product_id));
        }
        // A client that took the SKU for a number has lost the zeros.
        if sku_id.len() != 4 || !sku_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::invalid("skuId", sku_id));
        }
        Ok(ProductKey::new(product_id, sku_id))
    }

    /// The user that the path names.
    pub(crate) fn user(&self) -> Result<&str, Refusal> {
        let index = if self.operation == Operation::UserSeats {
            0
        } else {
            2
        };
        let user = self.argument(index);
        if is_upn(user) {
            Ok(user)
        } else {
            Err(Refusal::invalid("username", user))
        }
    }

    /// The content id that the path names.
    pub(crate) fn content_id(&self) -> Result<Uuid, Refusal> {
        let id = self.argument(2);
        Uuid::parse_str(id).map_err(|_| Refusal::invalid("contentId", id))
    }

    /// The language tag that the path names, in lower case.
    pub(crate) fn language(&self) -> Result<String, Refusal> {
        let tag = self.argument(2);
        let mut parts = tag.split('-');
        let language = parts.next().unwrap_or_default();
        let good = matches!(language.len(), 2 | 3)
            && language.bytes().all(|byte| byte.is_ascii_alphabetic())
            && parts.all(|part| {
                matches!(part.len(), 2..=8) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if good {
            Ok(tag.to_ascii_lowercase())
        } else {
            Err(Refusal::invalid("language", tag))
        }
    }

    /// The package that the path names.
    pub(crate) fn package_id(&self) -> Result<&str, Refusal> {
        let id = self.argument(2);
        let guid = id.get(..GUID_LENGTH).unwrap_or_default();
        Uuid::parse_str(guid)
            .map(|_| id)
            .map_err(|_| Refusal::invalid("packageId", id))
    }

    /// A query parameter that may be given once.
    pub(crate) fn parameter(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self.parameters(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(second)) => Err(Refusal::invalid(name, second)),
        }
    }

    /// All values of a query parameter.
    pub(crate) fn parameters(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the request goes on with a list.
    pub(crate) fn is_continued(&self) -> bool {
        self.parameters(CONTINUATION).any(|token| !token.is_empty())
    }

    fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", String::as_str)
    }
}

fn recognise<'a>(method: &str, segments: &[&'a str]) -> Option<(Operation, Vec<&'a str>)> {
    use Operation as Op;
    Some(match (method, segments) {
        ("GET", ["Inventory"]) => (Op::Inventory, vec![]),
        ("GET", ["Products", product, sku]) => (Op::ProductDetails, vec![product, sku]),
        ("GET", ["Products", product, sku, "LocalizedDetails", language]) => {
            (Op::LocalizedDetails, vec![product, sku, language])
        }
        ("POST", ["Products", product, sku, "OfflineLicense", content]) => {
            (Op::OfflineLicense, vec![product, sku, content])
        }
        ("GET", ["Products", product, sku, "Packages"]) => (Op::Packages, vec![product, sku]),
        ("GET", ["Products", product, sku, "Packages", package]) => {
            (Op::Package, vec![product, sku, package])
        }
        ("GET", ["Inventory", product, sku, "Seats"]) => (Op::Seats, vec![product, sku]),
        ("POST", ["Inventory", product, sku, "Seats"]) => (Op::BulkSeats, vec![product, sku]),
        ("GET", ["Inventory", product, sku, "Seats", user]) => (Op::Seat, vec![product, sku, user]),
        ("POST", ["Inventory", product, sku, "Seats", user]) => (Op::AssignSeat, vec![product, sku, user]),
        ("DELETE", ["Inventory", product, sku, "Seats", user]) => (Op::ReclaimSeat, vec![product, sku, user]),
        ("GET", ["Users", user, "Seats"]) => (Op::UserSeats, vec![user]),
        _ => return None,
    })
}

/// Tells a wrong verb from a wrong path.
fn unrecognised(segments: &[&str]) -> Refusal {
    let verbs = ["GET", "POST", "DELETE"];
    if verbs.iter().any(|verb| recognise(verb, segments).is_some()) {
        Refusal::WrongVerb
    } else {
        Refusal::NotFound(Item::Unnamed, segments.join("/"))
    }
}

fn decode(segment: &str) -> Result<String, Refusal> {
    percent_decode_str(segment)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Refusal::invalid("path", segment))
}

/// Whether a text has the form of a user principal name.
pub(crate) fn is_upn(text: &str) -> bool {
    let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@');
    clean && parts.is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
}

/// The token of the next page, as a query parameter's name.
pub(crate) const CONTINUATION: &str = "continuationtoken";
/// The page size, as a query parameter's name.
pub(crate) const MAX_RESULTS: &str = "maxresults";
const GUID_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str) -> Result<Operation, Refusal> {
        Call::parse(&method.parse().unwrap(), path, "").map(|call| call.operation)
    }

    #[test]
    fn recognises_the_twelve_operations() {
        for (method, path, operation) in [
            ("GET", "/Inventory", Operation::Inventory),
            ("GET", "/Products/P/S", Operation::ProductDetails),
            (
                "GET",
                "/Products/P/S/LocalizedDetails/en-us",
                Operation::LocalizedDetails,
            ),
            (
                "POST",
                "/Products/P/S/OfflineLicense/C",
                Operation::OfflineLicense,
            ),
            ("GET", "/Products/P/S/Packages", Operation::Packages),
            ("GET", "/Products/P/S/Packages/K", Operation::Package),
            ("GET", "/Inventory/P/S/Seats", Operation::Seats),
            ("GET", "/Inventory/P/S/Seats/u", Operation::Seat),
            ("POST", "/Inventory/P/S/Seats/u", Operation::AssignSeat),
            ("DELETE", "/Inventory/P/S/Seats/u", Operation::ReclaimSeat),
            ("POST", "/Inventory/P/S/Seats", Operation::BulkSeats),
            ("GET", "/Users/u/Seats", Operation::UserSeats),
        ] {
            assert_eq!(parse(method, path), Ok(operation), "{method} {path}");
        }
    }

    #[test]
    fn refuses_other_verbs_and_other_casings_differently() {
        for (method, path) in [
            ("POST", "/Inventory"),
            ("GET", "/Products/P/S/OfflineLicense/C"),
            ("DELETE", "/Inventory/P/S/Seats"),
            ("PUT", "/Inventory/P/S/Seats/u"),
        ] {
            assert_eq!(parse(method, path), Err(Refusal::WrongVerb), "{method} {path}");
        }
        for path in ["/inventory", "/Products/P", "/Products/P/S/packages", "/"] {
            assert!(matches!(parse("GET", path), Err(Refusal::NotFound(..))), "{path}");
        }
    }

    #[test]
    fn arguments_are_decoded_as_path_segments() {
        let path = "/Inventory/9ABC/0010/Seats/tom%2Bx_partner.example%23EXT%23%40org.example";
        let call = Call::parse(&Method::GET, path, "").unwrap();
        assert_eq!(call.user(), Ok("tom+x_partner.example#EXT#@org.example"));
        assert!(Call::parse(&Method::GET, "/Users/%ff/Seats", "").is_err());
    }

    #[test]
    fn checks_the_form_of_its_arguments() {
        let call = |path: &str| Call::parse(&Method::GET, path, "").unwrap();
        assert!(call("/Products/9NTERN7SK3TC/0010").key().is_ok());
        assert!(
            call("/Products/9NTERN7SK3TC/10").key().is_err(),
            "the zeros were lost"
        );
        assert!(call("/Products/9NTERN7SK3T/0010").key().is_err());
        for (tag, good) in [
            ("en-us", true),
            ("zh-Hans-CN", true),
            ("e", false),
            ("en_us", false),
            ("en-", false),
        ] {
            let path = format!("/Products/P/S/LocalizedDetails/{tag}");
            assert_eq!(call(&path).language().is_ok(), good, "{tag}");
        }
        for (user, good) in [("a@b", true), ("a", false), ("@b", false), ("a%20b@c", false)] {
            assert_eq!(
                call(&format!("/Users/{user}/Seats")).user().is_ok(),
                good,
                "{user}"
            );
        }
    }
}
