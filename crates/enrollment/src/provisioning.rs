//! The provisioning document (MS-MDE2 2.2.9.1): what enrollment leaves on the device. Certificates,
//! the OMA-DM account and the DM client's schedule, in this order.
//!
//! One wrong parameter fails the whole enrollment with an HRESULT that names only the section, so
//! everything that can be derived here is derived, not passed: thumbprints, the store, the search
//! string by which the DM client finds its certificate.

use crate::xml::XmlWriter;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::{DeviceId, Secret, device::EnrollmentKind};
use sha1::{Digest as _, Sha1};
use std::num::NonZeroU16;

/// The name of this server on every device: `PROVIDER-ID`, the DMClient node and SyncML's ServerID.
/// It needs no escaping anywhere and never changes.
pub const PROVIDER_ID: &str = "Quartermaster";

/// Everything a new enrollment is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisioningDocument {
    /// The enrollment: the certificate's subject `CN` and `EntDMID`.
    pub device_id: DeviceId,
    /// For whom: decides the certificate store.
    pub kind: EnrollmentKind,
    /// The device CA's self-signed certificate, DER.
    pub root_certificate: Vec<u8>,
    /// The device's new certificate, DER.
    pub client_certificate: Vec<u8>,
    /// When the certificate is renewed.
    pub renewal: Renewal,
    /// The OMA-DM account.
    pub account: DmAccount,
    /// The enrolled user; left out where empty.
    pub upn: String,
    /// The device's name for people; left out where empty.
    pub device_name: String,
    /// When the device calls in by itself.
    pub poll: PollSchedule,
}

/// The schedule of renewal (CertificateStore CSP, `My/WSTEP/Renew`). It can be set at enrollment only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// `ROBOSupport`: the device renews without its user. Promise it only where renewal is served.
    pub automatic: bool,
    /// `RenewPeriod`: days before the end at which renewal starts, 1 to 1000.
    pub period_days: NonZeroU16,
    /// `RetryInterval`: days between attempts; cut to the period.
    pub retry_interval_days: NonZeroU16,
    /// `ServerURL`: another discovery address for renewal.
    pub server_url: Option<String>,
}

/// The OMA-DM account (w7 APPLICATION CSP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmAccount {
    /// `NAME`: shown in Settings.
    pub display_name: String,
    /// `ADDR`: where the device calls in.
    pub address: String,
    /// How the device proves itself to the server.
    pub client: ClientCredential,
    /// How the server proves itself to the device.
    pub server: ServerCredential,
}

/// `APPAUTH` of level `APPSRV`, digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredential {
    /// `AAUTHNAME`.
    pub name: String,
    /// `AAUTHSECRET`, fresh for every device.
    pub secret: Secret<String>,
    /// `AAUTHDATA`: the first nonce, before its base64.
    pub nonce: Vec<u8>,
}

/// `APPAUTH` of level `CLIENT`, digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCredential {
    /// `AAUTHSECRET`, fresh for every device.
    pub secret: Secret<String>,
    /// `AAUTHDATA`: the first nonce, before its base64.
    pub nonce: Vec<u8>,
}

/// The DM client's own schedule (DMClient CSP, `Poll`). The last set repeats for ever: without an
/// endless set Windows would make up its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollSchedule {
    /// Right after enrollment.
    pub first: Retries,
    /// After that.
    pub second: Retries,
    /// Minutes between calls from then on.
    pub remaining_minutes: NonZeroU16,
    /// `PollOnLogin`.
    pub on_login: bool,
    /// `AllUsersPollOnFirstLogin`.
    pub on_first_login_of_all_users: bool,
}

/// So many calls, so many minutes apart. A count of zero would mean "for ever".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How many.
    pub count: NonZeroU16,
    /// Minutes in between; zero switches the set off.
    pub interval_minutes: u16,
}

impl ProvisioningDocument {
    /// The document. It holds secrets.
    pub fn encode(&self) -> Secret<Vec<u8>> {
        Secret::new(XmlWriter::document(|xml| {
            xml.element("wap-provisioningdoc", &[("version", "1.1")], |xml| {
                characteristic(xml, "CertificateStore", |xml| self.write_certificates(xml));
                characteristic(xml, "APPLICATION", |xml| self.write_application(xml));
                characteristic(xml, "DMClient", |xml| self.write_dm_client(xml));
            });
        }))
    }

    fn write_certificates(&self, xml: &mut XmlWriter) {
        characteristic(xml, "Root", |xml| {
            characteristic(xml, "System", |xml| {
                write_certificate(xml, &self.root_certificate);
            });
        });
        characteristic(xml, "My", |xml| {
            characteristic(xml, store(self.kind), |xml| {
                write_certificate(xml, &self.client_certificate);
                // Must be there, even empty.
                xml.empty("characteristic", &[("type", "PrivateKeyContainer")]);
            });
            characteristic(xml, "WSTEP", |xml| {
                characteristic(xml, "Renew", |xml| self.renewal.write(xml));
            });
        });
    }

    fn write_application(&self, xml: &mut XmlWriter) {
        let subject = format!("CN={}", self.device_id);
        parm(xml, "APPID", "w7");
        parm(xml, "PROVIDER-ID", PROVIDER_ID);
        parm(xml, "NAME", &self.account.display_name);
        parm(xml, "ADDR", &self.account.address);
        parm(xml, "CONNRETRYFREQ", "6");
        parm(xml, "INITIALBACKOFFTIME", "30000");
        parm(xml, "MAXBACKOFFTIME", "120000");
        // Its presence switches it on; it has no value.
        xml.empty("parm", &[("name", "BACKCOMPATRETRYDISABLED")]);
        parm(xml, "DEFAULTENCODING", "application/vnd.syncml.dm+xml");
        parm(
            xml,
            "SSLCLIENTCERTSEARCHCRITERIA",
            &search_criteria(&subject, store(self.kind)),
        );
        self.account.server.write(xml);
        self.account.client.write(xml);
    }

    fn write_dm_client(&self, xml: &mut XmlWriter) {
        characteristic(xml, "Provider", |xml| {
            characteristic(xml, PROVIDER_ID, |xml| {
                typed(xml, "EntDMID", &self.device_id.to_string(), "string");
                for (name, value) in [("UPN", &self.upn), ("EntDeviceName", &self.device_name)] {
                    if !value.is_empty() {
                        typed(xml, name, value, "string");
                    }
                }
                characteristic(xml, "Poll", |xml| self.poll.write(xml));
            });
        });
    }
}

impl Renewal {
    /// Explicit data types are required here.
    fn write(&self, xml: &mut XmlWriter) {
        let retry = self.retry_interval_days.min(self.period_days);
        typed(xml, "ROBOSupport", &self.automatic.to_string(), "boolean");
        typed(xml, "RenewPeriod", &self.period_days.to_string(), "integer");
        typed(xml, "RetryInterval", &retry.to_string(), "integer");
        if let Some(url) = &self.server_url {
            typed(xml, "ServerURL", url, "string");
        }
    }
}

impl Default for Renewal {
    /// Automatic, from 60 days before the end, every 4 days: attempts fall on different weekdays.
    fn default() -> Self {
        Self {
            automatic: true,
            period_days: const { NonZeroU16::new(60).unwrap() },
            retry_interval_days: const { NonZeroU16::new(4).unwrap() },
            server_url: None,
        }
    }
}

impl ServerCredential {
    fn write(&self, xml: &mut XmlWriter) {
        characteristic(xml, "APPAUTH", |xml| {
            parm(xml, "AAUTHLEVEL", "CLIENT");
            parm(xml, "AAUTHTYPE", "DIGEST");
            parm(xml, "AAUTHSECRET", self.secret.expose());
            parm(xml, "AAUTHDATA", &BASE64_STANDARD.encode(&self.nonce));
        });
    }
}

impl ClientCredential {
    fn write(&self, xml: &mut XmlWriter) {
        characteristic(xml, "APPAUTH", |xml| {
            parm(xml, "AAUTHLEVEL", "APPSRV");
            parm(xml, "AAUTHTYPE", "DIGEST");
            parm(xml, "AAUTHNAME", &self.name);
            parm(xml, "AAUTHSECRET", self.secret.expose());
            parm(xml, "AAUTHDATA", &BASE64_STANDARD.encode(&self.nonce));
        });
    }
}

impl PollSchedule {
    fn write(&self, xml: &mut XmlWriter) {
        let Self { first, second, .. } = self;
        let integers = [
            ("NumberOfFirstRetries", first.count.get()),
            ("IntervalForFirstSetOfRetries", first.interval_minutes),
            ("NumberOfSecondRetries", second.count.get()),
            ("IntervalForSecondSetOfRetries", second.interval_minutes),
            ("NumberOfRemainingScheduledRetries", 0),
            (
                "IntervalForRemainingScheduledRetries",
                self.remaining_minutes.get(),
            ),
        ];
        for (name, value) in integers {
            typed(xml, name, &value.to_string(), "integer");
        }
        typed(xml, "PollOnLogin", &self.on_login.to_string(), "boolean");
        let all_users = self.on_first_login_of_all_users.to_string();
        typed(xml, "AllUsersPollOnFirstLogin", &all_users, "boolean");
    }
}

impl Default for PollSchedule {
    /// For devices that no push wakes: 5 calls 3 minutes apart, 8 calls 15 minutes apart, then every
    /// 8 hours, and whenever somebody signs in.
    fn default() -> Self {
        Self {
            first: Retries {
                count: const { NonZeroU16::new(5).unwrap() },
                interval_minutes: 3,
            },
            second: Retries {
                count: const { NonZeroU16::new(8).unwrap() },
                interval_minutes: 15,
            },
            remaining_minutes: const { NonZeroU16::new(480).unwrap() },
            on_login: true,
            on_first_login_of_all_users: true,
        }
    }
}

/// A mix-up would leave an installed certificate that the DM client cannot find.
const fn store(kind: EnrollmentKind) -> &'static str {
    match kind {
        EnrollmentKind::Full => "User",
        EnrollmentKind::Device => "System",
    }
}

/// `SSLCLIENTCERTSEARCHCRITERIA` (w7 APPLICATION CSP): percent-encoded, then escaped once as XML.
fn search_criteria(subject: &str, store: &str) -> String {
    let stores = format!("My\\{store}");
    format!(
        "Subject={}&Stores={}",
        percent_encode(subject),
        percent_encode(&stores)
    )
}

/// Escapes all but RFC 2396's unreserved characters; a blank is `%20`.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

fn write_certificate(xml: &mut XmlWriter, der: &[u8]) {
    let thumbprint = hex::encode_upper(Sha1::digest(der));
    characteristic(xml, &thumbprint, |xml| {
        parm(xml, "EncodedCertificate", &BASE64_STANDARD.encode(der));
    });
}

fn characteristic(xml: &mut XmlWriter, kind: &str, content: impl FnOnce(&mut XmlWriter)) {
    xml.element("characteristic", &[("type", kind)], content);
}

fn parm(xml: &mut XmlWriter, name: &str, value: &str) {
    xml.empty("parm", &[("name", name), ("value", value)]);
}

fn typed(xml: &mut XmlWriter, name: &str, value: &str, datatype: &str) {
    xml.empty(
        "parm",
        &[("name", name), ("value", value), ("datatype", datatype)],
    );
}

#[cfg(test)]
mod tests;
