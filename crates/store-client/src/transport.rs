//! One request with its attempts: token, time limit, classes of failures, and the error made from an answer.

use crate::{
    Class, Fault, NotTheService, Operation, Outcome, StoreClient, StoreError,
    answer::{self, Body},
    backoff::Backoff,
    classify,
};
use base64::Engine as _;
use qm_core::{Secret, Timestamp};
use qm_store_model::dates;
use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::Value;
use std::{error::Error as _, time::Duration};
use url::Url;

/// A request to the service.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// JSON; the other requests go out with an explicit length of zero.
    pub(crate) body: Option<Value>,
}

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) json: Value,
    /// The service's own time.
    pub(crate) date: Option<Timestamp>,
}

/// A failed attempt.
struct Failure {
    outcome: Outcome,
    error: StoreError,
    retry_after: Option<Duration>,
}

impl StoreClient {
    /// Sends a request and repeats it as its class allows.
    pub(crate) async fn call(&self, call: &Call) -> Result<Answer, StoreError> {
        let mut backoff = Backoff::new(self.retry, &self.inner.rng);
        let mut renewed = false;
        loop {
            let token = self.bearer(&mut backoff).await?;
            self.wait_its_turn(&backoff).await?;
            let failure = match self.attempt(call, &token, backoff.attempt()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match classify(call.operation, failure.outcome) {
                Class::RenewToken if !renewed => {
                    renewed = true;
                    self.discard(&token).await;
                }
                Class::Retry if backoff.pause(failure.retry_after).await => {}
                Class::Ambiguous => return Err(StoreError::Ambiguous(call.operation)),
                _ => return Err(failure.error),
            }
        }
    }

    /// Where the service asked for patience, that is for all requests.
    async fn wait_its_turn(&self, backoff: &Backoff<'_>) -> Result<(), StoreError> {
        if self.urgent {
            return Ok(());
        }
        backoff
            .wait_out(&self.inner.hold)
            .await
            .map_err(|wait| StoreError::Throttled {
                retry_after: Some(wait),
            })
    }

    async fn attempt(&self, call: &Call, token: &Secret<String>, time: Duration) -> Result<Answer, Failure> {
        let slot = self.inner.slots.acquire().await;
        let sent = self.request(call, token).timeout(time).send().await;
        let result = match sent {
            Ok(response) if response.url().origin() != call.url.origin() => {
                Err(redirected(call.operation, &response))
            }
            Ok(response) if response.status().is_success() => self.success(call.operation, response).await,
            Ok(response) => Err(self.refusal(call.operation, response).await),
            Err(error) => Err(unreachable(call.operation, error)),
        };
        drop(slot);
        match result.as_ref().map_err(|failure| failure.retry_after) {
            Ok(_) if self.urgent => self.inner.hold.end(),
            Err(Some(wait)) => self.inner.hold.extend(wait, self.inner.clock.now()),
            _ => {}
        }
        if let Err(failure) = &result {
            tracing::debug!(store.operation = %call.operation, store.outcome = ?failure.outcome, "Store call failed");
        }
        result
    }

    fn request(&self, call: &Call, token: &Secret<String>) -> RequestBuilder {
        let correlation = base64::engine::general_purpose::STANDARD.encode(self.inner.rng.bytes::<12>());
        tracing::trace!(store.operation = %call.operation, store.cv = correlation, "calling the Store");
        let request = self
            .inner
            .api
            .request(call.method.clone(), call.url.clone())
            .bearer_auth(token.expose())
            .header(header::ACCEPT, "application/json")
            .header("MS-CV", correlation);
        match &call.body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            // Strict front ends answer 411 to a POST without a length.
            None if call.method == Method::POST => request.header(header::CONTENT_LENGTH, "0").body(""),
            None => request,
        }
    }

    async fn success(&self, operation: Operation, mut response: Response) -> Result<Answer, Failure> {
        let date = header_text(&response, &header::DATE).and_then(|text| dates::read_http(&text));
        let status = Outcome::Status(response.status().as_u16());
        let kind = answer::content_type(&response);
        // Whatever is wrong with the body of a seat operation: it was carried out, but how is unknown.
        let outcome = if operation.changes_seats() {
            Outcome::Lost
        } else {
            status
        };
        let failure = |outcome, error| Failure {
            outcome,
            error,
            retry_after: None,
        };
        match answer::read_body(&mut response, MAX_ANSWER).await {
            Body::Whole(body) => match answer::parse(operation, kind.as_deref(), &body) {
                Ok(json) => Ok(Answer { json, date }),
                Err(error @ StoreError::NotTheService { .. }) => Err(failure(status, error)),
                Err(error) => Err(failure(outcome, error)),
            },
            Body::TooLarge => Err(failure(
                outcome,
                StoreError::TooLarge {
                    operation,
                    limit: MAX_ANSWER,
                },
            )),
            Body::Broken(error) => Err(unreachable(operation, error)),
        }
    }

    async fn refusal(&self, operation: Operation, mut response: Response) -> Failure {
        let retry_after = self.retry_after(&response);
        let kind = answer::content_type(&response);
        let status = response.status().as_u16();
        let body = answer::read_start(&mut response, MAX_FAULT).await;
        // A web server's own page says nothing about seats or products.
        let error = if status == 404 && answer::is_html(kind.as_deref(), &body) {
            StoreError::NotTheService {
                operation,
                answer: NotTheService::Html,
            }
        } else {
            refused(operation, Fault::read(status, &body), retry_after)
        };
        Failure {
            outcome: Outcome::Status(status),
            error,
            retry_after,
        }
    }

    /// `Retry-After` in seconds or as a date; the date is by the clock of whoever answered.
    pub(crate) fn retry_after(&self, response: &Response) -> Option<Duration> {
        let text = header_text(response, &header::RETRY_AFTER)?;
        let theirs = header_text(response, &header::DATE).and_then(|date| dates::read_http(&date));
        dates::retry_after(&text, theirs.unwrap_or_else(|| self.inner.clock.now()))
    }
}

/// The error for a status that is no success.
fn refused(operation: Operation, fault: Fault, retry_after: Option<Duration>) -> StoreError {
    match fault.status {
        status @ 300..=399 => StoreError::NotTheService {
            operation,
            answer: NotTheService::Redirect(status),
        },
        401 => StoreError::Unauthorized(Box::new(fault)),
        403 => StoreError::Forbidden(Box::new(fault)),
        404 => StoreError::NotFound {
            operation,
            missing: fault.missing(),
            fault: Box::new(fault),
        },
        408 | 429 => StoreError::Throttled { retry_after },
        409 => StoreError::Conflict {
            operation,
            conflict: fault.conflict(),
            fault: Box::new(fault),
        },
        410 => StoreError::Retired(operation),
        status @ 500.. => StoreError::Unavailable {
            operation,
            status,
            retry_after,
        },
        _ => StoreError::Refused {
            operation,
            fault: Box::new(fault),
        },
    }
}

/// A redirect that the HTTP client followed elsewhere: whoever answered there is not the service.
fn redirected(operation: Operation, response: &Response) -> Failure {
    let status = response.status().as_u16();
    let error = StoreError::NotTheService {
        operation,
        answer: NotTheService::Redirect(status),
    };
    Failure {
        outcome: Outcome::Status(308),
        error,
        retry_after: None,
    }
}

fn unreachable(operation: Operation, error: reqwest::Error) -> Failure {
    let outcome = if error.is_connect() || error.is_builder() {
        Outcome::Unsent
    } else {
        Outcome::Lost
    };
    Failure {
        outcome,
        error: StoreError::Unreachable {
            operation,
            detail: cause(error),
        },
        retry_after: None,
    }
}

/// The innermost cause, without addresses: they carry user names.
pub(crate) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

pub(crate) fn header_text(response: &Response, name: &header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// Bytes of a successful answer.
const MAX_ANSWER: usize = 16 << 20;
/// Bytes read of an error body.
const MAX_FAULT: usize = 64 << 10;
