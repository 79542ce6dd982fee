//! `CertificateStore`: the root, the device's certificate and when it is renewed.

use super::{CERTIFICATE_STORE, fail, node, parameter, parm, store};
use crate::{DeviceOptions, Rule, SimError, violation::Watch, xml::Element};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{KeyPair, PublicKeyData as _};
use sha1::{Digest as _, Sha1};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _, time::ASN1Time};

/// What the section brought.
pub(super) struct Certificates {
    /// The device's certificate, DER.
    pub(super) client: Vec<u8>,
    /// Its SHA-1.
    pub(super) thumbprint: String,
    /// Its subject, `CN=…`.
    pub(super) subject: String,
}

impl Certificates {
    pub(super) fn read(
        root: &Element,
        options: &DeviceOptions,
        key: &KeyPair,
        watch: &mut Watch,
    ) -> Result<Self, SimError> {
        // Root and My may come in one section or in two.
        let sections: Vec<_> = root
            .children
            .iter()
            .filter(|child| child.attribute("type") == Some("CertificateStore"))
            .collect();
        let find = |path: &[&str]| sections.iter().find_map(|section| node(section, path));
        let issuer = find(&["Root", "System"]).map_or_else(Vec::new, |store| certificates(store, watch));
        let [(_, issuer)] = issuer.as_slice() else {
            return Err(bad(
                watch,
                Rule::Certificate,
                format!("{} root certificates", issuer.len()),
            ));
        };
        let place = store(options.kind);
        let Some(my) = find(&["My", place]) else {
            return Err(bad(watch, Rule::Structure, format!("there is no My/{place}")));
        };
        let own = certificates(my, watch);
        let [(thumbprint, client)] = own.as_slice() else {
            return Err(bad(
                watch,
                Rule::Certificate,
                format!("{} certificates in My/{place}", own.len()),
            ));
        };
        check_container(my, watch);
        check_renewal(find(&["My", "WSTEP", "Renew"]), watch);
        let subject = judge(client, issuer, options, key, watch)
            .map_err(|problem| bad(watch, Rule::Certificate, problem))?;
        Ok(Self {
            client: client.clone(),
            thumbprint: thumbprint.clone(),
            subject,
        })
    }
}

/// The certificate nodes of a store with what is in them.
fn certificates(store: &Element, watch: &mut Watch) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for node in store.all("characteristic") {
        let Some(encoded) = parm(node, "EncodedCertificate") else {
            continue;
        };
        let Ok(der) = BASE64_STANDARD.decode(encoded) else {
            watch.note(Rule::Certificate, "EncodedCertificate is not base64 in one line");
            continue;
        };
        let name = node.attribute("type").unwrap_or_default();
        let thumbprint = thumbprint(&der);
        watch.check(name == thumbprint, Rule::Thumbprint, || {
            format!("node `{name}` holds {thumbprint}")
        });
        found.push((thumbprint, der));
    }
    found
}

/// SHA-1 of the DER, upper-case hexadecimal.
fn thumbprint(der: &[u8]) -> String {
    hex::encode_upper(Sha1::digest(der))
}

/// It must be there, even empty, beside the certificate or in it.
fn check_container(my: &Element, watch: &mut Watch) {
    let inside = my
        .all("characteristic")
        .any(|child| node(child, &["PrivateKeyContainer"]).is_some());
    let beside = node(my, &["PrivateKeyContainer"]).is_some();
    watch.check(inside || beside, Rule::Structure, || {
        "there is no PrivateKeyContainer".to_owned()
    });
}

fn check_renewal(renew: Option<&Element>, watch: &mut Watch) {
    let Some(renew) = renew else {
        watch.note(Rule::Structure, "there is no WSTEP/Renew");
        return;
    };
    let typed = |name: &str, datatype: &str| {
        let parameter = parameter(renew, name)?;
        (parameter.attribute("datatype") == Some(datatype)).then(|| parameter.attribute("value"))?
    };
    let automatic = typed("ROBOSupport", "boolean");
    watch.check(
        matches!(automatic, Some("true" | "false")),
        Rule::Parameter,
        || format!("ROBOSupport {automatic:?}"),
    );
    let days = |name| typed(name, "integer").and_then(|days| days.parse::<u32>().ok());
    let (period, retry) = (days("RenewPeriod"), days("RetryInterval"));
    let sound = period
        .zip(retry)
        .is_some_and(|(period, retry)| (1..=1000).contains(&period) && (1..=period).contains(&retry));
    watch.check(sound, Rule::Parameter, || {
        format!("RenewPeriod {period:?}, RetryInterval {retry:?}")
    });
}

/// The subject of a certificate that is what Windows and good sense want.
fn judge(
    der: &[u8],
    issuer: &[u8],
    options: &DeviceOptions,
    key: &KeyPair,
    watch: &mut Watch,
) -> Result<String, String> {
    let parse = |der| {
        X509Certificate::from_der(der)
            .map(|(_, certificate)| certificate)
            .map_err(|e| e.to_string())
    };
    let (certificate, issuer): (X509Certificate<'_>, X509Certificate<'_>) = (parse(der)?, parse(issuer)?);
    if certificate.public_key().raw != key.subject_public_key_info() {
        return Err("the certificate is for another key".to_owned());
    }
    certificate
        .verify_signature(Some(issuer.public_key()))
        .map_err(|_| "the certificate is not signed by the root".to_owned())?;
    let now = ASN1Time::from_timestamp(options.clock.now().as_secs()).map_err(|error| error.to_string())?;
    if !certificate.validity().is_valid_at(now) {
        return Err("the certificate is not valid now".to_owned());
    }
    for (sound, problem) in [
        (
            issuer.is_ca() && issuer.subject() == certificate.issuer(),
            "the root is not its issuer",
        ),
        (
            certificate.version().0 == 2,
            "the certificate is not of version 3",
        ),
        (!certificate.is_ca(), "the certificate is an authority's"),
        (
            client_auth_only(&certificate),
            "its usage is not clientAuth alone",
        ),
        (
            certificate.raw_serial().first().is_some_and(|byte| *byte < 0x80),
            "its serial number is not positive",
        ),
    ] {
        watch.check(sound, Rule::Certificate, || problem.to_owned());
    }
    let subject = certificate.subject().to_string();
    let names = certificate.subject().iter_attributes().count();
    watch.check(
        names == 1 && subject.starts_with("CN="),
        Rule::Certificate,
        || format!("subject `{subject}`"),
    );
    Ok(subject)
}

fn client_auth_only(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.extended_key_usage().ok().flatten();
    usage.is_some_and(|usage| usage.value.client_auth && !usage.value.server_auth && !usage.value.any)
}

fn bad(watch: &mut Watch, rule: Rule, detail: impl Into<String>) -> SimError {
    fail(watch, CERTIFICATE_STORE, rule, detail)
}
