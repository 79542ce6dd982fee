use super::*;
use crate::testing::{compact, text};
use proptest::prelude::*;
use uuid::uuid;

fn document(kind: EnrollmentKind) -> ProvisioningDocument {
    ProvisioningDocument {
        device_id: DeviceId(uuid!("0198c2a4-5f1e-7b3d-9a60-4e8d2c7f1b05")),
        kind,
        root_certificate: b"the root's DER".to_vec(),
        client_certificate: b"the device's DER".to_vec(),
        renewal: Renewal::default(),
        account: DmAccount {
            display_name: "Depot & Sons".to_owned(),
            address: "https://manage.depot.example:8444/ManagementServer/Manage.svc".to_owned(),
            client: ClientCredential {
                name: "0198c2a4-5f1e-7b3d-9a60-4e8d2c7f1b05".to_owned(),
                secret: Secret::new("client-secret".to_owned()),
                nonce: b"client nonce".to_vec(),
            },
            server: ServerCredential {
                secret: Secret::new("server-secret".to_owned()),
                nonce: b"server nonce".to_vec(),
            },
        },
        upn: "mira@depot.example".to_owned(),
        device_name: "LAGER-17".to_owned(),
        poll: PollSchedule::default(),
    }
}

fn encoded(document: &ProvisioningDocument) -> String {
    text(document.encode().expose())
}

#[test]
fn user_enrollment_matches_the_golden_document() {
    let golden = compact(include_str!("../golden/provisioning_full.xml"));
    assert_eq!(encoded(&document(EnrollmentKind::Full)), golden);
}

#[test]
fn device_enrollment_differs_in_the_store_only_but_everywhere() {
    let golden = compact(include_str!("../golden/provisioning_device.xml"));
    assert_eq!(encoded(&document(EnrollmentKind::Device)), golden);
}

#[test]
fn unknown_names_are_left_out_and_other_schedules_are_written() {
    let document = ProvisioningDocument {
        upn: String::new(),
        device_name: String::new(),
        renewal: Renewal {
            automatic: false,
            period_days: NonZeroU16::new(3).unwrap(),
            retry_interval_days: NonZeroU16::new(7).unwrap(),
            server_url: Some("https://renew.depot.example/?a&b".to_owned()),
        },
        ..document(EnrollmentKind::Full)
    };
    let text = encoded(&document);
    assert!(!text.contains("UPN") && !text.contains("EntDeviceName"));
    for expected in [
        r#"name="ROBOSupport" value="false" datatype="boolean""#,
        r#"name="RenewPeriod" value="3" datatype="integer""#,
        r#"name="RetryInterval" value="3" datatype="integer""#,
        r#"name="ServerURL" value="https://renew.depot.example/?a&amp;b" datatype="string""#,
    ] {
        assert!(text.contains(expected), "{expected}");
    }
}

#[test]
fn search_criteria_escape_all_but_unreserved_characters() {
    assert_eq!(
        search_criteria("CN=a b", "User"),
        "Subject=CN%3Da%20b&Stores=My%5CUser"
    );
    assert_eq!(percent_encode("Az09-_.!~*'()"), "Az09-_.!~*'()");
    assert_eq!(percent_encode("a+b,\u{F000}ü/"), "a%2Bb%2C%EF%80%80%C3%BC%2F");
}

#[test]
fn debug_output_shows_no_secret() {
    let document = document(EnrollmentKind::Full);
    let shown = format!("{document:?} {:?}", document.encode());
    assert!(!shown.contains("client-secret") && !shown.contains("server-secret"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn names_are_escaped_exactly_once(name in "[ -~]{1,40}") {
        let document = ProvisioningDocument { device_name: name.clone(), ..document(EnrollmentKind::Full) };
        let bytes = document.encode();
        let mut reader = quick_xml::Reader::from_str(std::str::from_utf8(bytes.expose()).unwrap());
        let mut found = None;
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Empty(tag) => {
                    let value = |key: &str| {
                        let attribute = tag.try_get_attribute(key).unwrap()?;
                        Some(attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned())
                    };
                    if value("name").as_deref() == Some("EntDeviceName") {
                        found = value("value");
                    }
                }
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        prop_assert_eq!(found, Some(name));
    }
}
