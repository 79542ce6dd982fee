use super::*;
use crate::{
    RequestVersion, XmlError, names,
    testing::{ACTIVITY, MESSAGE_ID, compact, correlation, envelope, text, username_token},
};
use proptest::prelude::*;
use qm_core::{Secret, device::EnrollmentKind};

const DEVICE_ID: &str = "9B3E51C7D0A84F26A1E4C6F8B2D7E095";

fn body(kind: &str, token: &str, items: &str) -> String {
    format!(
        r#"<wst:RequestSecurityToken>
      <wst:TokenType>http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken</wst:TokenType>
      <wst:RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/{kind}</wst:RequestType>
      {token}
      <ac:AdditionalContext xmlns="http://schemas.xmlsoap.org/ws/2006/12/authorization">{items}</ac:AdditionalContext>
    </wst:RequestSecurityToken>"#
    )
}

fn token(kind: &str, value: &str) -> String {
    format!(
        r#"<wsse:BinarySecurityToken wsse:ValueType="http://schemas.microsoft.com/windows/pki/2009/01/enrollment#{kind}" EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#base64binary">{value}</wsse:BinarySecurityToken>"#
    )
}

fn items(pairs: &[(&str, &str)]) -> String {
    let item = |(name, value): &(&str, &str)| {
        format!(r#"<ac:ContextItem Name="{name}"><ac:Value>{value}</ac:Value></ac:ContextItem>"#)
    };
    pairs.iter().map(item).collect()
}

fn windows_items() -> String {
    items(&[
        ("UXInitiated", "True"),
        ("HWDevID", "C0FFEE"),
        ("Locale", "de-DE"),
        ("TargetedUserLoggedIn", "true"),
        ("OSEdition", "4"),
        ("DeviceName", "LAGER-\u{85}17"),
        ("MAC", "A4-11-22-33-44-55"),
        ("MAC", "A4-11-22-33-44-56"),
        ("DeviceID", DEVICE_ID),
        ("EnrollmentType", "Full"),
        ("DeviceType", "CIMClient_Windows"),
        ("OSVersion", "10.0.26100.1742"),
        ("ApplicationVersion", "10.0.26100.1"),
        ("NotInOobe", "false"),
        ("RequestVersion", "9.0"),
        ("MoonPhase", "waxing"),
    ])
}

fn enrollment(token: &str, items: &str) -> String {
    let security = username_token("mira@depot.example", "enrollment-token-1");
    envelope(names::RST_ACTION, &security, &body("Issue", token, items))
}

fn decode(text: &str) -> Result<RequestSecurityToken, DecodeError> {
    RequestSecurityToken::decode(text.as_bytes()).map_err(|rejected| rejected.error)
}

#[test]
fn reads_an_enrollment() {
    let wrapped = "MAUCAQAwAA&#xD;\n      ==";
    let request = decode(&enrollment(&token("PKCS10", wrapped), &windows_items())).unwrap();
    assert_eq!(request.message_id.as_deref(), Some(MESSAGE_ID));
    let expected = TokenRequest::Issue {
        pkcs10: vec![0x30, 5, 2, 1, 0, 0x30, 0],
        device_id: DEVICE_ID.to_owned(),
    };
    assert_eq!(request.request, expected);
    let (upn, password) = request.credential.on_premises().unwrap();
    assert_eq!(
        (upn.as_str(), password.expose().as_str()),
        ("mira@depot.example", "enrollment-token-1")
    );
}

#[test]
fn tells_what_the_device_says_about_itself() {
    let context = decode(&enrollment(&token("PKCS10", "MAA="), &windows_items()))
        .unwrap()
        .context;
    assert_eq!(context.device_id(), Some(DEVICE_ID));
    assert_eq!(context.hardware_id().as_deref(), Some("C0FFEE"));
    assert_eq!(
        context.device_name().as_deref(),
        Some("LAGER-17"),
        "without control characters"
    );
    assert_eq!(context.enrollment_kind(), EnrollmentKind::Full);
    assert_eq!(context.device_type().as_deref(), Some("CIMClient_Windows"));
    assert_eq!(context.locale().as_deref(), Some("de-DE"));
    assert_eq!(context.os_edition(), Some(4));
    assert_eq!(context.os_version().unwrap().to_string(), "10.0.26100.1742");
    assert_eq!(
        context.request_version(),
        Some(RequestVersion { major: 9, minor: 0 })
    );
    assert_eq!(context.not_in_oobe(), Some(false));
    assert_eq!(context.user_logged_in(), Some(true));
    assert_eq!(context.started_by_user(), Some(true));
    assert_eq!(
        context.all("mac").collect::<Vec<_>>(),
        ["A4-11-22-33-44-55", "A4-11-22-33-44-56"]
    );
    assert_eq!(context.first("MoonPhase"), Some("waxing"));
    assert_eq!(context.iter().count(), 16);
}

#[test]
fn missing_and_odd_context_items_are_no_obstacle() {
    let given = items(&[
        ("DeviceID", DEVICE_ID),
        ("EnrollmentType", "device"),
        ("OSEdition", "many"),
        ("OSVersion", ""),
        ("ApplicationVersion", "10.0.22631"),
        ("DeviceName", &"n".repeat(300)),
        ("NotInOobe", "perhaps"),
    ]);
    let context = decode(&enrollment(&token("PKCS10", "MAA="), &given))
        .unwrap()
        .context;
    assert_eq!(context.enrollment_kind(), EnrollmentKind::Device);
    assert_eq!(
        (context.os_edition(), context.not_in_oobe(), context.hardware_id()),
        (None, None, None)
    );
    assert_eq!(context.os_version().unwrap().to_string(), "10.0.22631.0");
    assert_eq!(context.device_name().unwrap().len(), 256);
}

#[test]
fn reads_a_renewal_with_default_namespaces() {
    let request = r#"<RequestSecurityToken xmlns="http://docs.oasis-open.org/ws-sx/ws-trust/200512">
      <RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Renew</RequestType>
      <BinarySecurityToken xmlns="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
        ValueType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#PKCS7">MAA</BinarySecurityToken>
      <AdditionalContext xmlns="http://schemas.xmlsoap.org/ws/2006/12/authorization"><ContextItem Name="DeviceType"><Value>CIMClient_Windows</Value></ContextItem></AdditionalContext>
    </RequestSecurityToken>"#;
    let renewal = decode(&envelope(
        names::RST_ACTION,
        &username_token("mira@depot.example", ""),
        request,
    ))
    .unwrap();
    assert_eq!(renewal.request, TokenRequest::Renew { pkcs7: vec![0x30, 0] });
    assert_eq!(renewal.context.device_id(), None);
}

#[test]
fn rejects_what_is_no_enrollment() {
    let (good, context) = (token("PKCS10", "MAA="), windows_items());
    let valid = enrollment(&good, &context);
    let long_id = items(&[("DeviceID", &"d".repeat(257))]);
    let doubled = body("Issue", &good, &context).repeat(2);
    let cases = [
        (enrollment(&good, ""), DecodeError::Missing("DeviceID")),
        (enrollment(&good, &long_id), DecodeError::Invalid("DeviceID")),
        (
            enrollment(&good, "<ac:ContextItem/>"),
            DecodeError::Missing("ContextItem/Name"),
        ),
        (
            enrollment("", &context),
            DecodeError::Missing("BinarySecurityToken"),
        ),
        (
            enrollment(&good.repeat(2), &context),
            DecodeError::Duplicate("BinarySecurityToken"),
        ),
        (
            enrollment(&token("PKCS7", "MAA="), &context),
            DecodeError::Invalid("BinarySecurityToken"),
        ),
        (
            enrollment(&token("PKCS10", "%%"), &context),
            DecodeError::Invalid("BinarySecurityToken"),
        ),
        (
            enrollment(&token("PKCS10", " "), &context),
            DecodeError::Invalid("BinarySecurityToken"),
        ),
        (
            valid.replace("200512/Issue", "200512/Cancel"),
            DecodeError::RequestType,
        ),
        (
            valid.replace("/RST/wstep", "/RSTRC/wstep"),
            DecodeError::ActionMismatch,
        ),
        (
            envelope(names::RST_ACTION, "", &doubled),
            DecodeError::Duplicate("RequestSecurityToken"),
        ),
        (
            valid.replace("<s:Body>", "<s:Body><!DOCTYPE x>"),
            XmlError::Forbidden("a document type").into(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(decode(&text), Err(expected));
    }
}

#[test]
fn the_token_of_the_header_is_never_taken_for_the_request() {
    let security = crate::testing::binary_token("MAA=");
    let request = envelope(names::RST_ACTION, &security, &body("Issue", "", &windows_items()));
    assert_eq!(decode(&request), Err(DecodeError::Missing("BinarySecurityToken")));
}

#[test]
fn response_matches_the_golden_message() {
    let response = RequestSecurityTokenResponseCollection {
        document: Secret::new(b"<wap-provisioningdoc/>".to_vec()),
        created_at: Timestamp::from_millis(1_790_000_000_010),
    };
    let answer = response.encode(correlation());
    assert_eq!(answer.status, 200);
    assert_eq!(text(&answer.body), compact(include_str!("../golden/rstrc.xml")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = RequestSecurityToken::decode(&bytes);
    }

    #[test]
    fn decoding_a_damaged_request_never_panics(at in 0_usize..6000, junk in "[<>&;\"'/=:#A-C\\x00 ]{0,4}") {
        let mut request = enrollment(&token("PKCS10", "MAA="), &windows_items());
        let at = request.floor_char_boundary(at);
        request.insert_str(at, &junk);
        if let Err(rejected) = RequestSecurityToken::decode(request.as_bytes()) {
            prop_assert!(rejected.answer(ACTIVITY).status >= 400);
        }
    }

    #[test]
    fn any_context_value_is_read_as_it_was_meant(value in "[^\\p{Cc}]{1,60}") {
        let escaped = quick_xml::escape::escape(value.as_str());
        let given = items(&[("DeviceID", DEVICE_ID), ("DeviceName", &escaped)]);
        let decoded = decode(&enrollment(&token("PKCS10", "MAA="), &given));
        match decoded {
            Ok(request) => {
                let meant = Some(value.trim()).filter(|text| !text.is_empty());
                prop_assert_eq!(request.context.first("DeviceName"), meant);
            }
            Err(error) => prop_assert!(value.contains(['\u{FFFE}', '\u{FFFF}']), "{}", error),
        }
    }
}
