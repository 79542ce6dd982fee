//! Reading JSON whose names, casing and types are not to be relied on. A field of the wrong type counts as absent, and
//! so does `null`; an element that cannot be read is left out and counted.

use crate::dates;
use qm_core::{Timestamp, Version};
use serde_json::{Map, Value};

/// An object whose names are compared without case.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a Map<String, Value>);

/// What was read of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct List<T> {
    /// The elements that could be read.
    pub items: Vec<T>,
    /// Elements that could not be read.
    pub skipped: usize,
}

impl<'a> Fields<'a> {
    /// The fields of an object; `None` for every other value.
    pub fn of(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    /// The value under a name, given in camelCase: the exact spelling wins over others.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        let other = || {
            self.0
                .iter()
                .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null())
        };
        self.0
            .get(name)
            .filter(|value| !value.is_null())
            .or_else(|| other().map(|(_, value)| value))
    }

    /// A text that is not blank, trimmed. A number counts as its text.
    pub fn text(self, name: &str) -> Option<String> {
        self.get(name).and_then(text)
    }

    /// A whole number, or its text.
    pub fn int(self, name: &str) -> Option<i64> {
        self.get(name).and_then(int)
    }

    /// A size: never negative.
    pub fn size(self, name: &str) -> Option<u64> {
        self.int(name).and_then(|number| u64::try_from(number).ok())
    }

    /// A date; "never" counts as absent.
    pub fn date(self, name: &str) -> Option<Timestamp> {
        self.get(name)?.as_str().and_then(dates::read)
    }

    /// An object.
    pub fn object(self, name: &str) -> Option<Self> {
        self.get(name).and_then(Self::of)
    }

    /// A version: an object of four numbers, or its dotted text.
    pub fn version(self, name: &str) -> Option<Version> {
        let value = self.get(name)?;
        let Some(parts) = Self::of(value) else {
            return value.as_str()?.parse().ok();
        };
        let part = |name| u16::try_from(parts.int(name).unwrap_or(0).max(0)).unwrap_or(u16::MAX);
        Some(Version([
            part("major"),
            part("minor"),
            part("build"),
            part("revision"),
        ]))
    }

    /// A list; absent and `null` count as empty.
    pub fn list<T>(self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> List<T> {
        let values = self
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let items: Vec<T> = values.iter().filter_map(read).collect();
        let skipped = values.len() - items.len();
        if skipped > 0 {
            tracing::warn!(
                store.field = name,
                skipped,
                "left out elements of a list from the Store"
            );
        }
        List { items, skipped }
    }

    /// A list of texts.
    pub fn texts(self, name: &str) -> Vec<String> {
        self.list(name, text).items
    }
}

/// A text that is not blank, trimmed. A number counts as its text.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, or its text.
pub fn int(value: &Value) -> Option<i64> {
    match value {
        // Beyond 63 bits it stands for "without limit" and stays the largest number.
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_u64().map(|_| i64::MAX))
            .or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    // `37.0` as some serializers write it; exact below 2^53.
    format!("{number:.0}")
        .parse()
        .ok()
        .filter(|_| number.fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_match_in_any_case_and_the_exact_one_wins() {
        let value =
            json!({ "SEATCAPACITY": 1, "seatCapacity": 2, "SkuId": "0042", "gone": null, "GONE": "7" });
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.int("seatCapacity"), Some(2));
        assert_eq!(fields.text("skuId").as_deref(), Some("0042"));
        assert_eq!(fields.int("gone"), Some(7));
    }

    #[test]
    fn numbers_come_as_numbers_or_text() {
        let table = [
            (json!(37), Some(37)),
            (json!(37.0), Some(37)),
            (json!(37.5), None),
            (json!("9223372036854775807"), Some(i64::MAX)),
            (json!(u64::MAX), Some(i64::MAX)),
            (json!(" 5 "), Some(5)),
            (json!("many"), None),
            (json!(true), None),
            (json!(null), None),
        ];
        for (value, expected) in table {
            assert_eq!(int(&value), expected, "{value}");
        }
    }

    #[test]
    fn versions_come_as_objects_or_text_and_miss_parts() {
        let value = json!({ "a": { "Major": "10", "build": 17763 }, "b": "3.4.120.0", "c": { "major": 70000 }, "d": 5 });
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.version("a"), Some(Version([10, 0, 17763, 0])));
        assert_eq!(fields.version("b"), Some(Version([3, 4, 120, 0])));
        assert_eq!(fields.version("c"), Some(Version([u16::MAX, 0, 0, 0])));
        assert_eq!(fields.version("d"), None);
    }

    #[test]
    fn unreadable_elements_are_left_out_and_counted() {
        let value = json!({ "list": ["a", null, {}, " ", "b"], "none": null, "odd": "x" });
        let fields = Fields::of(&value).unwrap();
        let list = fields.list("list", text);
        assert_eq!(
            (list.items, list.skipped),
            (vec!["a".to_owned(), "b".to_owned()], 3)
        );
        assert!(
            fields.texts("none").is_empty()
                && fields.texts("odd").is_empty()
                && fields.texts("no").is_empty()
        );
    }
}
