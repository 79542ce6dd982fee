//! Discovery (MS-MDE2 3.1).

use super::{
    UNUSABLE, fail,
    names::{DISCOVER, DISCOVERY, INSTANCE},
    soap::{self, Credential},
};
use crate::{
    DeviceOptions, Rule, SimError,
    http::Answer,
    violation::Watch,
    xml::{Element, Writer},
};
use qm_core::HResult;
use url::Url;

/// Where enrollment goes on.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) auth_policy: AuthPolicy,
    pub(super) policy_url: Url,
    pub(super) enrollment_url: Url,
}

/// `AuthPolicy`, as far as a simulated device can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthPolicy {
    OnPremise,
    Federated,
}

/// The content of the body.
pub(super) fn request(options: &DeviceOptions) -> String {
    let version = options.os_version.to_string();
    let mut xml = Writer::new();
    xml.element("Discover", &[("xmlns", DISCOVERY)], |xml| {
        xml.element("request", &[("xmlns:i", INSTANCE)], |xml| {
            xml.text("EmailAddress", &options.upn);
            xml.text("RequestVersion", REQUEST_VERSION);
            xml.text("DeviceType", "CIMClient_Windows");
            xml.text("ApplicationVersion", &version);
            xml.text("OSEdition", "4");
            xml.element("AuthPolicies", &[], |xml| {
                xml.text("AuthPolicy", "OnPremise");
                xml.text("AuthPolicy", "Federated");
            });
        });
    });
    xml.finish()
}

/// Reads the answer.
pub(super) fn read(answer: &Answer, message_id: &str, watch: &mut Watch) -> Result<Services, SimError> {
    let opened = soap::open(answer, DISCOVER, message_id, watch)?;
    let content = opened.content;
    watch.check(content.is(DISCOVERY, "DiscoverResponse"), Rule::Structure, || {
        content.name.clone()
    });
    let result = soap::require(&content, DISCOVERY, "DiscoverResult", watch)?;
    check_members(result, watch);
    let auth_policy = auth_policy(result, watch)?;
    let services = Services {
        auth_policy,
        policy_url: https(result, "EnrollmentPolicyServiceUrl", watch)?,
        enrollment_url: https(result, "EnrollmentServiceUrl", watch)?,
    };
    let one_host = services.policy_url.host_str() == services.enrollment_url.host_str();
    watch.check(one_host, Rule::Url, || {
        "policy and enrollment are on two hosts".to_owned()
    });
    if auth_policy == AuthPolicy::Federated {
        https(result, "AuthenticationServiceUrl", watch)?;
    }
    Ok(services)
}

impl Services {
    /// What the device shows for itself.
    pub(super) fn credential(
        &self,
        options: &DeviceOptions,
        watch: &mut Watch,
    ) -> Result<Credential, SimError> {
        if options.token.expose().is_empty() {
            return Err(fail(
                watch,
                PASSWORD_NEEDED,
                Rule::Parameter,
                "the device was given no token",
            ));
        }
        Ok(match self.auth_policy {
            AuthPolicy::OnPremise => Credential::Password {
                user: options.upn.clone(),
                password: options.token.clone(),
            },
            AuthPolicy::Federated => Credential::Token(options.token.clone()),
        })
    }
}

fn check_members(result: &Element, watch: &mut Watch) {
    for child in &result.children {
        let known = MEMBERS.contains(&child.name.as_str()) && child.namespace == DISCOVERY;
        watch.check(known, Rule::Structure, || {
            format!("`{}` in DiscoverResult", child.name)
        });
        let single = result.all(&child.name).count() == 1;
        watch.check(single, Rule::Structure, || {
            format!("`{}` is repeated", child.name)
        });
    }
    if let Some(version) = result.value("EnrollmentVersion") {
        let number: Option<f32> = version.parse().ok();
        let fits = number.is_some_and(|number| (3.0..=9.0).contains(&number));
        watch.check(fits, Rule::Parameter, || format!("EnrollmentVersion `{version}`"));
    }
}

fn auth_policy(result: &Element, watch: &mut Watch) -> Result<AuthPolicy, SimError> {
    match result.value("AuthPolicy") {
        Some("OnPremise") => Ok(AuthPolicy::OnPremise),
        Some("Federated") => Ok(AuthPolicy::Federated),
        other => Err(fail(
            watch,
            UNUSABLE,
            Rule::Parameter,
            format!("AuthPolicy {other:?} was not offered"),
        )),
    }
}

fn https(result: &Element, name: &'static str, watch: &mut Watch) -> Result<Url, SimError> {
    let text = soap::require(result, DISCOVERY, name, watch)?.text.trim();
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" && url.host().is_some() => Ok(url),
        _ => Err(fail(watch, UNUSABLE, Rule::Url, format!("{name} is `{text}`"))),
    }
}

const MEMBERS: &[&str] = &[
    "AuthPolicy",
    "EnrollmentVersion",
    "EnrollmentPolicyServiceUrl",
    "EnrollmentServiceUrl",
    "AuthenticationServiceUrl",
];
/// What Windows 11 25H2 sends.
const REQUEST_VERSION: &str = "9.0";
/// The prompt was left empty.
const PASSWORD_NEEDED: HResult = HResult(0x8018_000E);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{envelope, options, soap_answer};

    fn response(members: &str) -> Answer {
        let body = format!(
            "<DiscoverResponse xmlns='{DISCOVERY}'><DiscoverResult>{members}</DiscoverResult></DiscoverResponse>"
        );
        soap_answer(200, &envelope(DISCOVER.response, "urn:uuid:1", "", &body))
    }

    const GOOD: &str = "<AuthPolicy>OnPremise</AuthPolicy><EnrollmentVersion>5.0</EnrollmentVersion>\
        <EnrollmentPolicyServiceUrl>https://e.north.example/p</EnrollmentPolicyServiceUrl>\
        <EnrollmentServiceUrl>https://e.north.example/e</EnrollmentServiceUrl>";

    #[test]
    fn the_request_tells_who_asks() {
        let root = Element::parse(request(&options()).as_bytes()).unwrap();
        let request = root.child("request").unwrap();
        assert_eq!(request.value("EmailAddress"), Some("ana@north.example"));
        assert_eq!(request.child("AuthPolicies").unwrap().children.len(), 2);
    }

    #[test]
    fn a_good_answer_is_taken_without_complaint() {
        let mut watch = Watch::default();
        let services = read(&response(GOOD), "urn:uuid:1", &mut watch).unwrap();
        assert_eq!(services.auth_policy, AuthPolicy::OnPremise);
        assert_eq!(services.enrollment_url.path(), "/e");
        assert_eq!(watch.rules(), []);
    }

    #[test]
    fn what_windows_cannot_use_ends_the_enrollment() {
        for (from, to) in [
            ("OnPremise", "Certificate"),
            ("https://e.north.example/e", "http://e.north.example/e"),
            ("https://e.north.example/p", "/p"),
            ("OnPremise", "Federated"),
        ] {
            let answer = response(&GOOD.replace(from, to));
            assert!(
                read(&answer, "urn:uuid:1", &mut Watch::default()).is_err(),
                "{from} to {to}"
            );
        }
    }

    #[test]
    fn what_windows_tolerates_is_noted() {
        for (from, to, rule) in [
            (
                "https://e.north.example/p",
                "https://p.north.example/p",
                Rule::Url,
            ),
            (">5.0<", ">2.0<", Rule::Parameter),
            ("<AuthPolicy>", "<Extra/><AuthPolicy>", Rule::Structure),
        ] {
            let mut watch = Watch::default();
            read(&response(&GOOD.replace(from, to)), "urn:uuid:1", &mut watch).unwrap();
            assert_eq!(watch.rules(), [rule], "{from} to {to}");
        }
    }
}
