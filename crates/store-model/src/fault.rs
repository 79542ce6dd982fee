//! Error bodies: their schema is unpublished, so everything readable is collected and nothing is required.

use serde_json::Value;

/// What the service said with a refusal, as far as it could be read. Statuses decide; this refines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// The HTTP status.
    pub status: u16,
    /// `reason`, or what stands for it.
    pub reason: Option<String>,
    /// `code`.
    pub code: Option<String>,
    /// `message`.
    pub message: Option<String>,
    /// `details`.
    pub details: Option<String>,
    /// `parameterName`.
    pub parameter: Option<String>,
    /// `itemType`: what was not found.
    pub item_type: Option<String>,
    /// `value` or `values` that go with the item type.
    pub value: Option<String>,
}

/// What a 404 says is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The product is not in the inventory.
    #[error("inventory entry")]
    Inventory,
    /// No details in that language.
    #[error("language")]
    Language,
    /// No such product or SKU.
    #[error("product or SKU")]
    Product,
    /// The user has no seat.
    #[error("seat")]
    Seat,
    /// It did not say.
    #[error("item")]
    Unsaid,
    /// The user is not in the directory.
    #[error("user")]
    User,
}

/// What a 409 says is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The product is online-licensed.
    #[error("the product is not licensed offline")]
    NotOffline,
    /// The product is offline-licensed and has no seats.
    #[error("the product is not licensed online")]
    NotOnline,
    /// The organization does not hold the product.
    #[error("the organization does not own the product")]
    NotOwned,
    /// It did not say.
    #[error("it conflicts with the state of the product")]
    Unsaid,
}

impl Fault {
    /// Reads what there is; a body that is no JSON object gives the status alone.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let text = body.strip_prefix(BOM).unwrap_or(body);
        let json = serde_json::from_slice::<Value>(text)
            .ok()
            .filter(Value::is_object);
        let find = |name: &str| json.as_ref().and_then(|json| find(json, name));
        Self {
            status,
            reason: find("reason"),
            code: find("code"),
            message: find("message"),
            details: find("details"),
            parameter: find("parametername"),
            item_type: find("itemtype"),
            value: find("value").or_else(|| find("values")),
        }
    }

    /// What is missing, for a 404.
    pub fn missing(&self) -> Missing {
        let named = self
            .item_type
            .as_deref()
            .map(letters)
            .and_then(|text| item(&text));
        // Without an item type only an outright "…NotFound" counts: a message may mention a user in passing.
        let told = [&self.reason, &self.code]
            .into_iter()
            .flatten()
            .find_map(|text| letters(text).strip_suffix("notfound").and_then(item));
        named.or(told).unwrap_or(Missing::Unsaid)
    }

    /// What is wrong, for a 409.
    pub fn conflict(&self) -> Conflict {
        self.texts()
            .find_map(|text| {
                [
                    ("notoffline", Conflict::NotOffline),
                    ("notonline", Conflict::NotOnline),
                    ("notowned", Conflict::NotOwned),
                ]
                .into_iter()
                .find_map(|(word, conflict)| text.contains(word).then_some(conflict))
            })
            .unwrap_or(Conflict::Unsaid)
    }

    /// Whether the service says in words that all seats are taken. It documents no such answer.
    pub fn tells_no_seats(&self) -> bool {
        self.texts().any(|text| tells_no_seats(&text))
    }

    /// The said reason as an addition to a sentence.
    pub fn for_people(&self) -> String {
        let parts: Vec<_> = [&self.reason, &self.message, &self.parameter, &self.details]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!(": {}", parts.join(", "))
        }
    }

    fn texts(&self) -> impl Iterator<Item = String> + '_ {
        [&self.reason, &self.code, &self.message, &self.details]
            .into_iter()
            .flatten()
            .map(|text| letters(text))
    }
}

/// Whether a text (letters only, lower case) says that all seats are taken.
pub(crate) fn tells_no_seats(letters: &str) -> bool {
    [
        "noseat",
        "noavailableseat",
        "notenoughseat",
        "insufficientseat",
        "seatsexhausted",
        "outofseats",
        "nolicensesleft",
    ]
    .iter()
    .any(|word| letters.contains(word))
}

/// The letters of a text in lower case: `Not owned`, `NotOwned` and `not_owned` are one.
pub(crate) fn letters(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphabetic)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn item(letters: &str) -> Option<Missing> {
    match letters {
        "inventory" => Some(Missing::Inventory),
        "language" => Some(Missing::Language),
        "product" | "productid" | "productsku" | "sku" | "skuid" => Some(Missing::Product),
        "seat" => Some(Missing::Seat),
        "user" => Some(Missing::User),
        _ => None,
    }
}

/// The first text under a name at any depth; names are compared by their letters.
fn find(json: &Value, name: &str) -> Option<String> {
    match json {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| letters(key) == name)
            .find_map(|(_, value)| text_of(value))
            .or_else(|| map.values().find_map(|value| find(value, name))),
        Value::Array(list) => list.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().chars().take(MAX_TEXT).collect()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(list) => list.iter().find_map(text_of),
        _ => None,
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";
/// Characters kept of each text of the service.
const MAX_TEXT: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(status: u16, body: &Value) -> Fault {
        Fault::read(status, body.to_string().as_bytes())
    }

    #[test]
    fn finds_reasons_at_any_depth_and_in_any_spelling() {
        for reason in ["NotOnline", "Not online", "not_online", "NOT-ONLINE"] {
            let body = json!({ "Code": "Conflict", "data": [{ "Re_ason": reason }] });
            assert_eq!(fault(409, &body).conflict(), Conflict::NotOnline, "{reason}");
        }
        assert_eq!(
            fault(409, &json!({ "message": "Product is not owned." })).conflict(),
            Conflict::NotOwned
        );
        assert_eq!(
            fault(409, &json!({ "reason": "Not Offline" })).conflict(),
            Conflict::NotOffline
        );
        assert_eq!(fault(409, &json!({ "reason": "?" })).conflict(), Conflict::Unsaid);
    }

    #[test]
    fn reads_what_is_missing() {
        let table = [
            (
                json!({ "data": { "ItemType": "Seat", "values": ["a", "b"] } }),
                Missing::Seat,
            ),
            (json!({ "itemType": "Product/SKU" }), Missing::Product),
            (json!({ "item-type": "User" }), Missing::User),
            (json!({ "itemType": "Inventory" }), Missing::Inventory),
            (json!({ "itemType": "language" }), Missing::Language),
            (json!({ "code": "UserNotFound" }), Missing::User),
            (json!({ "message": "This user holds no seat." }), Missing::Unsaid),
            (json!({}), Missing::Unsaid),
        ];
        for (body, expected) in table {
            assert_eq!(fault(404, &body).missing(), expected, "{body}");
        }
    }

    #[test]
    fn never_fails_on_a_body() {
        for body in [&b"<html>"[..], b"", b"[1]", b"\xff\xfe", b"{\"reason\":{}}"] {
            assert_eq!(
                Fault::read(400, body),
                Fault {
                    status: 400,
                    ..Fault::default()
                }
            );
        }
        assert_eq!(
            Fault::read(400, b"\xef\xbb\xbf{\"code\":7}").code.as_deref(),
            Some("7")
        );
        let long = fault(400, &json!({ "details": "x".repeat(5000) }));
        assert_eq!(long.details.map(|text| text.len()), Some(MAX_TEXT));
    }
}
