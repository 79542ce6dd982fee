//! How answers look on bad days: other casings, numbers as text, fields from nowhere.

use crate::fault::{Fault, Struck};
use serde_json::{Map, Value, json};

/// Applies what went wrong to an answer's JSON.
pub(crate) fn distort(mut answer: Value, struck: &Struck) -> Value {
    for fault in struck.iter() {
        answer = match fault {
            Fault::Overwrite { field, value } => map_fields(answer, &|name, old| {
                let new = if name == *field { value.clone() } else { old };
                (name, new)
            }),
            Fault::NullLists => map_fields(answer, &|name, old| {
                let empty = old.as_array().is_some_and(Vec::is_empty);
                (name, if empty { Value::Null } else { old })
            }),
            Fault::NumbersAsStrings => numbers_as_strings(answer),
            Fault::UnknownFields => unknown_fields(answer),
            Fault::PascalCase => map_fields(answer, &|name, old| (pascal(&name), old)),
            Fault::MixedCase => map_fields(answer, &|name, old| {
                let odd = name.len() % 2 == 1;
                (if odd { pascal(&name) } else { name }, old)
            }),
            _ => answer,
        };
    }
    answer
}

/// The bytes of an answer.
pub(crate) fn encode(answer: &Value, struck: &Struck) -> Vec<u8> {
    let json = answer.to_string();
    if struck.has(&Fault::ByteOrderMark) {
        format!("\u{feff}{json}").into_bytes()
    } else {
        json.into_bytes()
    }
}

/// Rebuilds every object, inner ones first.
fn map_fields(value: Value, change: &impl Fn(String, Value) -> (String, Value)) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, inner)| change(name, map_fields(inner, change)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(|item| map_fields(item, change)).collect(),
        other => other,
    }
}

fn numbers_as_strings(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(items) => items.into_iter().map(numbers_as_strings).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, inner)| (name, numbers_as_strings(inner)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}

fn unknown_fields(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Map<_, _> = fields
                .into_iter()
                .map(|(name, inner)| (name, unknown_fields(inner)))
                .collect();
            fields.insert("etag".to_owned(), json!("W/\"3\""));
            fields.insert("extendedData".to_owned(), json!({ "ring": 2, "tags": [null] }));
            Value::Object(fields)
        }
        Value::Array(items) => items.into_iter().map(unknown_fields).collect(),
        other => other,
    }
}

fn pascal(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Operation,
        fault::{Faults, Target},
    };

    fn struck(fault: Fault) -> Struck {
        let mut faults = Faults::default();
        faults.add(fault.into());
        faults.strike(&Target {
            operation: Operation::Inventory,
            path: "/Inventory",
            continued: false,
        })
    }

    #[test]
    fn distorts_answers_at_every_depth() {
        let answer = json!({"seatList": [{"fileSize": 7, "empty": []}], "state": "Active"});
        for (fault, expected) in [
            (
                Fault::PascalCase,
                json!({"SeatList": [{"FileSize": 7, "Empty": []}], "State": "Active"}),
            ),
            (
                Fault::MixedCase,
                json!({"seatList": [{"fileSize": 7, "Empty": []}], "State": "Active"}),
            ),
            (
                Fault::NumbersAsStrings,
                json!({"seatList": [{"fileSize": "7", "empty": []}], "state": "Active"}),
            ),
            (
                Fault::NullLists,
                json!({"seatList": [{"fileSize": 7, "empty": null}], "state": "Active"}),
            ),
            (
                Fault::Overwrite {
                    field: "state".to_owned(),
                    value: json!("Dreaming"),
                },
                json!({"seatList": [{"fileSize": 7, "empty": []}], "state": "Dreaming"}),
            ),
        ] {
            assert_eq!(distort(answer.clone(), &struck(fault)), expected);
        }
        let unknown = distort(answer, &struck(Fault::UnknownFields));
        assert!(unknown["seatList"][0]["extendedData"].is_object());
    }

    #[test]
    fn a_byte_order_mark_stands_before_the_json() {
        let bytes = encode(&json!({}), &struck(Fault::ByteOrderMark));
        assert_eq!(bytes, b"\xef\xbb\xbf{}");
        assert_eq!(encode(&json!({}), &Struck::default()), b"{}");
    }
}
