//! Reading answers: limits before memory, byte order marks, and pages for people where JSON was due.

use crate::{AnswerProblem, NotTheService, Operation, StoreError};
use reqwest::{Response, header};
use serde_json::Value;

/// How reading a body ended.
pub(crate) enum Body {
    /// Complete.
    Whole(Vec<u8>),
    /// Beyond the limit.
    TooLarge,
    /// The connection broke.
    Broken(reqwest::Error),
}

/// Reads a body up to `limit` bytes.
pub(crate) async fn read_body(response: &mut Response, limit: usize) -> Body {
    let told = response.content_length().unwrap_or(0);
    if told > limit as u64 {
        return Body::TooLarge;
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Body::TooLarge,
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(body),
            Err(error) => return Body::Broken(error),
        }
    }
}

/// The beginning of an error body, as far as it arrives.
pub(crate) async fn read_start(response: &mut Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == limit {
            break;
        }
    }
    body
}

/// Whether an answer is a page for people, by its type or its first character.
pub(crate) fn is_html(response_type: Option<&str>, body: &[u8]) -> bool {
    let typed = response_type.is_some_and(|text| text.to_ascii_lowercase().contains("html"));
    let first = without_bom(body).iter().find(|byte| !byte.is_ascii_whitespace());
    typed || first == Some(&b'<')
}

/// The value of the `Content-Type` header.
pub(crate) fn content_type(response: &Response) -> Option<String> {
    response
        .headers()
        .get(header::CONTENT_TYPE)?
        .to_str()
        .ok()
        .map(str::to_owned)
}

/// The JSON of a successful answer, whatever type it claims; an empty body is `null`.
pub(crate) fn parse(
    operation: Operation,
    response_type: Option<&str>,
    body: &[u8],
) -> Result<Value, StoreError> {
    let text = without_bom(body);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(text).map_err(|_| {
        if is_html(response_type, text) {
            StoreError::NotTheService {
                operation,
                answer: NotTheService::Html,
            }
        } else {
            StoreError::BadAnswer {
                operation,
                problem: AnswerProblem::NotJson,
            }
        }
    })
}

fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_json_from_pages_and_noise() {
        let parse = |kind: Option<&str>, body: &[u8]| parse(Operation::Inventory, kind, body);
        let html = StoreError::NotTheService {
            operation: Operation::Inventory,
            answer: NotTheService::Html,
        };
        let noise = StoreError::BadAnswer {
            operation: Operation::Inventory,
            problem: AnswerProblem::NotJson,
        };
        assert_eq!(parse(Some("text/html"), b"{\"a\":1}"), Ok(json!({ "a": 1 })));
        assert_eq!(parse(None, b"\xef\xbb\xbf{}"), Ok(json!({})));
        assert_eq!(parse(None, b" \r\n"), Ok(Value::Null));
        assert_eq!(
            parse(Some("text/html; charset=utf-8"), b"Sorry"),
            Err(html.clone())
        );
        assert_eq!(parse(Some("application/json"), b" <!doctype html>"), Err(html));
        assert_eq!(parse(Some("application/json"), b"{\"a\":"), Err(noise));
    }
}
