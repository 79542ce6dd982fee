use super::*;
use crate::testing::{Authority, options, provisioning_document};

/// Applies the sample after an edit; the rules broken and the code it ended with.
fn applied(kind: EnrollmentKind, edit: impl Fn(String) -> String) -> (Vec<Rule>, Option<HResult>) {
    let key = KeyPair::generate().unwrap();
    let options = DeviceOptions { kind, ..options() };
    let document = edit(provisioning_document(
        &Authority::new(),
        &key,
        kind,
        "https://mdm.north.example/dm",
    ));
    let mut watch = Watch::default();
    let code = match apply(document.as_bytes(), &options, &key, &mut watch) {
        Ok(account) => {
            assert_eq!(account.provider_id, "Quartermaster");
            None
        }
        Err(SimError::Enrollment { code, .. }) => Some(code),
        Err(other) => panic!("{other}"),
    };
    (watch.rules(), code)
}

fn replaced(from: &str, to: &str) -> (Vec<Rule>, Option<HResult>) {
    applied(EnrollmentKind::Full, |document| {
        assert!(document.contains(from), "{from}");
        document.replace(from, to)
    })
}

#[test]
fn good_documents_are_taken_without_complaint() {
    for kind in [EnrollmentKind::Full, EnrollmentKind::Device] {
        assert_eq!(applied(kind, |document| document), (vec![], None));
    }
}

#[test]
fn settings_are_kept_by_their_path() {
    let key = KeyPair::generate().unwrap();
    let document = provisioning_document(
        &Authority::new(),
        &key,
        EnrollmentKind::Full,
        "https://m.example/dm",
    );
    let account = apply(document.as_bytes(), &options(), &key, &mut Watch::default()).unwrap();
    assert!(
        account
            .settings
            .contains(&("Poll/PollOnLogin".to_owned(), "true".to_owned()))
    );
    assert_eq!(account.ent_dm_id, "3f0c9a51-5a0e-4f0e-9d7a-2f8e6d1b7c44");
    assert_eq!(
        (account.address.as_str(), account.encoding),
        ("https://m.example/dm", Encoding::Xml)
    );
}

#[test]
fn what_windows_cannot_apply_ends_the_enrollment_with_its_code() {
    for (from, to, rule, code) in [
        (
            "<characteristic type=\"My\">",
            "<characteristic type=\"Mine\">",
            Rule::Structure,
            CERTIFICATE_STORE,
        ),
        ("value=\"w7\"", "value=\"W7\"", Rule::Parameter, W7),
        ("name=\"NAME\"", "name=\"INIT\"", Rule::Parameter, W7),
        (
            "https://mdm.north.example/dm",
            "http://mdm.north.example/dm",
            Rule::Url,
            W7,
        ),
        ("dm+xml", "dm+json", Rule::Parameter, W7),
        (
            "My%5CUser",
            "My%5CSystem",
            Rule::SearchCriteria,
            CERTIFICATE_NOT_FOUND,
        ),
        (
            "Subject=CN%3D",
            "Subject=CN=",
            Rule::SearchCriteria,
            CERTIFICATE_NOT_FOUND,
        ),
        ("value=\"CLIENT\"", "value=\"APPSRV\"", Rule::AppAuth, W7),
        ("\"EntDMID\"", "\"EntDM\"", Rule::Parameter, DMCLIENT),
        (
            "type=\"Quartermaster\"",
            "type=\"Other\"",
            Rule::Structure,
            DMCLIENT,
        ),
        ("version=\"1.1\"", "version=\"1.0\"", Rule::Structure, UNKNOWN),
    ] {
        let (rules, ended) = replaced(from, to);
        assert_eq!((rules.last(), ended), (Some(&rule), Some(code)), "{from}");
    }
}

#[test]
fn what_windows_tolerates_is_noted() {
    for (from, to, rule) in [
        (
            "name=\"RenewPeriod\" value=\"60\"",
            "name=\"RenewPeriod\" value=\"2000\"",
            Rule::Parameter,
        ),
        ("value=\"4\" datatype=\"integer\"", "value=\"4\"", Rule::Parameter),
        ("<parm name=\"BACKCOMPATRETRYDISABLED\"/>", "", Rule::Parameter),
        (
            "name=\"MAXBACKOFFTIME\"",
            "name=\"MaxBackOffTime\"",
            Rule::Parameter,
        ),
        ("vN7q2Xw0pTgB5cRk", "dummy", Rule::AppAuth),
        ("vN7q2Xw0pTgB5cRk", "Lr3sE8yJmU1fZd6H", Rule::AppAuth),
        ("9mZ0hXc2R1sK4uQ8", "nonce", Rule::AppAuth),
        (
            "NumberOfFirstRetries\" value=\"5\"",
            "NumberOfFirstRetries\" value=\"0\"",
            Rule::Poll,
        ),
        (
            "IntervalForRemainingScheduledRetries\" value=\"480\"",
            "IntervalForRemainingScheduledRetries\" value=\"0\"",
            Rule::Poll,
        ),
        (
            "<characteristic type=\"PrivateKeyContainer\"/>",
            "",
            Rule::Structure,
        ),
        ("name=\"UPN\"", "name=\"UPN\" extra=\"1\"", Rule::Structure),
    ] {
        assert_eq!(replaced(from, to), (vec![rule], None), "{from}");
    }
}

#[test]
fn node_names_must_be_the_sha_1_of_their_certificates() {
    let (rules, code) = applied(EnrollmentKind::Full, |document| {
        let at = document.find("<parm name=\"EncodedCertificate\"").unwrap();
        let name = document[..at - 2].rsplit('"').next().unwrap().to_owned();
        document.replacen(&name, &name.to_lowercase(), 1)
    });
    assert_eq!((rules, code), (vec![Rule::Thumbprint], None));
}

#[test]
fn a_certificate_for_another_key_or_from_another_authority_is_refused() {
    let (own, foreign) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let for_other = provisioning_document(
        &Authority::new(),
        &foreign,
        EnrollmentKind::Full,
        "https://m.example/dm",
    );
    let good = provisioning_document(
        &Authority::new(),
        &own,
        EnrollmentKind::Full,
        "https://m.example/dm",
    );
    let other = provisioning_document(
        &Authority::new(),
        &own,
        EnrollmentKind::Full,
        "https://m.example/dm",
    );
    let root_of = |document: &str| {
        document
            .split("<characteristic type=\"My\"")
            .next()
            .unwrap()
            .to_owned()
    };
    let mixed = good.replace(&root_of(&good), &root_of(&other));
    for document in [for_other, mixed] {
        let key = KeyPair::try_from(own.serialize_der()).unwrap();
        let ended = apply(document.as_bytes(), &options(), &key, &mut Watch::default());
        assert!(matches!(
            ended,
            Err(SimError::Enrollment {
                code: CERTIFICATE_STORE,
                ..
            })
        ));
    }
}
