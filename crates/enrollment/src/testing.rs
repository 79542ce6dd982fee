//! Requests as Windows composes them, with values of our own, for the tests of every message.

use crate::Correlation;
use uuid::{Uuid, uuid};

pub(crate) const ACTIVITY: Uuid = uuid!("2d9c1f0a-6b7e-4c58-8e13-94a5b6c7d8e9");
pub(crate) const MESSAGE_ID: &str = "urn:uuid:c1b7a5d3-0e2f-4a69-9b8c-7d6e5f403122";

pub(crate) fn correlation() -> Correlation<'static> {
    Correlation {
        activity_id: ACTIVITY,
        relates_to: Some(MESSAGE_ID),
    }
}

/// A request with the given action, security header and body.
pub(crate) fn envelope(action: &str, security: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"
  xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
  xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
  xmlns:wst="http://docs.oasis-open.org/ws-sx/ws-trust/200512"
  xmlns:ac="http://schemas.xmlsoap.org/ws/2006/12/authorization">
  <s:Header>
    <a:Action s:mustUnderstand="1">
      {action}
    </a:Action>
    <a:MessageID>{MESSAGE_ID}</a:MessageID>
    <a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>
    <a:To s:mustUnderstand="1">https://ENROLL.depot.example:443/EnrollmentServer/Service.svc</a:To>
    {security}
  </s:Header>
  <s:Body>{body}</s:Body>
</s:Envelope>"#
    )
}

/// A security header with user name and password.
pub(crate) fn username_token(username: &str, password: &str) -> String {
    format!(
        r#"<wsse:Security s:mustUnderstand="1"><wsse:UsernameToken u:Id="uuid-cc1ccc1f-2fba-4bcf-b063-ffc0cac77917-4">
      <wsse:Username>{username}</wsse:Username>
      <wsse:Password wsse:Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText">{password}
      </wsse:Password></wsse:UsernameToken></wsse:Security>"#
    )
}

/// A security header with a web token.
pub(crate) fn binary_token(value: &str) -> String {
    format!(
        r#"<wsse:Security><wsse:BinarySecurityToken ValueType="urn:ietf:params:oauth:token-type:jwt"
      EncodingType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd#Base64Binary">{value}</wsse:BinarySecurityToken></wsse:Security>"#
    )
}

/// A golden file without the line breaks and indentation that people need.
pub(crate) fn compact(golden: &str) -> String {
    let mut compact = String::new();
    for line in golden.lines() {
        let line = line.trim();
        let continues_a_tag = !line.starts_with('<') && !compact.is_empty();
        compact.push_str(if continues_a_tag { " " } else { "" });
        compact.push_str(line);
    }
    compact
}

/// The body of an answer as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
