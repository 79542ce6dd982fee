//! Enrollment (MS-MDE2): discovery, policy, certificate, provisioning document, each answer held to the letter.

mod csr;
mod discovery;
mod issue;
mod names;
mod policy;
mod provisioning;
mod soap;

use crate::{
    DeviceOptions, Rule, SimError, Violation,
    account::Account,
    http::{self, Answer},
    violation::Watch,
};
use issue::Request;
use qm_core::HResult;
use reqwest::{Client, header};
use soap::Envelope;
use url::Url;
use uuid::Uuid;

/// What identifies a device for life, apart from its options.
#[derive(Debug, Clone)]
pub(crate) struct Hardware {
    /// `DeviceID`: 32 hexadecimal digits, later the SyncML `Source`.
    pub(crate) device_id: String,
    /// `HWDevID`: 64 hexadecimal digits.
    pub(crate) hardware_id: String,
}

/// Runs the whole enrollment.
pub(crate) async fn enroll(
    options: &DeviceOptions,
    hardware: &Hardware,
    watch: &mut Watch,
) -> Result<Account, SimError> {
    let client = http::client(options, None)?;
    let discovery = url(&options.discovery_url)?;
    watch.during("discovery");
    probe(&client, &discovery, watch).await?;
    let services = discover(&client, &discovery, options, watch).await?;
    let credential = services.credential(options, watch)?;

    watch.during("policy");
    let envelope = Envelope::new(
        options,
        names::GET_POLICIES,
        &services.policy_url,
        Some(credential.clone()),
    );
    let answer = post(&client, &services.policy_url, envelope.encode(&policy::request())).await?;
    policy::read(&answer, &envelope.message_id, watch)?;

    watch.during("enrollment");
    let request = Request::new(options, hardware)?;
    let envelope = Envelope::new(options, names::RST, &services.enrollment_url, Some(credential));
    let answer = post(
        &client,
        &services.enrollment_url,
        envelope.encode(&request.body()),
    )
    .await?;
    let document = issue::read(&answer, &envelope.message_id, options.clock.now(), watch)?;

    watch.during("provisioning");
    provisioning::apply(&document, options, request.key(), watch)
}

/// Windows asks with an empty GET whether somebody is there.
async fn probe(client: &Client, discovery: &Url, watch: &mut Watch) -> Result<(), SimError> {
    let request = client
        .get(discovery.clone())
        .header(header::PRAGMA, "no-cache")
        .header(header::USER_AGENT, AGENT);
    let answer = http::exchange(request, MAX_ANSWER).await?;
    watch.check(answer.status == 200, Rule::HttpStatus, || {
        format!("GET answers {}", answer.status)
    });
    answer.check_transfer(watch);
    watch.check(answer.body.is_empty(), Rule::Structure, || {
        "GET answers with a body".to_owned()
    });
    Ok(())
}

async fn discover(
    client: &Client,
    discovery: &Url,
    options: &DeviceOptions,
    watch: &mut Watch,
) -> Result<discovery::Services, SimError> {
    let envelope = Envelope::new(options, names::DISCOVER, discovery, None);
    let answer = post(client, discovery, envelope.encode(&discovery::request(options))).await?;
    discovery::read(&answer, &envelope.message_id, watch)
}

async fn post(client: &Client, url: &Url, body: String) -> Result<Answer, SimError> {
    let request = client
        .post(url.clone())
        .header(header::CONTENT_TYPE, names::CONTENT_TYPE)
        .header(header::USER_AGENT, AGENT)
        .body(body);
    http::exchange(request, MAX_ANSWER).await
}

fn url(text: &str) -> Result<Url, SimError> {
    let url = Url::parse(text).map_err(|_| SimError::Address(text.to_owned()))?;
    if url.scheme() == "https" {
        Ok(url)
    } else {
        Err(SimError::Address(text.to_owned()))
    }
}

/// Notes what is wrong and ends the enrollment with the code that Windows shows.
fn fail(watch: &mut Watch, code: HResult, rule: Rule, detail: impl Into<String>) -> SimError {
    watch.note(rule, detail);
    let violation = watch.found().last().cloned().unwrap_or_else(|| Violation {
        during: String::new(),
        rule,
        detail: String::new(),
    });
    SimError::Enrollment {
        code,
        violation: Box::new(violation),
    }
}

/// A random UUID in the usual form.
fn guid(options: &DeviceOptions) -> Uuid {
    uuid::Builder::from_random_bytes(options.rng.bytes()).into_uuid()
}

const AGENT: &str = "ENROLLClient";
const MAX_ANSWER: usize = 1024 * 1024;
/// HTTP 200, but nothing that can be used.
const UNUSABLE: HResult = HResult(0x8019_00C8);
