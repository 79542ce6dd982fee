//! Who gets past the management listener: one device with its own certificate and its own name, nobody else.

use anyhow::{Context as _, Result};
use qm_core::{Sha256, device::CertificateState};
use qm_device_sim::Device;
use qm_testkit::{
    Stage, forge,
    forge::Forge,
    log, stages,
    wire::{Answer, Dialer, Identity, request},
};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use rustls::{
    DEFAULT_VERSIONS, HandshakeKind, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use time::Duration;
use tokio::io::AsyncWriteExt as _;

/// Where a stranger's way ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// No HTTP answer at all.
    Handshake,
    /// An HTTP status.
    Status(u16),
}

/// The first message of a session, as a device of this name sends it.
fn opening(source: &str, session: u32) -> Vec<u8> {
    let body = format!(
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>1</MsgID><Target><LocURI>https://localhost/</LocURI></Target>\
         <Source><LocURI>{source}</LocURI></Source></SyncHdr><SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert>\
         <Final/></SyncBody></SyncML>"
    );
    let headers = [("content-type", "application/vnd.syncml.dm+xml")];
    request("POST", "/ManagementServer/Manage.svc", &headers, body.as_bytes())
}

async fn present(
    stage: &Stage,
    identity: Option<&Identity>,
    version: &'static SupportedProtocolVersion,
    message: &[u8],
) -> Result<End> {
    let dialer = Dialer::new(&stage.root, identity, &[version])?;
    let sent = dialer.send(stage.config.management.listen.port(), message).await;
    Ok(sent.map_or(End::Handshake, |answer| End::Status(answer.status)))
}

/// Certificates that are no device's, with the reason why.
fn strangers(stage: &Stage, device: &Device) -> Result<Vec<(&'static str, Identity, End)>> {
    let name = device.enrollment_id().context("an enrollment")?;
    let (own, ca) = (forge::identity(device)?, Forge::device_ca(stage)?);
    let plain = forge::leaf(name);
    let changed = |change: fn(&mut CertificateParams)| {
        let mut params = forge::leaf(name);
        change(&mut params);
        ca.issue(&params)
    };
    let mut before = changed(|_| ())?;
    before.chain.extend(own.chain.clone());
    Ok(vec![
        (
            "of a foreign CA with the name of ours",
            Forge::impostor(stage)?.issue(&plain)?,
            End::Handshake,
        ),
        ("self-signed", forge::self_signed(&plain)?, End::Handshake),
        (
            "issued by a device",
            Forge::device(device)?.issue(&plain)?,
            End::Handshake,
        ),
        (
            "without its key",
            forge::without_its_key(&own.chain)?,
            End::Handshake,
        ),
        (
            "the CA's own, without its key",
            forge::without_its_key(&[forge::ca_certificate(stage)?])?,
            End::Handshake,
        ),
        (
            "expired",
            changed(|p| p.not_after = forge::now() - Duration::MINUTE)?,
            End::Handshake,
        ),
        (
            "not yet valid",
            changed(|p| p.not_before = forge::now() + Duration::HOUR)?,
            End::Handshake,
        ),
        (
            "of a server",
            changed(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])?,
            End::Handshake,
        ),
        (
            "signed by our CA but never issued",
            changed(|_| ())?,
            End::Status(403),
        ),
        (
            "never issued, with a device's behind it",
            before,
            End::Status(403),
        ),
    ])
}

#[tokio::test]
async fn nobody_gets_in_with_a_certificate_that_is_not_a_devices() -> Result<()> {
    let log = log::keep("info");
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let device = stage.devices[0].lock().await;
        let (own, source) = (forge::identity(&device)?, device.device_id().to_owned());
        let strangers = strangers(&stage, &device)?;
        drop(device);
        let before = stage.everything().await?;
        for version in [&TLS12, &TLS13] {
            for (index, (kind, identity, end)) in strangers.iter().enumerate() {
                let message = opening(&source, 100 + u32::try_from(index)?);
                let met = present(&stage, Some(identity), version, &message).await?;
                assert_eq!(met, *end, "{kind}, {version:?}, {}", stage.engine);
            }
            let without = present(&stage, None, version, &opening(&source, 90)).await?;
            assert_eq!(without, End::Status(403), "none, {version:?}");
        }
        assert_eq!(stage.everything().await?, before, "{}", stage.engine);
        for version in [&TLS12, &TLS13] {
            let let_in = present(&stage, Some(&own), version, &opening(&source, 91)).await?;
            assert_eq!(let_in, End::Status(200), "its own, {version:?}, {}", stage.engine);
        }
        let refused = ["listener=\"management\"", "reason=\"client_certificate\""];
        assert!(stage.metric("tls_handshakes_failed_total", &refused).await? >= 16.0);
        for reason in ["unknown", "no_certificate"] {
            let label = format!("reason=\"{reason}\"");
            let counted = stage.metric("device_messages_refused_total", &[&label]).await?;
            assert!(counted >= 2.0, "{reason}: {counted}");
            assert!(
                !log.lines_with(&format!("\"reason\":\"{reason}\"")).is_empty(),
                "{reason}"
            );
        }
        let lines = log.lines_with("client certificate refused");
        assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("127.0.0.1")));
        stage.strike().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_was_taken_back_or_lent_opens_nothing() -> Result<()> {
    for stage in stages(3, 0).await? {
        stage.enroll().await?;
        let mut known = Vec::new();
        for device in &stage.devices {
            let device = device.lock().await;
            known.push((forge::identity(&device)?, device.device_id().to_owned()));
        }
        let [(first, first_name), (second, second_name), (third, third_name)] = &known[..] else {
            anyhow::bail!("three devices were enrolled")
        };
        let present =
            async |identity, message: Vec<u8>| present(&stage, Some(identity), &TLS13, &message).await;
        let before = stage.everything().await?;
        assert_eq!(
            present(first, opening(second_name, 70)).await?,
            End::Status(403),
            "lent"
        );
        let in_db = set_state(&stage, second, CertificateState::Superseded).await;
        in_db?;
        assert_eq!(
            present(second, opening(second_name, 71)).await?,
            End::Status(403),
            "superseded"
        );
        set_state(&stage, third, CertificateState::Revoked).await?;
        assert_eq!(
            present(third, opening(third_name, 72)).await?,
            End::Status(403),
            "revoked"
        );
        assert_eq!(stage.everything().await?, before, "{}", stage.engine);
        assert_eq!(present(first, opening(first_name, 73)).await?, End::Status(200));
        for reason in ["foreign_source", "superseded", "revoked"] {
            let label = format!("reason=\"{reason}\"");
            let counted = stage.metric("device_messages_refused_total", &[&label]).await?;
            assert!(counted >= 1.0, "{reason}");
        }
        stage.strike().await?;
    }
    Ok(())
}

/// rustls does not ask its verifier again when a session is resumed, so the endpoint looks at each message.
#[tokio::test]
async fn a_resumed_tls_session_does_not_let_a_revoked_device_in() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let device = stage.devices[0].lock().await;
        let (own, source) = (forge::identity(&device)?, device.device_id().to_owned());
        drop(device);
        for version in [&TLS12, &TLS13] {
            let dialer = Dialer::new(&stage.root, Some(&own), &[version])?;
            let full = call(&stage, &dialer, &opening(&source, 50)).await?;
            assert_eq!(full, (HandshakeKind::Full, 200), "{version:?}");
            let resumed = call(&stage, &dialer, &opening(&source, 51)).await?;
            assert_eq!(resumed, (HandshakeKind::Resumed, 200), "{version:?}");
            set_state(&stage, &own, CertificateState::Revoked).await?;
            let revoked = call(&stage, &dialer, &opening(&source, 52)).await?;
            assert_eq!(revoked, (HandshakeKind::Resumed, 403), "{version:?}");
            set_state(&stage, &own, CertificateState::Active).await?;
        }
        stage.strike().await?;
    }
    Ok(())
}

/// A kept connection does not outlive the certificate either.
#[tokio::test]
async fn a_connection_that_is_open_does_not_keep_a_revoked_device_in() -> Result<()> {
    for stage in stages(1, 0).await? {
        stage.enroll().await?;
        let device = stage.devices[0].lock().await;
        let (own, source) = (forge::identity(&device)?, device.device_id().to_owned());
        let id = device.enrollment_id().context("an enrollment")?.to_owned();
        drop(device);
        let dialer = Dialer::new(&stage.root, Some(&own), DEFAULT_VERSIONS)?;
        let mut stream = dialer.dial(stage.config.management.listen.port()).await?;
        stream.write_all(&opening(&source, 60)).await?;
        assert_eq!(Answer::read(&mut stream).await?.status, 200);
        let token = stage.token(qm_core::access::Role::Admin).await?;
        let path = format!("/api/v1/devices/{id}?force=true");
        let removed = stage.admin()?.call("DELETE", &path, Some(&token), None).await?;
        assert_eq!(removed.status, 202);
        stream.write_all(&opening(&source, 61)).await?;
        assert_eq!(Answer::read(&mut stream).await?.status, 403, "{}", stage.engine);
        stage.strike().await?;
    }
    Ok(())
}

async fn call(stage: &Stage, dialer: &Dialer, message: &[u8]) -> Result<(HandshakeKind, u16)> {
    let mut stream = dialer.dial(stage.config.management.listen.port()).await?;
    stream.write_all(message).await?;
    let answer = Answer::read(&mut stream).await?;
    let kind = stream.get_ref().1.handshake_kind();
    Ok((kind.context("a handshake")?, answer.status))
}

async fn set_state(stage: &Stage, identity: &Identity, wanted: CertificateState) -> Result<()> {
    let fingerprint: Sha256 = qm_pki::fingerprint(&identity.chain[0]);
    let mut tx = stage.database().begin("test").await?;
    qm_db::certificates::set_state(&mut tx, &fingerprint, wanted).await?;
    tx.commit().await?;
    Ok(())
}
