use super::*;
use crate::{
    XmlError,
    answer::CONTENT_TYPE,
    names,
    testing::{ACTIVITY, MESSAGE_ID, compact, correlation, envelope, text},
};
use proptest::prelude::*;

fn discover(children: &str) -> String {
    let body = format!(
        r#"<Discover xmlns="http://schemas.microsoft.com/windows/management/2012/01/enrollment"><request xmlns:i="http://www.w3.org/2001/XMLSchema-instance">{children}</request></Discover>"#
    );
    envelope(names::DISCOVER_ACTION, "", &body)
}

fn decode(text: &str) -> Result<DiscoverRequest, DecodeError> {
    DiscoverRequest::decode(text.as_bytes()).map_err(|rejected| rejected.error)
}

fn services() -> Services {
    Services {
        auth_policy: AuthPolicy::OnPremise,
        policy_url: "https://enroll.depot.example:8443/EnrollmentServer/Policy.svc".to_owned(),
        enrollment_url: "https://enroll.depot.example:8443/EnrollmentServer/Enrollment.svc?a=1&b=2"
            .to_owned(),
        authentication_url: None,
    }
}

const WINDOWS_11: &str = r"
    <EmailAddress>mira@depot.example</EmailAddress>
    <RequestVersion>9.0</RequestVersion>
    <DeviceType>CIMClient_Windows</DeviceType>
    <ApplicationVersion>10.0.26100.1742</ApplicationVersion>
    <OSEdition> 48 </OSEdition>
    <AuthPolicies><AuthPolicy>OnPremise</AuthPolicy><AuthPolicy>Federated</AuthPolicy><AuthPolicy>Quantum</AuthPolicy></AuthPolicies>";

#[test]
fn reads_what_windows_sends() {
    let request = decode(&discover(WINDOWS_11)).unwrap();
    assert_eq!(request.message_id.as_deref(), Some(MESSAGE_ID));
    assert_eq!(request.email_address, "mira@depot.example");
    assert_eq!(
        request.request_version,
        Some(RequestVersion { major: 9, minor: 0 })
    );
    let quantum = AuthPolicy::Other("Quantum".to_owned());
    assert_eq!(
        request.auth_policies,
        [AuthPolicy::OnPremise, AuthPolicy::Federated, quantum]
    );
    assert!(
        request
            .details
            .contains(&("OSEdition".to_owned(), "48".to_owned()))
    );
    assert_eq!(request.details.len(), 3);
}

#[test]
fn accepts_missing_elements_and_unusual_forms() {
    let empty = decode(&discover("<EmailAddress/>")).unwrap();
    assert_eq!((empty.email_address.as_str(), empty.request_version), ("", None));
    assert!(empty.answer(&services()).is_ok());

    let bare = decode(&discover("<AuthPolicies>OnPremise</AuthPolicies>")).unwrap();
    assert_eq!(bare.auth_policies, [AuthPolicy::OnPremise]);

    let slash = discover(WINDOWS_11).replace("2012/01/enrollment\"", "2012/01/enrollment/\"");
    assert_eq!(decode(&slash), decode(&discover(WINDOWS_11)));
    let mut prefixed = discover(WINDOWS_11);
    for (from, to) in [
        ("<s:", "<e:"),
        ("</s:", "</e:"),
        (" s:", " e:"),
        ("xmlns:s=", "xmlns:e="),
    ] {
        prefixed = prefixed.replace(from, to);
    }
    assert_eq!(decode(&prefixed), decode(&discover(WINDOWS_11)));
}

#[test]
fn answers_with_a_version_both_sides_speak() {
    let cases = [
        ("3.0", "3.0"),
        ("4.0", "4.0"),
        ("5.0", "5.0"),
        ("9.0", "5.0"),
        ("10.5", "5.0"),
        ("4", "4.0"),
    ];
    for (asked, answered) in cases {
        let request = decode(&discover(&format!("<RequestVersion>{asked}</RequestVersion>"))).unwrap();
        let response = request.answer(&services()).unwrap();
        assert_eq!(response.enrollment_version.to_string(), answered, "{asked}");
    }
}

#[test]
fn refuses_clients_that_cannot_use_the_services() {
    let kind = |children: &str| {
        decode(&discover(children))
            .unwrap()
            .answer(&services())
            .unwrap_err()
            .kind
    };
    assert_eq!(
        kind("<RequestVersion>2.0</RequestVersion>"),
        FaultKind::DeviceNotSupported
    );
    let federated = "<AuthPolicies><AuthPolicy>Federated</AuthPolicy></AuthPolicies>";
    assert_eq!(kind(federated), FaultKind::NotSupported);
}

#[test]
fn response_matches_the_golden_message() {
    let answer = decode(&discover(WINDOWS_11))
        .unwrap()
        .answer(&services())
        .unwrap()
        .encode(correlation());
    assert_eq!((answer.status, answer.content_type), (200, CONTENT_TYPE));
    assert_eq!(
        text(&answer.body),
        compact(include_str!("../golden/discover_response.xml"))
    );
}

#[test]
fn federated_services_name_the_sign_in_page() {
    let services = Services {
        auth_policy: AuthPolicy::Federated,
        authentication_url: Some("https://enroll.depot.example/sign-in".to_owned()),
        ..services()
    };
    let answer = decode(&discover(WINDOWS_11))
        .unwrap()
        .answer(&services)
        .unwrap()
        .encode(correlation());
    let expected = "<AuthenticationServiceUrl>https://enroll.depot.example/sign-in</AuthenticationServiceUrl></DiscoverResult>";
    assert!(text(&answer.body).contains(expected));
}

#[test]
fn rejects_what_cannot_be_read() {
    let valid = discover(WINDOWS_11);
    let cases = [
        (
            valid.replace("/Discover\n", "/Retrieve\n"),
            DecodeError::ActionMismatch,
        ),
        (valid.replace("soap-envelope", "soap"), DecodeError::NotSoap),
        (
            valid.replace("9.0<", "nine<"),
            DecodeError::Invalid("RequestVersion"),
        ),
        (
            valid.replace("2012/01/enrollment\"", "2011/01/enrollment\""),
            DecodeError::Missing("Discover"),
        ),
        (
            discover("<EmailAddress>a</EmailAddress><EmailAddress>b</EmailAddress>"),
            DecodeError::Duplicate("EmailAddress"),
        ),
        (
            valid.replace("</s:Envelope>", "<s:Body/></s:Envelope>"),
            DecodeError::Duplicate("Body"),
        ),
        (
            valid.replace("uuid:c1b7", &"u".repeat(300)),
            DecodeError::Invalid("MessageID"),
        ),
        (String::new(), XmlError::Empty.into()),
        (
            "{\"userDomain\":\"depot.example\"}".to_owned(),
            XmlError::Malformed.into(),
        ),
        (
            "x".repeat(16 * 1024 + 1),
            XmlError::TooLarge {
                size: 16_385,
                limit: 16_384,
            }
            .into(),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(decode(&body), Err(expected));
    }
}

#[test]
fn junk_is_answered_shortly_and_soap_with_a_fault() {
    let answer = |body: &[u8]| DiscoverRequest::decode(body).unwrap_err().answer(ACTIVITY);
    assert_eq!(answer(b"").status, 400);
    assert_eq!(answer(b"\xFF\xFF").status, 400);
    assert_eq!(answer(&vec![b' '; 20_000]).status, 413);
    let fault = answer(discover("<RequestVersion>x</RequestVersion>").as_bytes());
    assert_eq!((fault.status, fault.content_type), (500, CONTENT_TYPE));
    let body = text(&fault.body);
    assert!(
        body.contains(&format!("<a:RelatesTo>{MESSAGE_ID}</a:RelatesTo>")),
        "{body}"
    );
    assert!(body.contains("<s:Value>s:MessageFormat</s:Value>"), "{body}");
    assert!(
        body.contains("IDiscoveryService/DiscoverResponse</a:Action>"),
        "{body}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = DiscoverRequest::decode(&bytes);
    }

    #[test]
    fn decoding_a_damaged_request_never_panics(at in 0_usize..1800, junk in "[<>&;\"'/=:a-c\\x00 ]{0,4}") {
        let mut body = discover(WINDOWS_11);
        let at = body.floor_char_boundary(at);
        body.insert_str(at, &junk);
        if let Err(rejected) = DiscoverRequest::decode(body.as_bytes()) {
            prop_assert!(rejected.answer(ACTIVITY).status >= 400);
        }
    }

    #[test]
    fn versions_round_trip_and_compare_by_number(a in any::<(u16, u16)>(), b in any::<(u16, u16)>()) {
        let version = |(major, minor)| RequestVersion { major, minor };
        let printed: RequestVersion = version(a).to_string().parse().unwrap();
        prop_assert_eq!(printed, version(a));
        prop_assert_eq!(version(a).cmp(&version(b)), a.cmp(&b));
    }
}
