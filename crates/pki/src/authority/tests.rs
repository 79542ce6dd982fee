use super::*;
use crate::public_key_digest;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

const DAY: Duration = Duration::from_hours(24);

fn now() -> Timestamp {
    Timestamp::from_millis(1_790_000_000_750)
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("Depot device CA", now(), &Rng::seeded(11)).unwrap()
}

fn request(key: &KeyPair) -> CertificateRequest {
    let params = CertificateParams::new(vec!["attacker.example".to_owned()]).unwrap();
    CertificateRequest::parse(params.serialize_request(key).unwrap().der()).unwrap()
}

fn parse(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

fn seconds(at: Timestamp) -> i64 {
    at.as_secs()
}

fn extensions(certificate: &X509Certificate<'_>) -> Vec<(String, bool)> {
    let listed = certificate.extensions().iter();
    listed
        .map(|extension| (extension.oid.to_id_string(), extension.critical))
        .collect()
}

#[test]
fn device_certificates_have_exactly_the_agreed_profile() {
    let (authority, key, rng) = (authority(), KeyPair::generate().unwrap(), Rng::seeded(12));
    let device_id = DeviceId::new(now(), &rng);
    let issued = authority
        .issue(&request(&key), device_id, now(), VALIDITY, &rng)
        .unwrap();
    let (leaf, root) = (parse(&issued.der), parse(authority.certificate()));

    assert_eq!(leaf.version().0, 2, "v3");
    assert_eq!(leaf.subject().to_string(), format!("CN={device_id}"));
    assert_eq!(leaf.issuer().as_raw(), root.subject().as_raw());
    assert_eq!(leaf.public_key().raw, key.subject_public_key_info());
    assert_eq!(
        leaf.signature_algorithm.algorithm.to_id_string(),
        "1.2.840.10045.4.3.2"
    );
    leaf.verify_signature(Some(root.public_key())).unwrap();
    assert_eq!(leaf.validity().not_before.timestamp(), seconds(now() - DAY));
    assert_eq!(leaf.validity().not_after.timestamp(), seconds(now() + VALIDITY));

    let expected = [
        ("2.5.29.35", false), // authority key identifier
        ("2.5.29.15", true),  // key usage
        ("2.5.29.37", false), // extended key usage
        ("2.5.29.14", false), // subject key identifier
        ("2.5.29.19", true),  // basic constraints
    ];
    assert_eq!(
        extensions(&leaf),
        expected.map(|(oid, critical)| (oid.to_owned(), critical))
    );
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment());
    assert_eq!(usage.flags.count_ones(), 2);
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && !extended.any && !extended.server_auth && extended.other.is_empty());
    assert!(!leaf.is_ca());
}

#[test]
fn key_identifiers_link_a_certificate_to_its_authority() {
    let (authority, rng) = (authority(), Rng::seeded(13));
    let key = KeyPair::generate().unwrap();
    let issued = authority
        .issue(&request(&key), DeviceId::new(now(), &rng), now(), VALIDITY, &rng)
        .unwrap();
    let subject_key = |certificate: &X509Certificate<'_>| {
        certificate
            .iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            })
    };
    let leaf = parse(&issued.der);
    let authority_key = leaf
        .iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => None,
        });
    assert_eq!(authority_key, subject_key(&parse(authority.certificate())));
    assert!(subject_key(&leaf).is_some_and(|id| Some(id) != authority_key));
}

#[test]
fn the_record_describes_the_certificate() {
    let (authority, key, rng) = (authority(), KeyPair::generate().unwrap(), Rng::seeded(14));
    let device_id = DeviceId::new(now(), &rng);
    let issued = authority
        .issue(&request(&key), device_id, now(), VALIDITY, &rng)
        .unwrap();
    let leaf = parse(&issued.der);
    assert_eq!(issued.record.fingerprint, fingerprint(&issued.der));
    assert_eq!(issued.record.thumbprint, thumbprint(&issued.der));
    assert_eq!(issued.record.public_key, public_key_digest(leaf.public_key().raw));
    assert_eq!(issued.record.device_id, device_id);
    assert_eq!(issued.record.state, CertificateState::Active);
    assert_eq!(
        issued.record.not_before.as_millis(),
        leaf.validity().not_before.timestamp() * 1000
    );
    assert_eq!(
        issued.record.not_after.as_millis(),
        leaf.validity().not_after.timestamp() * 1000
    );
    assert_eq!(pem::parse(issued.pem()).unwrap().contents(), issued.der);
}

#[test]
fn serial_numbers_are_long_positive_and_never_repeat() {
    let (authority, key, rng) = (authority(), KeyPair::generate().unwrap(), Rng::seeded(15));
    let (request, device_id) = (request(&key), DeviceId::new(now(), &rng));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..32 {
        let issued = authority
            .issue(&request, device_id, now(), VALIDITY, &rng)
            .unwrap();
        let certificate = parse(&issued.der);
        assert!(certificate.raw_serial()[0] < 0x80, "positive");
        assert!(certificate.raw_serial().len() <= 17);
        assert!(certificate.serial.bits() > 96);
        assert!(seen.insert(certificate.raw_serial().to_vec()));
    }
}

#[test]
fn the_authority_may_sign_certificates_for_clients_and_nothing_else() {
    let authority = authority();
    let certificate = parse(authority.certificate());
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign());
    assert_eq!(usage.flags.count_ones(), 2);
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && !extended.server_auth);
    let years = (certificate.validity().not_after.timestamp() - seconds(now())) / (365 * 86_400);
    assert_eq!(years, 10);
    certificate.verify_signature(None).unwrap();
}

#[test]
fn no_certificate_outlives_its_authority() {
    let (authority, key, rng) = (authority(), KeyPair::generate().unwrap(), Rng::seeded(16));
    let late = authority.not_after() - DAY;
    let issue = |at| authority.issue(&request(&key), DeviceId::new(at, &rng), at, VALIDITY, &rng);
    assert_eq!(issue(late).unwrap().record.not_after, authority.not_after());
    assert!(matches!(
        issue(authority.not_after()),
        Err(PkiError::AuthorityExpired(_))
    ));
}

#[test]
fn an_authority_round_trips_through_pem() {
    let (authority, key, rng) = (authority(), KeyPair::generate().unwrap(), Rng::seeded(17));
    let read = CertificateAuthority::from_pem(&authority.certificate_pem(), &authority.key_pem()).unwrap();
    assert_eq!(read.certificate(), authority.certificate());
    assert_eq!(read.thumbprint(), authority.thumbprint());
    let issued = read
        .issue(&request(&key), DeviceId::new(now(), &rng), now(), VALIDITY, &rng)
        .unwrap();
    parse(&issued.der)
        .verify_signature(Some(parse(authority.certificate()).public_key()))
        .unwrap();
}

#[test]
fn refuses_pairs_that_do_not_belong_together() {
    let (ours, other) = (authority(), authority());
    let load = |certificate: &str, key: &Secret<String>| CertificateAuthority::from_pem(certificate, key);
    let (certificate, key) = (ours.certificate_pem(), ours.key_pem());
    assert!(matches!(
        load(&certificate, &other.key_pem()),
        Err(PkiError::KeyMismatch)
    ));
    assert!(matches!(load("", &key), Err(PkiError::Certificate)));
    assert!(matches!(
        load(&certificate, &Secret::new(certificate.clone())),
        Err(PkiError::PrivateKey)
    ));
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::default().self_signed(&leaf_key).unwrap();
    let refused = load(&leaf.pem(), &Secret::new(leaf_key.serialize_pem()));
    assert!(matches!(refused, Err(PkiError::NotAnAuthority)));
}

#[test]
fn refuses_common_names_that_x520_forbids() {
    for bad in [String::new(), "x".repeat(65)] {
        let result = CertificateAuthority::generate(&bad, now(), &Rng::seeded(18));
        assert!(matches!(result, Err(PkiError::CommonName(_))));
    }
    let umlaut = CertificateAuthority::generate("Geräte", now(), &Rng::seeded(19)).unwrap();
    assert_eq!(parse(umlaut.certificate()).subject().to_string(), "CN=Geräte");
}

#[test]
fn debug_output_shows_no_key() {
    let authority = authority();
    let pem = authority.key_pem();
    let body: String = pem.expose().lines().nth(1).unwrap().to_owned();
    assert!(!format!("{authority:?}").contains(&body));
}
