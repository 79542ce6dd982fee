//! One page of a list that the service gives in several.

use crate::lenient::{Fields, List};
use serde_json::Value;

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Its elements.
    pub list: List<T>,
    /// Asks for the next page; `None` at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Reads a page whose elements are under `name`; a page that is no object is none.
    pub fn read(json: &Value, name: &str, read: fn(&Value) -> Option<T>) -> Option<Self> {
        let fields = Fields::of(json)?;
        // The exact text goes back, so it is not trimmed; a blank one ends the list.
        let next = fields.get("continuationToken").and_then(Value::as_str);
        Some(Self {
            next: next.filter(|token| !token.trim().is_empty()).map(str::to_owned),
            list: fields.list(name, read),
        })
    }
}
