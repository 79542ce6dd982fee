//! Who may speak, for whom, and until when.

use super::{alert, device_of, only_device};
use crate::{
    admin::server::{Server, servers},
    device::TestDevice,
};
use qm_core::device::{CertificateState, DeviceState, EndReason};
use qm_orchestrator::checkin::CheckInError;
use std::time::Duration;

#[tokio::test]
async fn devices_cannot_speak_for_each_other() {
    for server in servers().await {
        let mut mara = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        let mut nils = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        mara.call(&server).await;
        mara.dm_id = "DEVICE-2".to_owned();
        let refused = mara.post(&server, &mara.first(vec![])).await;
        assert!(matches!(refused, Err(CheckInError::ForeignSource)));
        nils.dm_id = "DEVICE-1".to_owned();
        assert!(matches!(
            nils.post(&server, &nils.first(vec![])).await,
            Err(CheckInError::ForeignSource)
        ));
        nils.certificate = b"a certificate of somebody else".to_vec();
        assert!(matches!(
            nils.post(&server, &nils.first(vec![])).await,
            Err(CheckInError::UnknownDevice)
        ));
    }
}

#[tokio::test]
async fn a_certificate_opens_nothing_after_its_time_or_once_it_was_replaced() {
    for server in servers().await {
        let mut mara = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        let mut nils = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        mara.call(&server).await;
        nils.call(&server).await;
        let fingerprint = qm_pki::fingerprint(&nils.certificate);
        set_certificate(&server, &fingerprint, CertificateState::Superseded).await;
        assert!(is_shut_out(&server, &nils).await, "{}: superseded", server.engine);
        set_certificate(&server, &fingerprint, CertificateState::Active).await;
        assert!(!is_shut_out(&server, &nils).await, "{}", server.engine);

        server.clock.advance(Duration::from_hours(365 * 24 - 1));
        assert!(!is_shut_out(&server, &mara).await, "{}", server.engine);
        server.clock.advance(Duration::from_hours(2));
        let trail = server.trail().await;
        assert!(is_shut_out(&server, &mara).await, "{}: expired", server.engine);
        assert_eq!(server.trail().await, trail);
    }
}

/// The device is revoked after its message was admitted and before its work begins.
#[tokio::test]
async fn a_device_that_is_shut_out_while_its_message_waits_gets_nothing() {
    for server in servers().await {
        let device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        let id = only_device(&server).await.id;
        let mut tx = server.db.begin("test").await.unwrap();
        qm_db::devices::lock(&mut tx, &[id]).await.unwrap();
        let message = device.first(vec![]);
        let waiting = device.post(&server, &message);
        let revoke = async {
            // Long enough to be admitted; a message that is slower than that is refused at the door.
            tokio::time::sleep(Duration::from_millis(100)).await;
            qm_db::certificates::revoke_for_device(&mut tx, id).await.unwrap();
            let now = server.clock.now();
            qm_db::devices::end(&mut tx, id, EndReason::Revoked, now)
                .await
                .unwrap();
            tx.commit().await.unwrap();
        };
        let (answer, ()) = tokio::join!(waiting, revoke);
        assert!(
            matches!(answer, Err(CheckInError::UnknownDevice)),
            "{}",
            server.engine
        );
        assert_eq!(only_device(&server).await.state, DeviceState::Ended);
    }
}

async fn set_certificate(server: &Server, fingerprint: &qm_core::Sha256, state: CertificateState) {
    let mut tx = server.db.begin("test").await.unwrap();
    qm_db::certificates::set_state(&mut tx, fingerprint, state)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn is_shut_out(server: &Server, device: &TestDevice) -> bool {
    let answer = device.post(server, &device.first(vec![])).await;
    matches!(answer, Err(CheckInError::UnknownDevice))
}

#[tokio::test]
async fn both_sides_can_end_an_enrollment() {
    for server in servers().await {
        let mut leaver = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        leaver.call(&server).await;
        let left = vec![alert(
            1226,
            "com.microsoft:mdm.unenrollment.userrequest",
            None,
            "1",
        )];
        assert_eq!(leaver.call_with(&server, left).await, 1);
        let (last, reply) = leaver.wire.pop().unwrap();
        assert_eq!(
            leaver.post(&server, &last).await.unwrap(),
            reply,
            "the reply may have been lost"
        );
        leaver.session += 1;
        assert!(matches!(
            leaver.post(&server, &leaver.first(vec![])).await,
            Err(CheckInError::UnknownDevice)
        ));

        let mut told = TestDevice::enroll(&server, "nils@fabrik.example", "DEVICE-2").await;
        told.call(&server).await;
        let id = device_of(&server, "nils@fabrik.example").await.id;
        server
            .orchestrator
            .remove_device(&server.caller, id, false)
            .await
            .unwrap();
        told.done.clear();
        told.call(&server).await;
        assert_eq!(told.done.len(), 1, "{:?}", told.done);
        assert!(told.done[0].1.ends_with("/Unenroll"));
        assert_eq!(
            server.orchestrator.device(id).await.unwrap().device.state,
            DeviceState::Ended
        );
    }
}

#[tokio::test]
async fn a_client_keeps_the_name_of_its_first_session() {
    for server in servers().await {
        let mut device = TestDevice::enroll(&server, "mara@fabrik.example", "DEVICE-1").await;
        device.dm_id = "urn:uuid:another-name".to_owned();
        assert!(device.call(&server).await > 1);
        assert_eq!(device.call(&server).await, 1, "{}", server.engine);
        device.dm_id = "DEVICE-1".to_owned();
        assert!(matches!(
            device.post(&server, &device.first(vec![])).await,
            Err(CheckInError::ForeignSource)
        ));
    }
}
