//! The provisioning document (MS-MDE2 2.2.9.1), taken in as Windows does: one wrong parameter ends the enrollment.

mod certificates;

use super::fail;
use crate::{
    DeviceOptions, Rule, SimError,
    account::{Account, Identity},
    violation::Watch,
    xml::Element,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use certificates::Certificates;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qm_core::{HResult, Secret, device::EnrollmentKind};
use qm_syncml::Encoding;
use rcgen::KeyPair;
use url::Url;

/// Applies a document: the account it makes, with the certificate for `key`.
pub(super) fn apply(
    document: &[u8],
    options: &DeviceOptions,
    key: &KeyPair,
    watch: &mut Watch,
) -> Result<Account, SimError> {
    let root = Element::parse(document).map_err(|error| fail(watch, UNKNOWN, Rule::Unreadable, error.0))?;
    let right = root.is("", "wap-provisioningdoc") && root.attribute("version") == Some("1.1");
    if !right {
        return Err(fail(
            watch,
            UNKNOWN,
            Rule::Structure,
            format!("the root is `{}`", root.name),
        ));
    }
    check_shape(&root, watch);
    let order: Vec<_> = root
        .children
        .iter()
        .filter_map(|child| child.attribute("type"))
        .collect();
    let sections = order.iter().copied().filter(|kind| *kind != "CertificateStore");
    let ordered = order.first() == Some(&"CertificateStore") && sections.eq(["APPLICATION", "DMClient"]);
    watch.check(ordered, Rule::Order, || format!("{order:?}"));

    let certificates = Certificates::read(&root, options, key, watch)?;
    let Some(application) = node(&root, &["APPLICATION"]) else {
        return Err(fail(watch, W7, Rule::Structure, "there is no APPLICATION"));
    };
    let application = Application::read(application, options.kind, &certificates.subject, watch)?;
    let Some(provider) = node(&root, &["DMClient", "Provider", &application.provider_id]) else {
        return Err(fail(
            watch,
            DMCLIENT,
            Rule::Structure,
            "DMClient has no node of the provider",
        ));
    };
    let settings = settings(provider, watch);
    let Some((_, ent_dm_id)) = settings.iter().find(|(name, _)| name == "EntDMID").cloned() else {
        return Err(fail(
            watch,
            DMCLIENT,
            Rule::Parameter,
            "EntDMID is missing; no renewal would work",
        ));
    };
    Ok(Account {
        provider_id: application.provider_id,
        address: application.address,
        encoding: options.encoding.unwrap_or(application.encoding),
        ent_dm_id,
        settings,
        identity: Identity {
            thumbprint: certificates.thumbprint,
            certificate: certificates.client,
            key: Secret::new(key.serialize_der()),
        },
        kind: options.kind,
    })
}

/// `APPLICATION` (w7).
struct Application {
    provider_id: String,
    address: String,
    encoding: Encoding,
}

impl Application {
    fn read(
        application: &Element,
        kind: EnrollmentKind,
        subject: &str,
        watch: &mut Watch,
    ) -> Result<Self, SimError> {
        let value = |name| parm(application, name);
        for forbidden in ["INIT", "ROLE", "TO-NAPID"] {
            if parameter(application, forbidden).is_some() {
                return Err(fail(
                    watch,
                    W7,
                    Rule::Parameter,
                    format!("{forbidden} is not for MDM servers"),
                ));
            }
        }
        if value("APPID") != Some("w7") {
            return Err(fail(watch, W7, Rule::Parameter, "APPID is not w7"));
        }
        for parameter in application.all("parm").filter_map(|parm| parm.attribute("name")) {
            let known = W7_PARAMETERS.contains(&parameter);
            watch.check(known, Rule::Parameter, || {
                format!("`{parameter}` is no parameter of w7")
            });
        }
        let retry = parameter(application, "BACKCOMPATRETRYDISABLED");
        let bare = retry.is_some_and(|retry| retry.attribute("value").is_none());
        watch.check(bare, Rule::Parameter, || {
            "BACKCOMPATRETRYDISABLED has to be there, without a value".to_owned()
        });
        check_search_criteria(value("SSLCLIENTCERTSEARCHCRITERIA"), kind, subject, watch)?;
        check_credentials(application, watch)?;
        Ok(Self {
            provider_id: required(application, "PROVIDER-ID", watch)?,
            address: address(application, watch)?,
            encoding: encoding(value("DEFAULTENCODING"), watch)?,
        })
    }
}

fn required(application: &Element, name: &'static str, watch: &mut Watch) -> Result<String, SimError> {
    match parm(application, name) {
        Some(value) if !value.is_empty() => Ok(value.to_owned()),
        _ => Err(fail(watch, W7, Rule::Parameter, format!("{name} is missing"))),
    }
}

fn address(application: &Element, watch: &mut Watch) -> Result<String, SimError> {
    let text = required(application, "ADDR", watch)?;
    match Url::parse(&text) {
        Ok(url) if url.scheme() == "https" && url.host().is_some() => Ok(text),
        _ => Err(fail(watch, W7, Rule::Url, format!("ADDR is `{text}`"))),
    }
}

fn encoding(value: Option<&str>, watch: &mut Watch) -> Result<Encoding, SimError> {
    let Some(media_type) = value else {
        return Ok(Encoding::Xml);
    };
    Encoding::from_media_type(media_type).ok_or_else(|| {
        fail(
            watch,
            W7,
            Rule::Parameter,
            format!("DEFAULTENCODING `{media_type}`"),
        )
    })
}

/// The text has to find the issued certificate in the store it was put in (w7 APPLICATION CSP).
fn check_search_criteria(
    given: Option<&str>,
    kind: EnrollmentKind,
    subject: &str,
    watch: &mut Watch,
) -> Result<(), SimError> {
    let store = format!("My\\{}", store(kind));
    let encode = |text| utf8_percent_encode(text, RESERVED).to_string();
    let wanted = format!("Subject={}&Stores={}", encode(subject), encode(&store));
    if given == Some(wanted.as_str()) {
        return Ok(());
    }
    Err(fail(
        watch,
        CERTIFICATE_NOT_FOUND,
        Rule::SearchCriteria,
        format!("{given:?} instead of `{wanted}`"),
    ))
}

/// Both sets are mandatory, mutual TLS or not.
fn check_credentials(application: &Element, watch: &mut Watch) -> Result<(), SimError> {
    let sets: Vec<_> = application
        .children
        .iter()
        .filter(|child| child.attribute("type") == Some("APPAUTH"))
        .collect();
    let mut levels: Vec<_> = sets
        .iter()
        .map(|set| parm(set, "AAUTHLEVEL").unwrap_or_default())
        .collect();
    levels.sort_unstable();
    if levels != ["APPSRV", "CLIENT"] {
        return Err(fail(watch, W7, Rule::AppAuth, format!("levels {levels:?}")));
    }
    for set in &sets {
        let client = parm(set, "AAUTHLEVEL") == Some("CLIENT");
        let kind = parm(set, "AAUTHTYPE").unwrap_or_default();
        let kind_fits = kind == "DIGEST" || (kind == "BASIC" && !client);
        watch.check(kind_fits, Rule::AppAuth, || format!("AAUTHTYPE `{kind}`"));
        let named = client || parm(set, "AAUTHNAME").is_some_and(|name| !name.is_empty());
        watch.check(named, Rule::AppAuth, || "AAUTHNAME is missing".to_owned());
        let secret = parm(set, "AAUTHSECRET").unwrap_or_default();
        watch.check(secret.len() >= MIN_SECRET, Rule::AppAuth, || {
            "AAUTHSECRET is too short".to_owned()
        });
        let nonce = parm(set, "AAUTHDATA")
            .and_then(|nonce| BASE64_STANDARD.decode(nonce).ok())
            .unwrap_or_default();
        watch.check(nonce.len() >= MIN_NONCE, Rule::AppAuth, || {
            "AAUTHDATA is no nonce in base64".to_owned()
        });
    }
    let same = parm(sets[0], "AAUTHSECRET") == parm(sets[1], "AAUTHSECRET");
    watch.check(!same, Rule::AppAuth, || {
        "both directions share one secret".to_owned()
    });
    Ok(())
}

/// All parameters of the provider, by their path below it.
fn settings(provider: &Element, watch: &mut Watch) -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for (parameter, path) in parameters(provider, "") {
        let wanted = match path.as_str() {
            "Poll/PollOnLogin" | "Poll/AllUsersPollOnFirstLogin" => "boolean",
            poll if poll.starts_with("Poll/") => "integer",
            _ => "string",
        };
        let given = parameter.attribute("datatype").unwrap_or_default();
        watch.check(given == wanted, Rule::Parameter, || {
            format!("{path} is of datatype `{given}`")
        });
        settings.push((path, parameter.attribute("value").unwrap_or_default().to_owned()));
    }
    check_poll(&settings, watch);
    settings
}

/// All parameters below an element with their paths.
fn parameters<'a>(element: &'a Element, prefix: &str) -> Vec<(&'a Element, String)> {
    let mut found = Vec::new();
    for child in &element.children {
        let name = child
            .attribute("name")
            .or(child.attribute("type"))
            .unwrap_or_default();
        let path = format!("{prefix}{name}");
        if child.name == "parm" {
            found.push((child, path));
        } else {
            found.extend(parameters(child, &(path + "/")));
        }
    }
    found
}

/// Windows repairs an invalid schedule without a word; a server does not rely on that.
fn check_poll(settings: &[(String, String)], watch: &mut Watch) {
    let value = |name: &str| {
        let path = format!("Poll/{name}");
        settings
            .iter()
            .find(|(key, _)| *key == path)
            .map(|(_, value)| value.as_str())
    };
    let number = |name: &str| value(name).and_then(|text| text.parse::<u32>().ok());
    let missing: Vec<_> = POLL_NUMBERS
        .iter()
        .filter(|name| number(name).is_none())
        .collect();
    watch.check(missing.is_empty(), Rule::Poll, || {
        format!("no number for {missing:?}")
    });
    let count = number("NumberOfFirstRetries").unwrap_or(1);
    watch.check(count > 0, Rule::Poll, || {
        "the first schedule never ends".to_owned()
    });
    let first = number("IntervalForFirstSetOfRetries").unwrap_or(2);
    watch.check(first != 1 || count < 10, Rule::Poll, || {
        "polls every minute".to_owned()
    });
    let remaining =
        number("NumberOfRemainingScheduledRetries").zip(number("IntervalForRemainingScheduledRetries"));
    let endless = remaining.is_some_and(|(count, interval)| count == 0 && interval > 0);
    watch.check(endless, Rule::Poll, || "no schedule is for ever".to_owned());
    for name in ["PollOnLogin", "AllUsersPollOnFirstLogin"] {
        let flag = value(name);
        watch.check(matches!(flag, None | Some("true" | "false")), Rule::Poll, || {
            format!("{name} {flag:?}")
        });
    }
}

/// Nothing but characteristics with a type and parameters with a name.
fn check_shape(element: &Element, watch: &mut Watch) {
    for child in &element.children {
        let (key, attributes): (_, &[&str]) = match child.name.as_str() {
            "characteristic" => ("type", &["type"]),
            "parm" => ("name", &["name", "value", "datatype"]),
            other => {
                watch.note(Rule::Structure, format!("`{other}` in a provisioning document"));
                continue;
            }
        };
        let named = child.attribute(key).is_some_and(|name| !name.is_empty());
        watch.check(named, Rule::Structure, || {
            format!("a `{}` without {key}", child.name)
        });
        for attribute in &child.attributes {
            let known = attributes.contains(&attribute.name.as_str());
            watch.check(known, Rule::Structure, || {
                format!("attribute `{}`", attribute.name)
            });
        }
        check_shape(child, watch);
    }
}

/// Descends along the types of characteristics.
fn node<'a>(element: &'a Element, path: &[&str]) -> Option<&'a Element> {
    path.iter().try_fold(element, |element, kind| {
        element
            .all("characteristic")
            .find(|child| child.attribute("type") == Some(kind))
    })
}

fn parameter<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    element
        .all("parm")
        .find(|parm| parm.attribute("name") == Some(name))
}

fn parm<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    parameter(element, name)?.attribute("value")
}

const fn store(kind: EnrollmentKind) -> &'static str {
    match kind {
        EnrollmentKind::Full => "User",
        EnrollmentKind::Device => "System",
    }
}

const W7_PARAMETERS: &[&str] = &[
    "ADDR",
    "APPID",
    "BACKCOMPATRETRYDISABLED",
    "CONNRETRYFREQ",
    "DEFAULTENCODING",
    "INITIALBACKOFFTIME",
    "MAXBACKOFFTIME",
    "NAME",
    "PROTOVER",
    "PROVIDER-ID",
    "SSLCLIENTCERTSEARCHCRITERIA",
    "USEHWDEVID",
];
const POLL_NUMBERS: &[&str] = &[
    "NumberOfFirstRetries",
    "IntervalForFirstSetOfRetries",
    "NumberOfSecondRetries",
    "IntervalForSecondSetOfRetries",
    "NumberOfRemainingScheduledRetries",
    "IntervalForRemainingScheduledRetries",
];
/// All but RFC 2396's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// Shorter ones are the constants of demonstration code.
const MIN_SECRET: usize = 12;
const MIN_NONCE: usize = 8;
const CERTIFICATE_STORE: HResult = HResult(0x8018_001E);
const W7: HResult = HResult(0x8018_001F);
const DMCLIENT: HResult = HResult(0x8018_0020);
const UNKNOWN: HResult = HResult(0x8018_0023);
const CERTIFICATE_NOT_FOUND: HResult = HResult(0x8018_0024);

#[cfg(test)]
mod tests;
