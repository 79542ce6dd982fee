//! Signatures of packages by a key that is in the source: they vouch for nothing, and the same input is signed alike.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use std::sync::LazyLock;

/// Its certificate is for `CN=P`.
static KEY: LazyLock<KeyPair> = LazyLock::new(|| {
    let pem = include_str!("../../store-sim/src/appx/signing-key.pem");
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(text).expect("the key is base64");
    KeyPair::from_pkcs8(&der).expect("the key is RSA")
});

/// What is signed: for which kind of file, and the list of digests.
pub(crate) fn content(blob: &[u8], bundle: bool) -> Vec<u8> {
    let kind = if bundle { BUNDLE } else { PACKAGE };
    let zero = der(INTEGER, &[&[0]]);
    let info = der(
        SEQUENCE,
        &[
            &der(INTEGER, &[&[1, 1, 0, 0]]),
            &der(OCTETS, &[kind]),
            &zero.repeat(5),
        ],
    );
    let data = der(SEQUENCE, &[&der(OID, &[SIP_INFO]), &info]);
    let list = der(SEQUENCE, &[&algorithm(SHA_256), &der(OCTETS, &[blob])]);
    der(SEQUENCE, &[&data, &list])
}

/// The signature part over any content, which should be a DER element.
pub(crate) fn sign(content: &[u8]) -> Vec<u8> {
    let found = digest(&SHA256, value(content));
    let attributes = [
        attribute(CONTENT_TYPE, &der(OID, &[INDIRECT_DATA])),
        attribute(MESSAGE_DIGEST, &der(OCTETS, &[found.as_ref()])),
    ]
    .concat();
    let signer = der(
        SEQUENCE,
        &[
            &der(INTEGER, &[&[1]]),
            &der(SEQUENCE, &[&name(), &der(INTEGER, &[SERIAL])]),
            &algorithm(SHA_256),
            &der(CONTEXT_0, &[&attributes]),
            &algorithm(RSA),
            &der(OCTETS, &[&signed(&der(SET, &[&attributes]))]),
        ],
    );
    let inner = der(
        SEQUENCE,
        &[&der(OID, &[INDIRECT_DATA]), &der(CONTEXT_0, &[content])],
    );
    let data = der(
        SEQUENCE,
        &[
            &der(INTEGER, &[&[1]]),
            &der(SET, &[&algorithm(SHA_256)]),
            &inner,
            &der(CONTEXT_0, &[&certificate()]),
            &der(SET, &[&signer]),
        ],
    );
    let info = der(SEQUENCE, &[&der(OID, &[SIGNED_DATA]), &der(CONTEXT_0, &[&data])]);
    [b"PKCX", info.as_slice()].concat()
}

fn signed(bytes: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; KEY.public().modulus_len()];
    KEY.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature)
        .expect("the key signs");
    signature
}

fn certificate() -> Vec<u8> {
    let key = der(
        SEQUENCE,
        &[&algorithm(RSA), &der(BITS, &[&[0], KEY.public_key().as_ref()])],
    );
    let valid = [b"200101000000Z", b"400101000000Z"].map(|time| der(UTC_TIME, &[time]));
    let told = der(
        SEQUENCE,
        &[
            &der(CONTEXT_0, &[&der(INTEGER, &[&[2]])]),
            &der(INTEGER, &[SERIAL]),
            &algorithm(RSA_SHA_256),
            &name(),
            &der(SEQUENCE, &[&valid.concat()]),
            &name(),
            &key,
        ],
    );
    // Nobody asks who vouches for it.
    der(
        SEQUENCE,
        &[&told, &algorithm(RSA_SHA_256), &der(BITS, &[&[0; 257]])],
    )
}

fn name() -> Vec<u8> {
    let attribute = der(SEQUENCE, &[&der(OID, &[COMMON_NAME]), &der(UTF8, &[b"P"])]);
    der(SEQUENCE, &[&der(SET, &[&attribute])])
}

fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&der(OID, &[kind]), &der(SET, &[value])])
}

fn algorithm(kind: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&der(OID, &[kind]), &[5, 0]])
}

/// An element of these parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = value.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut out = vec![tag];
    match (value.len(), u8::try_from(length.len())) {
        (0..128, _) | (_, Err(_)) => out.push(length.first().copied().unwrap_or(0)),
        (_, Ok(bytes)) => {
            out.push(0x80 | bytes);
            out.extend(length);
        }
    }
    out.extend(value);
    out
}

/// An element without tag and length; what is no element stays as it is.
fn value(element: &[u8]) -> &[u8] {
    let start = match element.get(1) {
        Some(long @ 0x81..=0x84) => 2 + usize::from(long & 0x7f),
        _ => 2,
    };
    element.get(start..).unwrap_or(element)
}

const INTEGER: u8 = 2;
const BITS: u8 = 3;
const OCTETS: u8 = 4;
const OID: u8 = 6;
const UTF8: u8 = 12;
const UTC_TIME: u8 = 23;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONTEXT_0: u8 = 0xa0;
const SERIAL: &[u8] = &[7];
const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const CONTENT_TYPE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const RSA_SHA_256: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
const SHA_256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
const INDIRECT_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04";
const SIP_INFO: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x1e";
const COMMON_NAME: &[u8] = b"\x55\x04\x03";
/// Ids of the providers that sign packages and bundles.
const PACKAGE: &[u8] = b"\x4b\xdf\xc5\x0a\x07\xce\xe2\x4d\xb7\x6e\x23\xc8\x39\xa0\x9f\xd1";
const BUNDLE: &[u8] = b"\xb3\x58\x5f\x0f\xde\xaa\x9a\x4b\xa4\x34\x95\x74\x2d\x92\xec\xeb";
