//! Every request to the API and the token endpoint passes here: recognised, noted, judged, carried out, answered.

use crate::{
    Operation,
    fault::{Fault, Loss, RetryAfter, Struck, Target},
    ids::http_date,
    journal::{RequestRecord, ViolationKind},
    observer::Moment,
    operation::Call,
    refusal::{Item, Refusal},
    server::{endless_body, is_never, is_no_answer, never, no_answer},
    service::{self, BulkRequest, Context},
    shape,
    token::{self, Endpoint},
    world::{Shared, World},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use qm_core::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Answers a request to the API's port.
pub(crate) async fn serve(State(shared): State<Shared>, request: Request) -> Response {
    let Some(received) = Received::read(request).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "too large");
    };
    let route = received.route(&shared.lock().config.base_path);
    let (mut visit, struck) = Visit::begin(&shared, &received, &route);
    tokio::time::sleep(delay(&struck)).await;
    let response = match (struck.instead(), route) {
        (Some(fault), Ok(call)) if !matches!(fault, Fault::Token(_)) => {
            received.doubt_if_lost(&shared, &call, fault);
            instead(&shared, fault, SIGN_IN)
        }
        (_, Ok(call)) => received.observed(&shared, &call, &struck, visit.number),
        (_, refused) => received.carry_out(&shared, refused, &struck, visit.number),
    };
    visit.answered(response)
}

/// The delays that befell a request, together.
pub(crate) fn delay(struck: &Struck) -> Duration {
    struck
        .iter()
        .map(|fault| match fault {
            Fault::Delay(delay) => *delay,
            _ => Duration::ZERO,
        })
        .sum()
}

/// What comes in place of an operation; redirects lead to the path on another host name.
pub(crate) fn instead(shared: &Shared, fault: &Fault, redirect_to: &str) -> Response {
    match fault {
        Fault::Status { status, retry_after } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = plain(status, "text/plain", "The request could not be served.");
            if let Some(when) = retry_after {
                let value = retry_after_text(*when, shared.lock().now());
                response.headers_mut().insert(RETRY_AFTER, value);
            }
            response
        }
        Fault::Html => plain(StatusCode::OK, "text/html; charset=utf-8", PAGE),
        Fault::Redirect => {
            let mut response = plain(StatusCode::FOUND, "text/html; charset=utf-8", PAGE);
            let elsewhere = shared.lock().content_url.replace("127.0.0.1", "localhost") + redirect_to;
            let elsewhere = HeaderValue::from_str(&elsewhere);
            let elsewhere = elsewhere.unwrap_or_else(|_| HeaderValue::from_static(SIGN_IN));
            response.headers_mut().insert(LOCATION, elsewhere);
            response
        }
        Fault::Hang => never(),
        Fault::Trickle => plain(StatusCode::OK, "application/json; charset=utf-8", endless_body()),
        _ => no_answer(),
    }
}

fn retry_after_text(when: RetryAfter, now: Timestamp) -> HeaderValue {
    match when {
        RetryAfter::Seconds(seconds) => seconds.into(),
        RetryAfter::Date(ahead) => {
            let date = http_date(now + Duration::from_secs(u64::from(ahead)));
            HeaderValue::from_str(&date).unwrap_or_else(|_| HeaderValue::from_static("1"))
        }
    }
}

/// A response with a text.
pub(crate) fn plain(status: StatusCode, media_type: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A request that is being answered; however that ends, the journal learns of it.
pub(crate) struct Visit {
    shared: Shared,
    pub(crate) number: usize,
    status: Option<u16>,
}

impl Visit {
    fn begin(shared: &Shared, received: &Received, route: &Result<Call, Refusal>) -> (Self, Struck) {
        let operation = route.as_ref().ok().map(|call| call.operation);
        let is_token = operation == Some(Operation::Token);
        let target = route.as_ref().ok().map(|call| Target {
            operation: call.operation,
            path: &received.path,
            continued: call.is_continued(),
        });
        let query = if is_token { "" } else { &received.query };
        Self::note(shared, target, received.method.as_str(), &received.path, query)
    }

    /// Notes a request and finds out what goes wrong with it.
    pub(crate) fn note(
        shared: &Shared,
        target: Option<Target<'_>>,
        method: &str,
        path: &str,
        query: &str,
    ) -> (Self, Struck) {
        let mut world = shared.lock();
        let record = RequestRecord {
            at: world.now(),
            operation: target.as_ref().map(|target| target.operation),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            status: None,
        };
        let struck = target
            .map(|target| world.faults.strike(&target))
            .unwrap_or_default();
        let number = world.journal.begin(record);
        drop(world);
        let shared = shared.clone();
        let status = None;
        (
            Self {
                shared,
                number,
                status,
            },
            struck,
        )
    }

    /// The response on its way out.
    pub(crate) fn answered(&mut self, mut response: Response) -> Response {
        if !is_no_answer(&response) && !is_never(&response) {
            self.status = Some(response.status().as_u16());
        }
        let now = http_date(self.shared.lock().now());
        if let Ok(now) = HeaderValue::from_str(&now) {
            response.headers_mut().insert(DATE, now);
        }
        response
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.shared.lock().journal.end(self.number, self.status);
    }
}

/// A request, read whole.
struct Received {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    /// `None` if the body is too large or broken off.
    async fn read(request: Request) -> Option<Self> {
        let (head, body) = request.into_parts();
        Some(Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: to_bytes(body, LARGEST_BODY).await.ok()?,
        })
    }

    fn route(&self, base_path: &str) -> Result<Call, Refusal> {
        if Endpoint::parse(&self.path).is_some() {
            if self.method != Method::POST {
                return Err(Refusal::WrongVerb);
            }
            return Ok(Call::token());
        }
        let (base, rest) = self.path.split_at_checked(base_path.len()).unwrap_or_default();
        if !base.eq_ignore_ascii_case(base_path) || !rest.starts_with('/') {
            return Err(Refusal::NotFound(Item::Unnamed, self.path.clone()));
        }
        Call::parse(&self.method, rest, &self.query)
    }

    /// Carries out an operation unless the observer breaks it off: then its user cannot know what became of it.
    fn observed(&self, shared: &Shared, call: &Call, struck: &Struck, number: usize) -> Response {
        if !shared.lives(call.operation, Moment::Received) {
            self.doubt(shared, call);
            return no_answer();
        }
        let response = self.carry_out(shared, Ok(call.clone()), struck, number);
        if !shared.lives(call.operation, Moment::CarriedOut) {
            self.doubt(shared, call);
            return no_answer();
        }
        response
    }

    fn carry_out(
        &self,
        shared: &Shared,
        route: Result<Call, Refusal>,
        struck: &Struck,
        number: usize,
    ) -> Response {
        let mut world = shared.lock();
        match route {
            Ok(call) if call.operation == Operation::Token => self.token(&mut world, struck, number),
            Ok(call) => {
                let outcome = self.operate(&mut world, &call, struck, number);
                drop(world);
                self.lose_or_send(shared, &call, outcome, struck)
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::WrongVerb | Refusal::NotFound(..)) {
                    world.journal.violation(number, ViolationKind::UnknownOperation);
                }
                respond(Err(refusal), struck)
            }
        }
    }

    fn token(&self, world: &mut World, struck: &Struck, number: usize) -> Response {
        let is_form = self.media_type_is("application/x-www-form-urlencoded");
        if !is_form {
            world.journal.violation(number, ViolationKind::WrongMediaType);
        }
        let Some(endpoint) = Endpoint::parse(&self.path) else {
            return respond(Err(Refusal::NotFound(Item::Unnamed, self.path.clone())), struck);
        };
        let form = is_form.then_some(&*self.body);
        let answer = token::answer(&mut world.tokens, &world.config, &endpoint, form, struck);
        let mut response = match answer {
            Ok(body) => json(StatusCode::OK, &shape::distort(body, struck), struck),
            Err(error) => json(
                error.status(),
                &error.body(world.now(), &world.config.rng),
                &Struck::default(),
            ),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
        response
    }

    fn operate(
        &self,
        world: &mut World,
        call: &Call,
        struck: &Struck,
        number: usize,
    ) -> Result<Value, Refusal> {
        self.judge(world, call, number)?;
        self.authorize(world)?;
        let body = &self.body;
        let context = Context {
            call,
            body,
            struck,
            number,
        };
        service::perform(world, &context)
    }

    /// The wire conventions.
    fn judge(&self, world: &mut World, call: &Call, number: usize) -> Result<(), Refusal> {
        let mut violation = |kind| world.journal.violation(number, kind);
        if !self.header(ACCEPT).contains("application/json") {
            violation(ViolationKind::AcceptMissing);
        }
        if self.method == Method::POST && !self.headers.contains_key(CONTENT_LENGTH) {
            violation(ViolationKind::LengthMissing);
            return Err(Refusal::LengthRequired);
        }
        if !call.operation.has_body() {
            if !self.body.is_empty() {
                violation(ViolationKind::UnexpectedBody);
            }
        } else if !self.media_type_is("application/json") {
            violation(ViolationKind::WrongMediaType);
            return Err(Refusal::MediaType);
        }
        Ok(())
    }

    fn authorize(&self, world: &World) -> Result<(), Refusal> {
        let (scheme, token) = self.header(AUTHORIZATION).split_once(' ').unwrap_or_default();
        let good = scheme.eq_ignore_ascii_case("bearer") && world.tokens.is_good(token.trim(), world.now());
        match (good, world.activated) {
            (false, _) => Err(Refusal::Unauthorized),
            (true, false) => Err(Refusal::NotActivated),
            (true, true) => Ok(()),
        }
    }

    fn lose_or_send(
        &self,
        shared: &Shared,
        call: &Call,
        outcome: Result<Value, Refusal>,
        struck: &Struck,
    ) -> Response {
        let loss = struck.find(|fault| match fault {
            Fault::LoseAnswer(loss) => Some(*loss),
            _ => None,
        });
        let Some(loss) = loss else {
            return respond(outcome, struck);
        };
        self.doubt(shared, call);
        match loss {
            Loss::Drop => no_answer(),
            Loss::Hang => instead(shared, &Fault::Hang, SIGN_IN),
            Loss::Trickle => instead(shared, &Fault::Trickle, SIGN_IN),
            Loss::ServerError => instead(shared, &Fault::status(500), SIGN_IN),
        }
    }

    fn doubt_if_lost(&self, shared: &Shared, call: &Call, fault: &Fault) {
        if matches!(
            fault,
            Fault::Drop | Fault::Hang | Fault::Trickle | Fault::Status { status: 500.., .. }
        ) {
            self.doubt(shared, call);
        }
    }

    /// The client cannot know what became of these users' seats.
    fn doubt(&self, shared: &Shared, call: &Call) {
        if call.operation != Operation::BulkSeats {
            return;
        }
        let (Ok(key), Ok(request)) = (call.key(), BulkRequest::read(&self.body)) else {
            return;
        };
        let mut world = shared.lock();
        for user in &request.usernames {
            world.journal.doubt(&key, user);
        }
    }

    fn header(&self, name: http::HeaderName) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn media_type_is(&self, expected: &str) -> bool {
        let value = self.header(CONTENT_TYPE);
        let media_type = value.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(expected)
    }
}

fn respond(outcome: Result<Value, Refusal>, struck: &Struck) -> Response {
    match outcome {
        Ok(answer) => json(StatusCode::OK, &shape::distort(answer, struck), struck),
        Err(refusal) => {
            let mut response = json(refusal.status(), &refusal.body(), &Struck::default());
            if refusal == Refusal::Unauthorized {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}

fn json(status: StatusCode, body: &Value, struck: &Struck) -> Response {
    let body = shape::encode(body, struck);
    plain(status, "application/json; charset=utf-8", body)
}

const SIGN_IN: &str = "/signin";
const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to continue.</body></html>";
const LARGEST_BODY: usize = 1 << 20;
