//! What a device sends before it has a certificate: SOAP messages and certificate requests.

use qm_core::{Secret, Timestamp};
use qm_enrollment::{
    Answer, AuthPolicy, DiscoverRequest, GetPolicies, GetPoliciesResponse, Operation, Rejected,
    RequestSecurityToken, RequestSecurityTokenResponseCollection, Services, TokenRequest,
};
use qm_pki::CertificateRequest;
use std::time::Duration;
use uuid::Uuid;

/// A body at each of the three services.
pub fn soap(input: &[u8]) {
    discovery(input);
    policy(input);
    issue(input);
}

fn discovery(input: &[u8]) {
    let services = Services {
        policy_url: "https://enroll.example/EnrollmentServer/Policy.svc".to_owned(),
        enrollment_url: "https://enroll.example/EnrollmentServer/Enrollment.svc".to_owned(),
        auth_policy: AuthPolicy::OnPremise,
        authentication_url: None,
    };
    match DiscoverRequest::decode(input) {
        Err(rejected) => refused(&rejected),
        Ok(request) => {
            let correlation = request.correlation(Uuid::nil());
            sound(&match request.answer(&services) {
                Ok(response) => response.encode(correlation),
                Err(fault) => fault.encode(Operation::Discover, correlation),
            });
        }
    }
}

fn policy(input: &[u8]) {
    match GetPolicies::decode(input) {
        Err(rejected) => refused(&rejected),
        Ok(request) => {
            let response = GetPoliciesResponse {
                validity: Duration::from_hours(24 * 365),
                renewal: Duration::from_hours(24 * 42),
            };
            sound(&response.encode(request.correlation(Uuid::nil())));
        }
    }
}

fn issue(input: &[u8]) {
    let request = match RequestSecurityToken::decode(input) {
        Err(rejected) => return refused(&rejected),
        Ok(request) => request,
    };
    let _ = request.credential.on_premises();
    if let TokenRequest::Issue { pkcs10, .. } = &request.request {
        csr(pkcs10);
    }
    let context = &request.context;
    let _ = (context.device_id(), context.hardware_id(), context.device_name());
    let _ = (
        context.enrollment_kind(),
        context.device_type(),
        context.os_version(),
    );
    let _ = (context.os_edition(), context.request_version(), context.locale());
    let response = RequestSecurityTokenResponseCollection {
        document: Secret::new(b"<wap-provisioningdoc/>".to_vec()),
        created_at: Timestamp::from_millis(0),
    };
    sound(&response.encode(request.correlation(Uuid::nil())));
}

fn refused(rejected: &Rejected) {
    let answer = rejected.answer(Uuid::nil());
    assert!(matches!(answer.status, 400 | 413 | 500), "{}", answer.status);
    sound(&answer);
}

/// Nothing of a request makes an answer long, and nothing in it is markup.
fn sound(answer: &Answer) {
    let text = std::str::from_utf8(&answer.body).expect("answers are text");
    assert!(text.len() < 16 * 1024, "an answer of {} bytes", text.len());
    if text.starts_with('<') {
        qm_enrollment_reads_back(text);
    }
}

/// The answer is itself a document that the strict reader takes up to its action.
fn qm_enrollment_reads_back(text: &str) {
    let refused = DiscoverRequest::decode(text.as_bytes()).expect_err("an answer is no request");
    assert!(
        !matches!(refused.error, qm_enrollment::DecodeError::Xml(_)),
        "{:?} in {text}",
        refused.error
    );
}

/// A certificate request, as DER or base64.
pub fn csr(input: &[u8]) {
    match CertificateRequest::parse(input) {
        Ok(request) => {
            let id = request.claimed_device_id();
            assert!(id.is_none_or(|id| id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_graphic())));
            assert_eq!(
                Some(request.public_key_digest()),
                CertificateRequest::parse(input)
                    .ok()
                    .map(|again| again.public_key_digest())
            );
        }
        Err(error) => assert!(error.to_string().len() < 1024, "{error}"),
    }
}
