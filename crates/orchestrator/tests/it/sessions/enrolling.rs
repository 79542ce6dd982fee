//! Enrollments: repeated, at once, with whose key.

use super::{only_device, told};
use crate::{
    admin::server::{DAY, servers},
    device::{TestDevice, request, token},
};
use qm_enrollment::{Credential, FaultKind, TokenRequest};

#[tokio::test]
async fn an_enrollment_is_repeated_with_the_same_document_and_used_once() {
    for server in servers().await {
        let token = token(&server, "mara@fabrik.example").await;
        let first = request("mara@fabrik.example", &token, "DEVICE-1");
        let document = server.orchestrator.enroll(&first, None).await.unwrap();
        let again = server.orchestrator.enroll(&first, None).await.unwrap();
        assert_eq!(document.expose(), again.expose(), "{}", server.engine);
        for wrong in [
            request("mara@fabrik.example", &token, "DEVICE-1"),
            request("mara@fabrik.example", &token, "DEVICE-2"),
            request("nils@fabrik.example", &token, "DEVICE-1"),
            request("mara@fabrik.example", "no such token", "DEVICE-1"),
        ] {
            let refused = server.orchestrator.enroll(&wrong, None).await.unwrap_err();
            assert_eq!(told(refused), FaultKind::Authentication, "{}", server.engine);
        }
        server.clock.advance(2 * DAY);
        assert_eq!(
            document.expose(),
            server.orchestrator.enroll(&first, None).await.unwrap().expose()
        );
    }
}

#[tokio::test]
async fn the_poll_schedule_of_the_enrollment_is_that_of_the_first_session() {
    for server in servers().await {
        let token = token(&server, "mara@fabrik.example").await;
        let request = request("mara@fabrik.example", &token, "DEVICE-1");
        let document = server.orchestrator.enroll(&request, None).await.unwrap();
        let document = String::from_utf8(document.expose().clone()).unwrap();
        let mut device = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        device.call(&server).await;
        let set: Vec<_> = device
            .done
            .iter()
            .filter_map(|(_, uri, data)| Some((uri.split_once("/Poll/")?.1, data)))
            .collect();
        assert!(set.contains(&("IntervalForRemainingScheduledRetries", &"480".to_owned())));
        for (name, value) in set {
            let parm = format!(r#"<parm name="{name}" value="{value}""#);
            assert!(document.contains(&parm), "{parm}");
        }
    }
}

#[tokio::test]
async fn a_request_that_comes_twice_at_once_enrolls_one_device() {
    for server in servers().await {
        let token = token(&server, "mara@fabrik.example").await;
        let request = request("mara@fabrik.example", &token, "DEVICE-1");
        let enroll = || server.orchestrator.enroll(&request, None);
        let (a, b, c) = tokio::join!(enroll(), enroll(), enroll());
        let first = a.unwrap();
        for other in [b, c] {
            assert_eq!(first.expose(), other.unwrap().expose(), "{}", server.engine);
        }
        only_device(&server).await;
    }
}

#[tokio::test]
async fn a_key_is_not_certified_for_a_second_device() {
    for server in servers().await {
        let first = token(&server, "mara@fabrik.example").await;
        let mine = request("mara@fabrik.example", &first, "DEVICE-1");
        server.orchestrator.enroll(&mine, None).await.unwrap();
        let mut stolen = request(
            "nils@fabrik.example",
            &token(&server, "nils@fabrik.example").await,
            "DEVICE-2",
        );
        stolen.request = match (stolen.request, mine.request) {
            (TokenRequest::Issue { device_id, .. }, TokenRequest::Issue { pkcs10, .. }) => {
                TokenRequest::Issue { pkcs10, device_id }
            }
            (other, _) => other,
        };
        let refused = server.orchestrator.enroll(&stolen, None).await.unwrap_err();
        assert_eq!(told(refused), FaultKind::CertificateRequest, "{}", server.engine);
        // The refusal did not use the token up.
        let Credential::Username { password, .. } = &stolen.credential else {
            panic!("on premises")
        };
        let own = request("nils@fabrik.example", password.expose(), "DEVICE-2");
        server.orchestrator.enroll(&own, None).await.unwrap();
    }
}
