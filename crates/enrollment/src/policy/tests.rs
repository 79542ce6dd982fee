use super::*;
use crate::{
    SecurityError, names,
    testing::{MESSAGE_ID, binary_token, compact, correlation, envelope, text, username_token},
};
use qm_core::Secret;

const BODY: &str = r#"<GetPolicies xmlns="http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <client><lastUpdate xsi:nil="true"/><preferredLanguage xsi:nil="true"></preferredLanguage><TPMManufacturer>IFX</TPMManufacturer></client>
  <requestFilter xsi:nil="true"/></GetPolicies>"#;

fn request(security: &str) -> String {
    envelope(names::GET_POLICIES_ACTION, security, BODY)
}

fn decode(text: &str) -> Result<GetPolicies, DecodeError> {
    GetPolicies::decode(text.as_bytes()).map_err(|rejected| rejected.error)
}

#[test]
fn reads_user_name_and_password_without_the_white_space_around_them() {
    let request = decode(&request(&username_token(" Mira@Depot.example\n", "token&amp;7"))).unwrap();
    assert_eq!(request.message_id.as_deref(), Some(MESSAGE_ID));
    assert_eq!(request.client, [("TPMManufacturer".to_owned(), "IFX".to_owned())]);
    let (upn, password) = request.credential.on_premises().unwrap();
    assert_eq!(
        (upn.as_str(), password.expose().as_str()),
        ("mira@depot.example", "token&7")
    );
    assert!(!format!("{request:?}").contains("token&7"));
}

#[test]
fn reads_a_request_of_nobody() {
    assert_eq!(decode(&request("")).unwrap().credential, Credential::None);
    let timestamp = r"<wsse:Security><u:Timestamp/></wsse:Security>";
    assert_eq!(decode(&request(timestamp)).unwrap().credential, Credential::None);
}

#[test]
fn keeps_tokens_of_other_kinds_decoded() {
    let credential = decode(&request(&binary_token("ZXlKaGJH\r\nY2lPaUo5")))
        .unwrap()
        .credential;
    let expected = Credential::Token {
        value_type: "urn:ietf:params:oauth:token-type:jwt".to_owned(),
        value: Secret::new(b"eyJhbGciOiJ9".to_vec()),
    };
    assert_eq!(credential, expected);
}

#[test]
fn on_premises_enrollment_wants_both_name_and_password() {
    for security in ["", &username_token("", "x"), &username_token("x", "")] {
        let fault = decode(&request(security))
            .unwrap()
            .credential
            .on_premises()
            .unwrap_err();
        assert_eq!(fault.kind, crate::FaultKind::InvalidSecurity);
    }
    let fault = decode(&request(&binary_token("QUJD")))
        .unwrap()
        .credential
        .on_premises()
        .unwrap_err();
    assert_eq!(fault.kind, crate::FaultKind::Authentication);
}

#[test]
fn rejects_ambiguous_and_unusable_security_headers() {
    let (name, token) = (username_token("a", "b"), binary_token("QUJD"));
    let inner = |text: &str| {
        text.replace("<wsse:Security s:mustUnderstand=\"1\">", "")
            .replace("</wsse:Security>", "")
    };
    let both = token.replace("<wsse:Security>", &format!("<wsse:Security>{}", inner(&name)));
    let twice = name.replace("</wsse:Security>", &format!("{}</wsse:Security>", inner(&name)));
    let cases = [
        (both, SecurityError::TwoCredentials.into()),
        (twice, DecodeError::Duplicate("UsernameToken")),
        (format!("{name}{name}"), DecodeError::Duplicate("Security")),
        (
            name.replace("#PasswordText", "#PasswordDigest"),
            SecurityError::PasswordType.into(),
        ),
        (binary_token("not base64!"), SecurityError::TokenEncoding.into()),
        (binary_token(""), SecurityError::TokenEncoding.into()),
        (
            token.replace("#Base64Binary", "#HexBinary"),
            SecurityError::TokenEncoding.into(),
        ),
    ];
    for (security, expected) in cases {
        assert_eq!(decode(&request(&security)), Err(expected), "{security}");
    }
}

#[test]
fn rejects_the_discovery_action() {
    let text = request("").replace(names::GET_POLICIES_ACTION, names::DISCOVER_ACTION);
    assert_eq!(decode(&text), Err(DecodeError::ActionMismatch));
}

#[test]
fn response_matches_the_golden_message() {
    let answer = GetPoliciesResponse::default().encode(correlation());
    assert_eq!(answer.status, 200);
    assert_eq!(
        text(&answer.body),
        compact(include_str!("../golden/get_policies_response.xml"))
    );
}
