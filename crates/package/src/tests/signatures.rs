//! Signatures of every kind that is supported, and such as do not belong.

use super::{
    build::{Edit, PUBLISHER, Package, Part},
    structure::refused,
};
use crate::{Limits, PackageError, SignatureFault, verify};
use qm_store_sim::appx::{Signer, Subject};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384,
    PKCS_RSA_SHA512, SignatureAlgorithm,
};
use std::{io::Cursor, sync::Mutex};
use time::macros::datetime;

type Check = fn(&SignatureFault) -> bool;

fn signer(algorithm: &'static SignatureAlgorithm, publisher: &str, signs_code: bool) -> Signer {
    let rsa = [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384, &PKCS_RSA_SHA512].contains(&algorithm);
    let key = if rsa {
        let pem = include_str!("../../../store-sim/src/appx/signing-key.pem");
        KeyPair::from_pkcs8_pem_and_sign_algo(pem, algorithm)
    } else {
        KeyPair::generate_for(algorithm)
    };
    let valid = (datetime!(2020-01-01 0:00 UTC), datetime!(2021-01-01 0:00 UTC));
    let subject = Subject {
        publisher,
        valid,
        signs_code,
    };
    Signer::new(key.unwrap(), &subject).unwrap()
}

fn fault(bytes: &[u8]) -> SignatureFault {
    match refused(bytes) {
        PackageError::Signature(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rsa_and_both_curves_verify_with_their_digests() {
    for algorithm in [
        &PKCS_RSA_SHA256,
        &PKCS_RSA_SHA384,
        &PKCS_RSA_SHA512,
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
    ] {
        let bytes = Package::app().build_signed(Some(&signer(algorithm, PUBLISHER, true)));
        let verified = verify(Cursor::new(bytes), &Limits::default()).unwrap();
        let lapses = verified.lapses.unwrap().to_offset_date_time();
        assert_eq!(lapses, datetime!(2021-01-01 0:00 UTC), "{algorithm:?}");
    }
}

#[test]
fn a_package_without_a_signature_is_told_apart() {
    for (bytes, signed) in [
        (Package::app().build(), true),
        (Package::app().build_signed(None), false),
    ] {
        let verified = verify(Cursor::new(bytes), &Limits::default()).unwrap();
        assert_eq!(verified.signed, signed);
    }
}

#[test]
fn a_signer_other_than_the_publisher_is_refused() {
    for publisher in [
        "CN=Somebody, C=FI",
        "CN=harborline tools oy, O=Harborline Tools Oy, L=Tampere, C=FI",
    ] {
        let bytes = Package::app().build_signed(Some(&signer(&PKCS_ECDSA_P256_SHA256, publisher, true)));
        let expected = SignatureFault::Publisher {
            signer: publisher.to_owned(),
            publisher: PUBLISHER.to_owned(),
        };
        assert_eq!(fault(&bytes), expected);
    }
}

#[test]
fn keys_and_certificates_for_something_else_are_refused() {
    let web = Package::app().build_signed(Some(&signer(&PKCS_ECDSA_P256_SHA256, PUBLISHER, false)));
    assert_eq!(fault(&web), SignatureFault::Purpose);
    let ed25519 = Package::app().build_signed(Some(&signer(&PKCS_ED25519, PUBLISHER, true)));
    assert!(matches!(fault(&ed25519), SignatureFault::Unsupported(_)));
}

#[test]
fn a_fault_is_told_once() {
    let bytes = Package {
        blob: |blob| blob[8] ^= 1,
        ..Package::app()
    };
    let error = refused(&bytes.build());
    assert!(
        error
            .to_string()
            .contains("the files changed after it was signed"),
        "{error}"
    );
    assert!(
        std::error::Error::source(&error).is_none(),
        "it would be told again"
    );
}

/// These files were made by another program than our builder.
#[test]
fn weak_keys_are_refused_as_such() {
    let strong = include_bytes!("../../../../fuzz/seeds/package/signed.msix");
    assert!(verify(Cursor::new(strong), &Limits::default()).unwrap().signed);
    let weak = include_bytes!("../../../../fuzz/seeds/package/weak-key.msix");
    assert!(matches!(fault(weak), SignatureFault::Unsupported(what) if what.contains("RSA key")));
}

#[test]
fn signatures_that_do_not_belong_are_refused() {
    // Behind the magic, each digest has a tag of four bytes and 32 of its own.
    let blob: [(Edit, SignatureFault); 9] = [
        (|blob| blob[8] ^= 1, SignatureFault::Changed("the files")),
        (
            |blob| blob[44] ^= 1,
            SignatureFault::Changed("the directory of files"),
        ),
        (
            |blob| blob[80] ^= 1,
            SignatureFault::Changed("[Content_Types].xml"),
        ),
        (|blob| blob[116] ^= 1, SignatureFault::Changed("AppxBlockMap.xml")),
        (
            |blob| drop(blob.drain(4..40)),
            SignatureFault::Uncovered("the files"),
        ),
        (
            |blob| drop(blob.drain(112..)),
            SignatureFault::Uncovered("AppxBlockMap.xml"),
        ),
        (
            |blob| blob.extend([b"AXCI".as_slice(), &[0; 32]].concat()),
            SignatureFault::Absent("AppxMetadata/CodeIntegrity.cat"),
        ),
        (
            |blob| blob.extend([b"AXPC".as_slice(), &[0; 32]].concat()),
            SignatureFault::Malformed("it lists a digest twice"),
        ),
        (
            |blob| blob[0] = b'X',
            SignatureFault::Malformed("it is no list of digests"),
        ),
    ];
    for (blob, expected) in blob {
        let bytes = Package {
            blob,
            ..Package::app()
        }
        .build();
        assert_eq!(fault(&bytes), expected);
    }
}

#[test]
fn forged_and_broken_signatures_are_refused() {
    let edits: [(Edit, Check); 5] = [
        (
            |part| *part.last_mut().unwrap() ^= 1,
            |f| *f == SignatureFault::Forged,
        ),
        (
            |part| {
                // In the signed content: the digest in the attributes is another one then.
                let at = part.windows(8).position(|bytes| bytes == b"APPXAXPC").unwrap();
                part[at + 8] ^= 1;
            },
            |f| *f == SignatureFault::Forged,
        ),
        (
            |part| part[0] = b'X',
            |f| matches!(f, SignatureFault::Malformed(_)),
        ),
        (
            |part| part.truncate(part.len() / 2),
            |f| matches!(f, SignatureFault::Malformed(_)),
        ),
        (
            |part| part.truncate(4),
            |f| matches!(f, SignatureFault::Malformed(_)),
        ),
    ];
    for (case, (signature, expected)) in edits.into_iter().enumerate() {
        let bytes = Package {
            signature,
            ..Package::app()
        }
        .build();
        let fault = fault(&bytes);
        assert!(expected(&fault), "{case}: {fault:?}");
    }
}

#[test]
fn the_signature_of_a_bundle_serves_no_package() {
    let bytes = Package {
        bundle: true,
        ..Package::app()
    }
    .build();
    assert_eq!(fault(&bytes), SignatureFault::Kind("bundle"));
}

#[test]
fn a_catalogue_of_the_code_has_to_be_covered_and_nothing_may_follow_the_signature() {
    let mut package = Package::app();
    package
        .parts
        .push(Part::new("AppxMetadata/CodeIntegrity.cat", "catalogue").unmapped());
    assert_eq!(
        fault(&package.build()),
        SignatureFault::Uncovered("AppxMetadata/CodeIntegrity.cat")
    );
    // Mapped in no block map and allowed without it, so that only the place of the signature is wrong.
    let behind = Package {
        behind_signature: Some(Part::new("AppxMetadata/CodeIntegrity.cat", "catalogue").unmapped()),
        ..Package::app()
    };
    assert_eq!(fault(&behind.build()), SignatureFault::NotLast);
}

#[test]
fn the_signature_of_another_package_is_refused() {
    static OTHER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let mut other = Package {
        signature: |part| OTHER.lock().unwrap().clone_from(part),
        ..Package::app()
    };
    other.parts[0].content[5] ^= 1;
    other.build();
    let borrowed = Package {
        signature: |part| part.clone_from(&OTHER.lock().unwrap()),
        ..Package::app()
    };
    assert_eq!(
        fault(&borrowed.build()),
        SignatureFault::Changed("the directory of files")
    );
}
