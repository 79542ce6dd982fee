//! Pages of lists, and the tokens that go on with them.

use crate::{
    fault::{EndOfList, Fault, Struck},
    operation::{CONTINUATION, Call, MAX_RESULTS},
    refusal::Refusal,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use qm_core::{Rng, Timestamp};
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};

/// Where a walk through a list stands.
#[derive(Debug, Clone)]
struct Cursor {
    /// The list with its parameters; a token is good for no other.
    walk: String,
    /// The sort key of the last entry delivered.
    after: String,
    end: Timestamp,
}

/// The continuation tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Cursors(HashMap<String, Cursor>);

impl Cursors {
    pub(crate) fn expire_all(&mut self) {
        self.0.clear();
    }

    fn issue(&mut self, cursor: Cursor, now: Timestamp, rng: &Rng) -> String {
        self.0.retain(|_, known| now < known.end);
        // Begins with `++//` and ends with `=`: clients have to encode it.
        let bytes = [&[0xfb, 0xef, 0xff][..], &rng.bytes::<17>()].concat();
        let token = STANDARD.encode(bytes);
        self.0.insert(token.clone(), cursor);
        token
    }
}

/// What a page is cut from.
pub(crate) struct List<'a> {
    pub(crate) call: &'a Call,
    /// Path and filters, as the token is bound to them.
    pub(crate) walk: String,
    /// Largest page.
    pub(crate) limit: usize,
    pub(crate) struck: &'a Struck,
    pub(crate) now: Timestamp,
    pub(crate) lifetime: Duration,
    pub(crate) rng: &'a Rng,
}

/// A page: entries and the token of the next, as the answer has it (absent, or some form of nothing, at the end).
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) token: Option<Value>,
}

impl<T> Page<T> {
    /// The answer, with the entries under the given name.
    pub(crate) fn answer(self, name: &str, render: impl FnMut(T) -> Value) -> Value {
        let entries: Vec<Value> = self.entries.into_iter().map(render).collect();
        let mut answer = json!({ name: entries });
        if let Some(token) = self.token {
            answer["continuationToken"] = token;
        }
        answer
    }
}

/// Cuts the page that the call asks for out of all entries with their sort keys.
pub(crate) fn cut<T>(
    cursors: &mut Cursors,
    list: &List<'_>,
    mut entries: Vec<(String, T)>,
) -> Result<Page<T>, Refusal> {
    let size = size(list)?;
    let walk = format!("{}&{MAX_RESULTS}={size}", list.walk);
    let sent = list.call.parameter(CONTINUATION)?;
    let after = position(cursors, list, &walk, sent)?;
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    if list.struck.has(&Fault::EmptyList) {
        entries.clear();
    }
    if let Some(after) = &after {
        entries.retain(|(key, _)| key > after);
    }
    let size = if list.struck.has(&Fault::EmptyPage) {
        0
    } else {
        size
    };
    let more = entries.len() > size;
    entries.truncate(size);
    let token = match sent {
        Some(sent) if list.struck.has(&Fault::ContinuationRepeated) => Some(json!(sent)),
        _ if more && list.struck.has(&Fault::CutShort) => Some(json!(BLANK)),
        _ if more => {
            let cursor = Cursor {
                walk,
                after: entries
                    .last()
                    .map(|(key, _)| key.clone())
                    .or(after)
                    .unwrap_or_default(),
                end: list.now + list.lifetime,
            };
            Some(json!(cursors.issue(cursor, list.now, list.rng)))
        }
        _ => end_of_list(list.struck),
    };
    if list.struck.has(&Fault::PageLost) {
        entries.clear();
    }
    Ok(Page {
        entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        token,
    })
}

fn size(list: &List<'_>) -> Result<usize, Refusal> {
    let Some(text) = list.call.parameter(MAX_RESULTS)? else {
        return Ok(DEFAULT_SIZE.min(list.limit));
    };
    let size: Option<usize> = text.parse().ok();
    size.filter(|size| (1..=list.limit).contains(size))
        .ok_or_else(|| Refusal::invalid("maxResults", text))
}

/// Where to go on.
fn position(
    cursors: &Cursors,
    list: &List<'_>,
    walk: &str,
    sent: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let Some(token) = sent else {
        return Ok(None);
    };
    cursors
        .0
        .get(token)
        .filter(|cursor| cursor.walk == walk && list.now < cursor.end)
        .filter(|_| !list.struck.has(&Fault::ContinuationExpired))
        .map(|cursor| Some(cursor.after.clone()))
        .ok_or_else(|| Refusal::invalid("continuationToken", "unknown, expired, or of another list"))
}

fn end_of_list(struck: &Struck) -> Option<Value> {
    struck.find(|fault| match fault {
        Fault::EndOfList(EndOfList::Null) => Some(Value::Null),
        Fault::EndOfList(EndOfList::Empty) => Some(json!("")),
        Fault::EndOfList(EndOfList::Blank) => Some(json!(BLANK)),
        _ => None,
    })
}

const DEFAULT_SIZE: usize = 25;
const BLANK: &str = "  ";
