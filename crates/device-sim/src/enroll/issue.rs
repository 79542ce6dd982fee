//! The request for a certificate (MS-WSTEP, MS-MDE2 3.4) and the answer that carries the provisioning document.

use super::{
    Hardware, UNUSABLE, csr, fail, guid,
    names::{
        AUTHORIZATION, BASE64_BINARY, DEVICE_TOKEN, ENROLLMENT, ISSUE, PKCS10, PROVISION_DOC, RST, SECEXT,
        TRUST, UTILITY,
    },
    soap,
};
use crate::{
    DeviceOptions, Rule, SimError,
    http::Answer,
    violation::Watch,
    xml::{Element, Writer},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::{Timestamp, device::EnrollmentKind};
use rcgen::KeyPair;
use std::time::Duration;

/// A request with the key it asks a certificate for.
pub(super) struct Request {
    key: KeyPair,
    csr: Vec<u8>,
    context: Vec<(&'static str, String)>,
}

impl Request {
    /// Makes a key (P-256) and the request for it.
    pub(super) fn new(options: &DeviceOptions, hardware: &Hardware) -> Result<Self, SimError> {
        let key = KeyPair::generate()?;
        let enrollment = guid(options).to_string().to_uppercase();
        let name = format!("{}!{}", &enrollment[..30], hardware.device_id);
        let csr = csr::certificate_request(&key, &name, &hardware.device_id, options.csr)?;
        Ok(Self {
            key,
            csr,
            context: context(options, hardware),
        })
    }

    /// The content of the body.
    pub(super) fn body(&self) -> String {
        let mut xml = Writer::new();
        xml.element("wst:RequestSecurityToken", &[], |xml| {
            xml.text("wst:TokenType", DEVICE_TOKEN);
            xml.text("wst:RequestType", ISSUE);
            let attributes = [("ValueType", PKCS10), ("EncodingType", BASE64_BINARY)];
            xml.element("wsse:BinarySecurityToken", &attributes, |xml| {
                xml.raw(&wrapped(&self.csr));
            });
            xml.element("ac:AdditionalContext", &[("xmlns", AUTHORIZATION)], |xml| {
                for (name, value) in &self.context {
                    xml.element("ac:ContextItem", &[("Name", name)], |xml| {
                        xml.text("ac:Value", value);
                    });
                }
            });
        });
        xml.finish()
    }

    pub(super) const fn key(&self) -> &KeyPair {
        &self.key
    }
}

/// Windows wraps base64 at 64 columns with CR LF; its XML writer saves the CR as a reference.
fn wrapped(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            out.push_str("&#xD;\n");
        }
        out.push(character);
    }
    out
}

fn context(options: &DeviceOptions, hardware: &Hardware) -> Vec<(&'static str, String)> {
    let version = options.os_version.to_string();
    let mac = |last: u8| {
        let bytes = &hardware.device_id[..10];
        format!(
            "{}-{}-{}-{}-{}-{last:02X}",
            &bytes[0..2],
            &bytes[2..4],
            &bytes[4..6],
            &bytes[6..8],
            &bytes[8..10]
        )
    };
    let kind = match options.kind {
        EnrollmentKind::Full => "Full",
        EnrollmentKind::Device => "Device",
    };
    vec![
        ("UXInitiated", "true".to_owned()),
        ("HWDevID", hardware.hardware_id.clone()),
        ("Locale", "en-US".to_owned()),
        ("TargetedUserLoggedIn", "true".to_owned()),
        ("OSEdition", "4".to_owned()),
        ("DeviceName", options.name.clone()),
        // Two network adapters: names may repeat.
        ("MAC", mac(1)),
        ("MAC", mac(2)),
        ("DeviceID", hardware.device_id.clone()),
        ("EnrollmentType", kind.to_owned()),
        ("DeviceType", "CIMClient_Windows".to_owned()),
        ("OSVersion", version.clone()),
        ("ApplicationVersion", version),
        ("NotInOobe", "true".to_owned()),
        ("RequestVersion", "9.0".to_owned()),
    ]
}

/// Reads the answer as far as the provisioning document.
pub(super) fn read(
    answer: &Answer,
    message_id: &str,
    now: Timestamp,
    watch: &mut Watch,
) -> Result<Vec<u8>, SimError> {
    let opened = soap::open(answer, RST, message_id, watch)?;
    check_timestamp(&opened.header, now, watch);
    let collection = &opened.content;
    let named = collection.is(TRUST, "RequestSecurityTokenResponseCollection");
    watch.check(named, Rule::Structure, || collection.name.clone());
    let response = soap::require(collection, TRUST, "RequestSecurityTokenResponse", watch)?;
    let members = response.child_names();
    watch.check(members == RESPONSE, Rule::Order, || {
        format!("the response holds {members:?}")
    });
    let token_type = response.value("TokenType");
    watch.check(token_type == Some(DEVICE_TOKEN), Rule::Parameter, || {
        format!("TokenType {token_type:?}")
    });
    for name in ["DispositionMessage", "RequestID"] {
        let there = response.child_in(ENROLLMENT, name).is_some();
        watch.check(there, Rule::Namespace, || {
            format!("{name} is not in its namespace")
        });
    }
    let requested = soap::require(response, TRUST, "RequestedSecurityToken", watch)?;
    let token = soap::require(requested, SECEXT, "BinarySecurityToken", watch)?;
    for (name, wanted) in [("ValueType", PROVISION_DOC), ("EncodingType", BASE64_BINARY)] {
        let given = token.attribute(name);
        watch.check(given == Some(wanted), Rule::Parameter, || {
            format!("{name} {given:?}")
        });
    }
    BASE64_STANDARD
        .decode(token.text.trim())
        .map_err(|error| fail(watch, UNUSABLE, Rule::Unreadable, format!("the token: {error}")))
}

/// `u:Timestamp` around now, five minutes long; Windows does not look, we do.
fn check_timestamp(header: &Element, now: Timestamp, watch: &mut Watch) {
    let timestamp = header
        .child_in(SECEXT, "Security")
        .and_then(|s| s.child_in(UTILITY, "Timestamp"));
    let moment = |name| Timestamp::parse_rfc3339(timestamp?.value(name)?).ok();
    let sound = match (moment("Created"), moment("Expires")) {
        (Some(created), Some(expires)) => {
            created <= now + SKEW && expires + SKEW >= now && expires.since(created) == FIVE_MINUTES
        }
        _ => false,
    };
    watch.check(sound, Rule::Timestamp, || {
        "Created and Expires are not five minutes around now".to_owned()
    });
}

const RESPONSE: &[&str] = &[
    "TokenType",
    "DispositionMessage",
    "RequestedSecurityToken",
    "RequestID",
];
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const SKEW: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{envelope, hardware, options, soap_answer};

    fn answer(security: &str, response: &str) -> Answer {
        let body = format!(
            "<RequestSecurityTokenResponseCollection xmlns='{TRUST}'><RequestSecurityTokenResponse>{response}\
             </RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>"
        );
        soap_answer(200, &envelope(RST.response, "urn:uuid:1", security, &body))
    }

    fn security(created: &str, expires: &str) -> String {
        format!(
            "<o:Security xmlns:o='{SECEXT}' xmlns:u='{UTILITY}'><u:Timestamp><u:Created>{created}</u:Created>\
             <u:Expires>{expires}</u:Expires></u:Timestamp></o:Security>"
        )
    }

    fn response() -> String {
        format!(
            "<TokenType>{DEVICE_TOKEN}</TokenType><DispositionMessage xmlns='{ENROLLMENT}'/>\
             <RequestedSecurityToken><BinarySecurityToken xmlns='{SECEXT}' ValueType='{PROVISION_DOC}' \
             EncodingType='{BASE64_BINARY}'>PGEvPg==</BinarySecurityToken></RequestedSecurityToken>\
             <RequestID xmlns='{ENROLLMENT}'>0</RequestID>"
        )
    }

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-03-01T10:00:30Z").unwrap()
    }

    const CREATED: &str = "2026-03-01T10:00:00.000Z";
    const EXPIRES: &str = "2026-03-01T10:05:00.000Z";

    #[test]
    fn the_request_is_wrapped_as_windows_wraps_it() {
        let request = Request::new(&options(), &hardware()).unwrap();
        let body = request.body();
        assert!(body.contains("&#xD;\n"));
        let first_line = body
            .split("#base64binary\">")
            .nth(1)
            .unwrap()
            .split("&#xD;")
            .next()
            .unwrap();
        assert_eq!(first_line.len(), 64);
        assert!(body.matches("Name=\"MAC\"").count() == 2);
    }

    #[test]
    fn a_good_answer_gives_the_document() {
        let mut watch = Watch::default();
        let answer = answer(&security(CREATED, EXPIRES), &response());
        assert_eq!(read(&answer, "urn:uuid:1", now(), &mut watch).unwrap(), b"<a/>");
        assert_eq!(watch.rules(), []);
    }

    #[test]
    fn breaches_that_windows_tolerates_are_noted() {
        let swapped = response().replace("DeviceEnrollmentProvisionDoc", "DeviceEnrollmentToken");
        let without_id = response().split("<RequestID").next().unwrap().to_owned();
        for (answer, rules) in [
            (answer("", &response()), vec![Rule::Timestamp]),
            (
                answer(
                    &security("2018-11-30T00:00:00Z", "2018-11-30T00:05:00Z"),
                    &response(),
                ),
                vec![Rule::Timestamp],
            ),
            (
                answer(&security(CREATED, EXPIRES), &swapped),
                vec![Rule::Parameter],
            ),
            (
                answer(&security(CREATED, EXPIRES), &without_id),
                vec![Rule::Order, Rule::Namespace],
            ),
        ] {
            let mut watch = Watch::default();
            read(&answer, "urn:uuid:1", now(), &mut watch).unwrap();
            assert_eq!(watch.rules(), rules);
        }
    }

    #[test]
    fn an_answer_without_a_token_ends_the_enrollment() {
        let answer = answer(&security(CREATED, EXPIRES), "<TokenType/>");
        assert!(read(&answer, "urn:uuid:1", now(), &mut Watch::default()).is_err());
    }
}
