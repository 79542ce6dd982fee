//! Envelopes: asked with, and what an answer's envelope must be.

use super::{
    UNUSABLE, fail, guid,
    names::{self, Operation},
};
use crate::{
    DeviceOptions, EnrollmentFault, Rule, SimError,
    http::{self, Answer},
    violation::Watch,
    xml::{Element, Writer},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::{HResult, Secret};
use url::Url;

/// What goes into `wsse:Security`.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// On-premises: user and enrollment token in the clear, inside TLS.
    Password { user: String, password: Secret<String> },
    /// Federated: Windows puts the sign-in page's token in base64 by itself.
    Token(Secret<String>),
}

/// A request's envelope.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) message_id: String,
    operation: Operation,
    to: Url,
    credential: Option<Credential>,
}

impl Envelope {
    pub(super) fn new(
        options: &DeviceOptions,
        operation: Operation,
        to: &Url,
        credential: Option<Credential>,
    ) -> Self {
        let message_id = format!("urn:uuid:{}", guid(options));
        Self {
            message_id,
            operation,
            to: to.clone(),
            credential,
        }
    }

    /// The message around a body that is written already.
    pub(super) fn encode(&self, body: &str) -> String {
        let mut xml = Writer::new();
        let namespaces = [
            ("xmlns:s", names::SOAP),
            ("xmlns:a", names::ADDRESSING),
            ("xmlns:u", names::UTILITY),
            ("xmlns:wsse", names::SECEXT),
            ("xmlns:wst", names::TRUST),
            ("xmlns:ac", names::AUTHORIZATION),
        ];
        xml.element("s:Envelope", &namespaces, |xml| {
            xml.element("s:Header", &[], |xml| self.write_header(xml));
            xml.element("s:Body", &[], |xml| xml.raw(body));
        });
        xml.finish()
    }

    fn write_header(&self, xml: &mut Writer) {
        let must = [("s:mustUnderstand", "1")];
        xml.text_with("a:Action", &must, self.operation.request);
        xml.text("a:MessageID", &self.message_id);
        xml.element("a:ReplyTo", &[], |xml| xml.text("a:Address", names::ANONYMOUS));
        xml.text_with("a:To", &must, &self.to_with_port());
        if let Some(credential) = &self.credential {
            xml.element("wsse:Security", &must, |xml| credential.write(xml));
        }
    }

    /// Windows names the port even where it is the usual one.
    fn to_with_port(&self) -> String {
        let port = self.to.port_or_known_default().unwrap_or(443);
        format!(
            "https://{}:{port}{}",
            self.to.host_str().unwrap_or_default(),
            self.to.path()
        )
    }
}

impl Credential {
    fn write(&self, xml: &mut Writer) {
        match self {
            Self::Password { user, password } => {
                xml.element("wsse:UsernameToken", &[("u:Id", USERNAME_TOKEN_ID)], |xml| {
                    xml.text("wsse:Username", user);
                    xml.text_with(
                        "wsse:Password",
                        &[("wsse:Type", names::PASSWORD_TEXT)],
                        password.expose(),
                    );
                });
            }
            Self::Token(token) => {
                let attributes = [
                    ("ValueType", names::USER_TOKEN),
                    ("EncodingType", names::BASE64_BINARY),
                ];
                let text = BASE64_STANDARD.encode(token.expose());
                xml.text_with("wsse:BinarySecurityToken", &attributes, &text);
            }
        }
    }
}

/// Checks an answer's transport and envelope; a fault is an error.
pub(super) fn open(
    answer: &Answer,
    operation: Operation,
    message_id: &str,
    watch: &mut Watch,
) -> Result<Opened, SimError> {
    answer.check_transfer(watch);
    answer.check_retry(watch);
    let envelope = match Element::parse(&answer.body) {
        Ok(envelope) if envelope.is(names::SOAP, "Envelope") => envelope,
        _ if answer.status != 200 => return Err(SimError::Refused(answer.status)),
        Ok(other) => {
            return Err(fail(
                watch,
                UNUSABLE,
                Rule::Structure,
                format!("a `{}`", other.name),
            ));
        }
        Err(error) => return Err(fail(watch, UNUSABLE, Rule::Unreadable, error.0)),
    };
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    watch.check(
        http::same_media_type(content_type, names::CONTENT_TYPE),
        Rule::ContentType,
        || format!("`{content_type}`"),
    );
    check_parts(&envelope, watch);
    let header = envelope.child("Header").cloned().unwrap_or_default();
    check_header(&header, operation, message_id, watch);
    let Some(content) = envelope.child("Body").and_then(|body| body.children.first()) else {
        return Err(fail(watch, UNUSABLE, Rule::Structure, "there is no body"));
    };
    if content.is(names::SOAP, "Fault") {
        let right = answer.status == 500;
        watch.check(right, Rule::HttpStatus, || {
            format!("a fault with status {}", answer.status)
        });
        return Err(SimError::Fault(Box::new(fault(content, watch))));
    }
    watch.check(answer.status == 200, Rule::HttpStatus, || {
        format!("status {}", answer.status)
    });
    Ok(Opened {
        header,
        content: content.clone(),
    })
}

/// What was inside the envelope.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) header: Element,
    pub(super) content: Element,
}

/// Descends along names in one namespace.
pub(super) fn require<'a>(
    element: &'a Element,
    namespace: &str,
    name: &str,
    watch: &mut Watch,
) -> Result<&'a Element, SimError> {
    let found = element
        .children
        .iter()
        .filter(|child| child.is(namespace, name))
        .count();
    if found > 1 {
        watch.note(Rule::Structure, format!("`{name}` occurs {found} times"));
    }
    element.child_in(namespace, name).ok_or_else(|| {
        fail(
            watch,
            UNUSABLE,
            Rule::Structure,
            format!("`{name}` is missing in `{}`", element.name),
        )
    })
}

fn check_parts(envelope: &Element, watch: &mut Watch) {
    let names = envelope.child_names();
    watch.check(names == ["Header", "Body"], Rule::Structure, || {
        format!("the envelope holds {names:?}")
    });
    let body = envelope.child("Body").map_or(0, |body| body.children.len());
    watch.check(body == 1, Rule::Structure, || {
        format!("the body holds {body} elements")
    });
}

fn check_header(header: &Element, operation: Operation, message_id: &str, watch: &mut Watch) {
    let action = header.child_in(names::ADDRESSING, "Action");
    let text = action.map_or("", |action| action.text.trim());
    let understood =
        action.and_then(|action| action.attribute_in(names::SOAP, "mustUnderstand")) == Some("1");
    watch.check(text == operation.response && understood, Rule::Action, || {
        format!("`{text}`")
    });

    let activity = header.child_in(names::DIAGNOSTICS, "ActivityId");
    let correlation = activity.and_then(|activity| activity.attribute("CorrelationId"));
    let guids = [activity.map(|activity| activity.text.trim()), correlation];
    let sound = guids
        .iter()
        .all(|guid| guid.is_some_and(|guid| uuid::Uuid::parse_str(guid).is_ok()));
    watch.check(sound, Rule::ActivityId, || format!("{guids:?}"));

    let relates: Vec<_> = header
        .all("RelatesTo")
        .map(|relates| relates.text.as_str())
        .collect();
    watch.check(relates == [message_id], Rule::RelatesTo, || {
        format!("{relates:?} for `{message_id}`")
    });
}

fn fault(fault: &Element, watch: &mut Watch) -> EnrollmentFault {
    let code = fault.at(&["Code", "Value"]).map_or("", |value| value.text.trim());
    watch.check(code.ends_with(":Receiver"), Rule::Structure, || {
        format!("fault code `{code}`")
    });
    let subcode = fault.at(&["Code", "Subcode", "Value"]);
    let text = subcode.map_or("", |value| value.text.trim());
    let reason = fault.at(&["Reason", "Text"]);
    watch.check(reason.is_some(), Rule::Structure, || {
        "the fault has no reason".to_owned()
    });
    let detail = fault
        .child("Detail")
        .and_then(|d| d.child_in(names::ENROLLMENT, "DeviceEnrollmentServiceError"));
    let member = |name| detail.and_then(|detail| detail.value(name)).map(str::to_owned);
    let error_type = member("ErrorType");
    EnrollmentFault {
        code: fault_code(text, error_type.as_deref()),
        subcode: text.rsplit(':').next().unwrap_or_default().to_owned(),
        error_type,
        reason: reason.map_or_else(String::new, |reason| reason.text.trim().to_owned()),
        trace_id: member("TraceId"),
    }
}

/// The HRESULT that Windows shows; names are matched with their case (MS-MDE2 2.2.10).
fn fault_code(subcode: &str, error_type: Option<&str>) -> HResult {
    let find = |table: &[(&str, u32)], name: &str| {
        table
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, code)| HResult(*code))
    };
    error_type
        .and_then(|name| find(ERROR_TYPES, name))
        .or_else(|| find(SUBCODES, subcode.rsplit(':').next().unwrap_or_default()))
        .unwrap_or(HResult(0x8018_0006))
}

const SUBCODES: &[(&str, u32)] = &[
    ("MessageFormat", 0x8018_0001),
    ("Authentication", 0x8018_0002),
    ("Authorization", 0x8018_0003),
    ("CertificateRequest", 0x8018_0004),
    ("EnrollmentServer", 0x8018_0005),
    ("InternalServiceFault", 0x8018_0006),
    ("InvalidSecurity", 0x8018_0007),
    ("ActionMismatch", 0x8018_0008),
    ("EndpointUnavailable", 0x8018_0008),
];
const ERROR_TYPES: &[(&str, u32)] = &[
    ("DeviceCapReached", 0x8018_0013),
    ("DeviceNotSupported", 0x8018_0014),
    ("NotSupported", 0x8018_0015),
    ("NotEligibleToRenew", 0x8018_0016),
    ("InMaintenance", 0x8018_0017),
    ("UserLicense", 0x8018_0018),
    ("InvalidEnrollmentData", 0x8018_0019),
    ("CustomServerError", 0x8018_0032),
];
/// Fixed by MS-MDE2.
const USERNAME_TOKEN_ID: &str = "uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fault_envelope, options, soap_answer};

    fn refused(answer: &Answer) -> (EnrollmentFault, Vec<Rule>) {
        let mut watch = Watch::default();
        match open(answer, names::RST, "urn:uuid:1", &mut watch) {
            Err(SimError::Fault(fault)) => (*fault, watch.rules()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_names_its_action_and_its_user() {
        let credential = Credential::Password {
            user: "ana@north.example".to_owned(),
            password: Secret::new("a<b".to_owned()),
        };
        let to = Url::parse("https://mdm.north.example/x").unwrap();
        let envelope = Envelope::new(&options(), names::RST, &to, Some(credential));
        let root = Element::parse(envelope.encode("").as_bytes()).unwrap();
        let header = root.child("Header").unwrap();
        let text = |name| header.child_in(names::ADDRESSING, name).unwrap().text.clone();
        assert_eq!(text("Action"), names::RST.request);
        assert_eq!(text("To"), "https://mdm.north.example:443/x");
        assert_eq!(text("MessageID"), envelope.message_id);
        let token = header
            .child_in(names::SECEXT, "Security")
            .unwrap()
            .child("UsernameToken")
            .unwrap();
        assert_eq!(
            (token.value("Username"), token.value("Password")),
            (Some("ana@north.example"), Some("a<b"))
        );
    }

    #[test]
    fn a_federated_token_is_sent_in_base64() {
        let to = Url::parse("https://mdm.north.example/x").unwrap();
        let token = Credential::Token(Secret::new("wresult".to_owned()));
        let text = Envelope::new(&options(), names::RST, &to, Some(token)).encode("");
        assert!(text.contains(">d3Jlc3VsdA==<"), "{text}");
    }

    #[test]
    fn faults_become_the_codes_that_windows_shows() {
        for (subcode, kind, code) in [
            ("s:Authentication", None, 0x8018_0002),
            ("s:Authorization", Some("DeviceCapReached"), 0x8018_0013),
            ("a:InvalidSecurity", None, 0x8018_0007),
            ("s:authentication", None, 0x8018_0006),
        ] {
            let answer = soap_answer(
                500,
                &fault_envelope(names::RST.response, "urn:uuid:1", subcode, kind),
            );
            let (fault, rules) = refused(&answer);
            assert_eq!(
                (fault.code, fault.error_type.as_deref()),
                (HResult(code), kind),
                "{subcode}"
            );
            assert_eq!(rules, []);
        }
    }

    #[test]
    fn a_fault_with_status_200_is_noted() {
        let answer = soap_answer(
            200,
            &fault_envelope(names::RST.response, "urn:uuid:1", "s:Authorization", None),
        );
        assert_eq!(refused(&answer).1, [Rule::HttpStatus]);
    }

    #[test]
    fn a_foreign_answer_is_noted_by_its_header() {
        let envelope = fault_envelope("http://other", "urn:uuid:urn:uuid:1", "s:Authorization", None)
            .replace("CorrelationId", "Correlation");
        let (_, rules) = refused(&soap_answer(500, &envelope));
        assert_eq!(rules, [Rule::Action, Rule::ActivityId, Rule::RelatesTo]);
    }

    #[test]
    fn an_answer_that_is_no_envelope_ends_the_enrollment() {
        let mut watch = Watch::default();
        let html = soap_answer(200, "<html/>");
        let ended = open(&html, names::RST, "urn:uuid:1", &mut watch);
        assert!(
            matches!(ended, Err(SimError::Enrollment { code: UNUSABLE, .. })),
            "{ended:?}"
        );
        let plain = soap_answer(400, "no");
        assert!(matches!(
            open(&plain, names::RST, "x", &mut watch),
            Err(SimError::Refused(400))
        ));
    }
}
