use super::*;
use crate::testing::{ACTIVITY, MESSAGE_ID, compact, correlation, text};

/// Every kind with its HRESULT, subcode, dispatcher namespace and ErrorType.
const TABLE: [(FaultKind, u32, &str, bool, Option<&str>); 17] = [
    (
        FaultKind::MessageFormat,
        0x8018_0001,
        "s:MessageFormat",
        false,
        None,
    ),
    (
        FaultKind::Authentication,
        0x8018_0002,
        "s:Authentication",
        false,
        None,
    ),
    (
        FaultKind::Authorization,
        0x8018_0003,
        "s:Authorization",
        false,
        None,
    ),
    (
        FaultKind::CertificateRequest,
        0x8018_0004,
        "s:CertificateRequest",
        false,
        None,
    ),
    (
        FaultKind::EnrollmentServer,
        0x8018_0005,
        "s:EnrollmentServer",
        false,
        None,
    ),
    (
        FaultKind::InternalServiceFault,
        0x8018_0006,
        "a:InternalServiceFault",
        true,
        None,
    ),
    (
        FaultKind::InvalidSecurity,
        0x8018_0007,
        "a:InvalidSecurity",
        true,
        None,
    ),
    (
        FaultKind::ActionMismatch,
        0x8018_0008,
        "a:ActionMismatch",
        true,
        None,
    ),
    (
        FaultKind::EndpointUnavailable,
        0x8018_0008,
        "a:EndpointUnavailable",
        true,
        None,
    ),
    (
        FaultKind::DeviceCapReached,
        0x8018_0013,
        "s:Authorization",
        false,
        Some("DeviceCapReached"),
    ),
    (
        FaultKind::DeviceNotSupported,
        0x8018_0014,
        "s:Authorization",
        false,
        Some("DeviceNotSupported"),
    ),
    (
        FaultKind::NotSupported,
        0x8018_0015,
        "s:Authorization",
        false,
        Some("NotSupported"),
    ),
    (
        FaultKind::NotEligibleToRenew,
        0x8018_0016,
        "s:Authorization",
        false,
        Some("NotEligibleToRenew"),
    ),
    (
        FaultKind::InMaintenance,
        0x8018_0017,
        "s:Authorization",
        false,
        Some("InMaintenance"),
    ),
    (
        FaultKind::UserLicense,
        0x8018_0018,
        "s:Authorization",
        false,
        Some("UserLicense"),
    ),
    (
        FaultKind::InvalidEnrollmentData,
        0x8018_0019,
        "s:Authorization",
        false,
        Some("InvalidEnrollmentData"),
    ),
    (
        FaultKind::CustomServerError,
        0x8018_0032,
        "s:Authorization",
        false,
        Some("CustomServerError"),
    ),
];

#[test]
fn every_kind_is_sent_as_windows_knows_it() {
    assert_eq!(TABLE.map(|row| row.0), FaultKind::ALL);
    for (kind, hresult, subcode, dispatcher, error_type) in TABLE {
        assert_eq!(kind.hresult(), HResult(hresult));
        let answer = Fault::new(kind, "No.").encode(Operation::RequestSecurityToken, correlation());
        assert_eq!(answer.status, 500);
        let body = text(&answer.body);
        let namespace = if dispatcher {
            format!(" xmlns:a=\"{DISPATCHER}\"")
        } else {
            String::new()
        };
        let code = format!(
            "<s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value{namespace}>{subcode}</s:Value></s:Subcode></s:Code>"
        );
        assert!(body.contains(&code), "{body}");
        let error_type = error_type.map_or(String::new(), |name| format!("<ErrorType>{name}</ErrorType>"));
        let detail = format!("{error_type}<Message>No.</Message><TraceId>{ACTIVITY}</TraceId>");
        assert!(body.contains(&detail), "{body}");
    }
}

#[test]
fn fault_matches_the_golden_message() {
    let fault = Fault::new(FaultKind::DeviceCapReached, "Five devices & no more.");
    let answer = fault.encode(Operation::RequestSecurityToken, correlation());
    assert_eq!(text(&answer.body), compact(include_str!("../golden/fault.xml")));
}

#[test]
fn the_action_is_that_of_the_response() {
    for (operation, action) in [
        (Operation::Discover, "IDiscoveryService/DiscoverResponse"),
        (Operation::GetPolicies, "IPolicy/GetPoliciesResponse"),
        (Operation::RequestSecurityToken, "RSTRC/wstep"),
    ] {
        let body = text(
            &Fault::new(FaultKind::InMaintenance, "Later.")
                .encode(operation, correlation())
                .body,
        );
        assert!(body.contains(&format!("{action}</a:Action>")), "{body}");
    }
}

#[test]
fn relates_to_is_repeated_verbatim_or_left_out() {
    let fault = Fault::new(FaultKind::Authentication, "No.");
    let with = text(&fault.encode(Operation::Discover, correlation()).body);
    assert!(with.contains(&format!("<a:RelatesTo>{MESSAGE_ID}</a:RelatesTo>")));
    let anonymous = Correlation {
        relates_to: None,
        ..correlation()
    };
    assert!(!text(&fault.encode(Operation::Discover, anonymous).body).contains("RelatesTo"));
}

#[test]
fn long_and_hostile_messages_do_no_harm() {
    let fault = Fault::new(
        FaultKind::CustomServerError,
        format!("</s:Fault>\u{0}{}", "x".repeat(1000)),
    );
    let body = text(&fault.encode(Operation::Discover, correlation()).body);
    assert!(body.contains("&lt;/s:Fault&gt;\u{FFFD}xxx"));
    assert!(body.matches('x').count() < 1200);
}
