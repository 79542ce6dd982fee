use super::*;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SigningKey,
};

const DEVICE_ID: &str = "4C1F9E2D7A8B4036B5E0D9C3F2A16B78";

/// RSA 2048, SHA-256, a UTF8String subject with `!` and the private extension. The keys of this and of
/// the following requests were thrown away.
const RSA_2048: &str = include_str!("testdata/rsa2048.b64");
const RSA_1024: &str = include_str!("testdata/rsa1024.b64");
const RSA_EXPONENT_3: &str = include_str!("testdata/rsa2048-exponent3.b64");
const RSA_SHA1: &str = include_str!("testdata/rsa2048-sha1.b64");

/// Writes one DER element.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(u8::try_from(short).unwrap()),
        long => {
            out.push(0x82);
            out.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

/// A request as Windows composes it, signed with an EC key: subject text under the given string tag.
fn windows_request(key: &KeyPair, string_tag: u8, subject: &[u8]) -> Vec<u8> {
    let common_name = der(
        0x30,
        &[der(0x06, &[0x55, 0x04, 0x03]), der(string_tag, subject)].concat(),
    );
    let name = der(0x30, &der(0x31, &common_name));
    let device_id = der(0x04, format!("{DEVICE_ID}\0").as_bytes());
    let extension = der(0x30, &[PRIVATE_EXTENSION, &device_id].concat());
    let extension_request = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x0E];
    let attribute = der(
        0x30,
        &[extension_request.to_vec(), der(0x31, &der(0x30, &extension))].concat(),
    );
    let parts = [
        der(0x02, &[0]),
        name,
        key.subject_public_key_info(),
        der(0xA0, &attribute),
    ];
    signed(key, &der(0x30, &parts.concat()))
}

fn signed(key: &KeyPair, info: &[u8]) -> Vec<u8> {
    let ecdsa_with_sha256 = der(
        0x30,
        &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02],
    );
    let signature = der(0x03, &[vec![0], key.sign(info).unwrap()].concat());
    der(0x30, &[info.to_vec(), ecdsa_with_sha256, signature].concat())
}

fn request_of(key: &KeyPair) -> Vec<u8> {
    let params = CertificateParams::new(vec!["device.example".to_owned()]).unwrap();
    params.serialize_request(key).unwrap().der().to_vec()
}

#[test]
fn accepts_what_windows_sends() {
    let key = KeyPair::generate().unwrap();
    let subject = format!("8F2B61D0-4C3A-4E5F-9B7A-0D1C2!{DEVICE_ID}");
    let with_nul = format!("{subject}\0");
    for (tag, text) in [
        (0x0C, &subject),
        (0x13, &subject),
        (0x13, &with_nul),
        (0x16, &with_nul),
    ] {
        let request = CertificateRequest::parse(&windows_request(&key, tag, text.as_bytes())).unwrap();
        assert_eq!(request.claimed_device_id(), Some(DEVICE_ID));
        assert_eq!(request.key_kind(), KeyKind::P256);
        assert_eq!(
            request.public_key_digest(),
            public_key_digest(&key.subject_public_key_info())
        );
    }
}

#[test]
fn accepts_a_subject_that_is_no_name_at_all() {
    let key = KeyPair::generate().unwrap();
    assert!(CertificateRequest::parse(&windows_request(&key, 0x05, b"\xFF\xFE")).is_ok());
}

#[test]
fn accepts_rsa_wrapped_in_every_known_way() {
    let plain = RSA_2048.trim();
    let lines: Vec<&str> = (0..plain.len())
        .step_by(64)
        .map(|at| &plain[at..plain.len().min(at + 64)])
        .collect();
    let der = BASE64_STANDARD.decode(plain).unwrap();
    let ways = [
        der,
        plain.as_bytes().to_vec(),
        lines.join("\r\n").into_bytes(),
        lines.join("&#xD;\n").into_bytes(),
        format!("\n  {}\n", lines.join("\n\t")).into_bytes(),
        plain.trim_end_matches('=').as_bytes().to_vec(),
    ];
    for way in ways {
        let request = CertificateRequest::parse(&way).unwrap();
        assert_eq!(request.key_kind(), KeyKind::Rsa(2048));
        assert_eq!(request.claimed_device_id(), Some(DEVICE_ID));
    }
}

#[test]
fn accepts_standard_requests_without_a_device_id() {
    for (algorithm, kind) in [
        (&PKCS_ECDSA_P256_SHA256, KeyKind::P256),
        (&PKCS_ECDSA_P384_SHA384, KeyKind::P384),
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let request = CertificateRequest::parse(&request_of(&key)).unwrap();
        assert_eq!(request.key_kind(), kind);
        assert_eq!(request.claimed_device_id(), None);
    }
}

#[test]
fn rejects_weak_and_unknown_keys() {
    let ed25519 = request_of(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
    for (name, request) in [
        ("1024 bits", RSA_1024.as_bytes()),
        ("exponent 3", RSA_EXPONENT_3.as_bytes()),
        ("Ed25519", &ed25519),
    ] {
        assert_eq!(
            CertificateRequest::parse(request),
            Err(RequestError::Key),
            "{name}"
        );
    }
}

#[test]
fn rejects_sha1_signatures() {
    let refused = CertificateRequest::parse(RSA_SHA1.as_bytes());
    assert_eq!(
        refused,
        Err(RequestError::SignatureAlgorithm(
            "1.2.840.113549.1.1.5".to_owned()
        ))
    );
}

#[test]
fn rejects_a_request_for_somebody_elses_key() {
    let (mine, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let parts = [
        der(0x02, &[0]),
        der(0x30, &[]),
        theirs.subject_public_key_info(),
        der(0xA0, &[]),
    ];
    let forged = signed(&mine, &der(0x30, &parts.concat()));
    assert_eq!(CertificateRequest::parse(&forged), Err(RequestError::Signature));
}

#[test]
fn rejects_any_changed_byte_of_what_is_signed() {
    let mut request = windows_request(&KeyPair::generate().unwrap(), 0x13, b"device");
    let at = request.windows(6).position(|window| window == b"device").unwrap();
    request[at] ^= 1;
    assert_eq!(CertificateRequest::parse(&request), Err(RequestError::Signature));
}

#[test]
fn rejects_what_is_no_request() {
    let whole = request_of(&KeyPair::generate().unwrap());
    let trailing = [whole.as_slice(), &[0]].concat();
    let cases: [(&[u8], RequestError); 6] = [
        (b"", RequestError::Structure),
        (b"@@@@", RequestError::Encoding),
        (b"MIIB", RequestError::Structure),
        (&whole[..whole.len() - 1], RequestError::Structure),
        (&trailing, RequestError::Structure),
        (b"\x30\x80\x00\x00", RequestError::Structure),
    ];
    for (bytes, expected) in cases {
        assert_eq!(CertificateRequest::parse(bytes), Err(expected), "{bytes:?}");
    }
}

#[test]
fn rejects_oversized_requests_before_decoding() {
    let huge = vec![b'A'; MAX_TEXT + 1];
    assert_eq!(
        CertificateRequest::parse(&huge),
        Err(RequestError::TooLarge(MAX_TEXT + 1))
    );
    let large = der(0x30, &vec![0; MAX_DER]);
    assert_eq!(
        CertificateRequest::parse(&large),
        Err(RequestError::TooLarge(large.len()))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = CertificateRequest::parse(&bytes);
    }

    #[test]
    fn parsing_a_damaged_request_never_panics(at in 0_usize..700, value in any::<u8>()) {
        let mut request = BASE64_STANDARD.decode(RSA_2048.trim()).unwrap();
        request[at] = value;
        let _ = CertificateRequest::parse(&request);
    }
}
