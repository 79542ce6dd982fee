//! Handshakes over in-memory connections: who gets past the management listener.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use qm_core::{Clock, DeviceId, Rng, Timestamp};
use qm_pki::{
    CertificateAuthority, CertificateRequest, DevelopmentRoot, PkiError, VALIDITY, client_verifier,
    fingerprint, time_provider,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
    version::{TLS12, TLS13},
};
use std::{sync::Arc, time::Duration};

const NAME: &str = "manage.depot.example";

/// A management listener that accepts the certificates of its authorities.
struct Listener {
    root: DevelopmentRoot,
    config: Arc<ServerConfig>,
    clock: Clock,
}

struct Client {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn authority(seed: u64) -> CertificateAuthority {
    CertificateAuthority::generate(&format!("Device CA {seed}"), now(), &Rng::seeded(seed)).unwrap()
}

fn listener(
    authorities: &[&CertificateAuthority],
    versions: &[&'static SupportedProtocolVersion],
) -> Listener {
    let (rng, clock) = (Rng::seeded(1), Clock::mock(now()));
    let root = DevelopmentRoot::generate("Depot root", now(), &rng).unwrap();
    let identity = root.issue_server_certificate(&[NAME], now(), &rng).unwrap();
    let authorities: Vec<_> = authorities
        .iter()
        .map(|authority| authority.certificate().clone())
        .collect();
    let verifier = client_verifier(provider(), &authorities).unwrap();
    let config = ServerConfig::builder_with_details(provider(), time_provider(clock.clone()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain().unwrap(), identity.private_key().unwrap())
        .unwrap();
    Listener {
        root,
        config: Arc::new(config),
        clock,
    }
}

fn enrolled(authority: &CertificateAuthority) -> Client {
    let (key, rng) = (KeyPair::generate().unwrap(), Rng::seeded(2));
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let request = CertificateRequest::parse(request.der()).unwrap();
    let issued = authority
        .issue(&request, DeviceId::new(now(), &rng), now(), VALIDITY, &rng)
        .unwrap();
    Client {
        chain: vec![issued.der.into()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    }
}

/// Runs a handshake to its end; gives the fingerprint the server saw.
fn handshake(listener: &Listener, client: Option<Client>) -> Result<Option<qm_core::Sha256>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(listener.root.certificate().clone()).unwrap();
    let builder = ClientConfig::builder_with_details(provider(), time_provider(Clock::mock(now())))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        Some(client) => builder.with_client_auth_cert(client.chain, client.key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let mut client = ClientConnection::new(Arc::new(config), NAME.try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::clone(&listener.config)).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    let leaf = server.peer_certificates().and_then(<[_]>::first);
    Ok(leaf.map(|leaf| fingerprint(leaf)))
}

#[test]
fn certificates_of_every_generation_are_let_in() {
    let (old, new) = (authority(21), authority(22));
    for version in [&TLS12, &TLS13] {
        let listener = listener(&[&old, &new], &[version]);
        for authority in [&old, &new] {
            let client = enrolled(authority);
            let expected = fingerprint(&client.chain[0]);
            assert_eq!(handshake(&listener, Some(client)), Ok(Some(expected)));
        }
    }
}

#[test]
fn a_client_without_certificate_is_left_to_the_endpoint() {
    let authority = authority(23);
    assert_eq!(handshake(&listener(&[&authority], &[&TLS12]), None), Ok(None));
    assert_eq!(handshake(&listener(&[&authority], &[&TLS13]), None), Ok(None));
}

#[test]
fn refuses_certificates_of_a_foreign_authority() {
    let listener = listener(&[&authority(24)], &[&TLS13]);
    let refused = handshake(&listener, Some(enrolled(&authority(25))));
    assert_eq!(
        refused,
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    );
}

#[test]
fn refuses_certificates_of_an_authority_with_the_same_name() {
    let listener = listener(&[&authority(26)], &[&TLS13]);
    let impostor = CertificateAuthority::generate("Device CA 26", now(), &Rng::seeded(99)).unwrap();
    let refused = handshake(&listener, Some(enrolled(&impostor)));
    assert_eq!(
        refused,
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    );
}

#[test]
fn refuses_expired_certificates_by_our_clock() {
    let authority = authority(27);
    let listener = listener(&[&authority], &[&TLS13]);
    listener.clock.advance(Duration::from_hours(365 * 24 - 1));
    assert!(handshake(&listener, Some(enrolled(&authority))).is_ok());
    listener.clock.advance(Duration::from_hours(2));
    let refused = handshake(&listener, Some(enrolled(&authority)));
    assert!(
        matches!(
            refused,
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. }))
        ),
        "{refused:?}"
    );
}

#[test]
fn refuses_server_certificates_as_client_certificates() {
    let root = DevelopmentRoot::generate("Depot root", now(), &Rng::seeded(28)).unwrap();
    let identity = root
        .issue_server_certificate(&[NAME], now(), &Rng::seeded(29))
        .unwrap();
    // A device CA may not be asked to sign such a thing, so the server's own root stands in for it.
    let verifier = client_verifier(provider(), &[root.certificate().clone()]).unwrap();
    let leaf = &identity.chain().unwrap()[0];
    let at = rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
    let refused = verifier.verify_client_cert(leaf, &[], at).unwrap_err();
    assert!(
        matches!(
            refused,
            Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. })
        ),
        "{refused:?}"
    );
}

#[test]
fn the_certificate_request_names_our_authorities() {
    let (old, new) = (authority(30), authority(31));
    let authorities = [old.certificate().clone(), new.certificate().clone()];
    let verifier = client_verifier(provider(), &authorities).unwrap();
    assert_eq!(verifier.root_hint_subjects().len(), 2);
    assert!(!verifier.client_auth_mandatory());
}

#[test]
fn a_verifier_needs_an_authority() {
    assert!(matches!(
        client_verifier(provider(), &[]),
        Err(PkiError::NoAuthorities)
    ));
}
