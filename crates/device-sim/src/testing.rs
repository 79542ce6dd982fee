//! What the tests of several modules share: a device, an authority, envelopes, packages, a server.

pub(crate) mod server;

use crate::{
    DeviceOptions,
    account::{Account, Identity},
    enroll::Hardware,
    http::Answer,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use qm_core::{Clock, Rng, Secret, Timestamp, device::EnrollmentKind};
use qm_syncml::Encoding;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, PublicKeyData, date_time_ymd,
};
use sha1::{Digest as _, Sha1};
use std::io::{Cursor, Write as _};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A device whose clock stands at 2026-03-01.
pub(crate) fn options() -> DeviceOptions {
    let now = Timestamp::parse_rfc3339("2026-03-01T10:00:30Z").unwrap();
    DeviceOptions {
        clock: Clock::mock(now),
        ..DeviceOptions::new(
            "https://enroll.north.example/EnrollmentServer/Discovery.svc",
            "ana@north.example",
            "qmt1.token",
            "",
            Rng::seeded(11),
        )
    }
}

pub(crate) fn hardware() -> Hardware {
    Hardware {
        device_id: DEVICE_ID.to_owned(),
        hardware_id: "5E".repeat(32),
    }
}

pub(crate) const DEVICE_ID: &str = "7D20C5E1A94F4B0BB2C6F0E3A1D58F42";

/// An answer that is in order at the level of HTTP.
pub(crate) fn soap_answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        content_type: Some("application/soap+xml; charset=utf-8".to_owned()),
        content_length: u64::try_from(body.len()).ok(),
        retry_after: None,
        coding: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// A response envelope.
pub(crate) fn envelope(action: &str, relates_to: &str, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' xmlns:a='http://www.w3.org/2005/08/addressing'>\
         <s:Header><a:Action s:mustUnderstand='1'>{action}</a:Action>\
         <ActivityId xmlns='http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics' CorrelationId='{ID}'>{ID}\
         </ActivityId><a:RelatesTo>{relates_to}</a:RelatesTo>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// A fault.
pub(crate) fn fault_envelope(
    action: &str,
    relates_to: &str,
    subcode: &str,
    error_type: Option<&str>,
) -> String {
    let detail = error_type.map_or_else(String::new, |kind| {
        format!(
            "<s:Detail><DeviceEnrollmentServiceError xmlns='http://schemas.microsoft.com/windows/pki/2009/01/enrollment'>\
             <ErrorType>{kind}</ErrorType><TraceId>t1</TraceId></DeviceEnrollmentServiceError></s:Detail>"
        )
    });
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text>no</s:Text></s:Reason>{detail}</s:Fault>"
    );
    envelope(action, relates_to, "", &body)
}

/// A certificate authority.
pub(crate) struct Authority(pub(crate) CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = params("North device CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn client(&self, name: &str, key: &impl PublicKeyData) -> Vec<u8> {
        let mut params = params(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(key, &self.0).unwrap().der().to_vec()
    }

    /// A certificate for a TLS server at `localhost`.
    pub(crate) fn server(&self, key: &KeyPair) -> Vec<u8> {
        let mut params = params("localhost");
        params.subject_alt_names = vec![rcgen::SanType::DnsName("localhost".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.signed_by(key, &self.0).unwrap().der().to_vec()
    }
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2036, 1, 1);
    params
}

/// A provisioning document that leaves nothing to be desired.
pub(crate) fn provisioning_document(
    authority: &Authority,
    key: &impl PublicKeyData,
    kind: EnrollmentKind,
    address: &str,
) -> String {
    let store = if kind == EnrollmentKind::Full {
        "User"
    } else {
        "System"
    };
    let (root, client) = (authority.0.der().to_vec(), authority.client(DM_ID, key));
    let node = |der: &[u8]| {
        let thumbprint = hex::encode_upper(Sha1::digest(der));
        let encoded = BASE64_STANDARD.encode(der);
        format!(
            "<characteristic type=\"{thumbprint}\"><parm name=\"EncodedCertificate\" value=\"{encoded}\"/></characteristic>"
        )
    };
    include_str!("testing/provisioning.xml")
        .replace("{root}", &node(&root))
        .replace("{client}", &node(&client))
        .replace("{store}", store)
        .replace("{address}", address)
        .replace("{dm_id}", DM_ID)
}

const ID: &str = "0c9d8d0e-6d3b-4f6e-8f62-7b1f35f1a2d4";
const DM_ID: &str = "3f0c9a51-5a0e-4f0e-9d7a-2f8e6d1b7c44";

/// A ZIP archive of these files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The manifest of a package; `extra` goes into `Dependencies`.
pub(crate) fn manifest(
    name: &str,
    version: &str,
    architecture: &str,
    framework: bool,
    extra: &str,
) -> String {
    format!(
        "<Package xmlns='http://schemas.microsoft.com/appx/manifest/foundation/windows10'>\
         <Identity Name='{name}' Publisher='{PUBLISHER}' Version='{version}' ProcessorArchitecture='{architecture}'/>\
         <Properties><Framework>{framework}</Framework></Properties><Dependencies>\
         <TargetDeviceFamily Name='Windows.Desktop' MinVersion='10.0.17763.0' MaxVersionTested='10.0.26100.0'/>{extra}\
         </Dependencies></Package>"
    )
}

/// A package.
pub(crate) fn package(name: &str, version: &str, architecture: &str, extra: &str) -> Vec<u8> {
    archive(&[(
        "AppxManifest.xml",
        manifest(name, version, architecture, false, extra).as_bytes(),
    )])
}

/// A framework package.
pub(crate) fn framework(name: &str, version: &str, architecture: &str) -> Vec<u8> {
    archive(&[(
        "AppxManifest.xml",
        manifest(name, version, architecture, true, "").as_bytes(),
    )])
}

/// A dependency on a framework of the same publisher.
pub(crate) fn needs(name: &str, min_version: &str) -> String {
    format!("<PackageDependency Name='{name}' Publisher='{PUBLISHER}' MinVersion='{min_version}'/>")
}

/// A bundle of packages.
pub(crate) fn bundle(name: &str, version: &str, members: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let rows = members.iter().fold(String::new(), |rows, (file, architecture, _)| {
        rows + &format!(
            "<Package Type='application' Version='1.0.0.0' Architecture='{architecture}' FileName='{file}'/>"
        )
    });
    let manifest = format!(
        "<Bundle xmlns='http://schemas.microsoft.com/appx/2013/bundle'>\
         <Identity Name='{name}' Publisher='{PUBLISHER}' Version='{version}'/><Packages>{rows}</Packages></Bundle>"
    );
    let mut files: Vec<(&str, &[u8])> = members.iter().map(|(file, _, bytes)| (*file, *bytes)).collect();
    files.push(("AppxMetadata/AppxBundleManifest.xml", manifest.as_bytes()));
    archive(&files)
}

pub(crate) const PUBLISHER: &str = "CN=Harborline Tools Oy, O=Harborline Tools Oy, L=Tampere, C=FI";

/// An account as the sample document makes it.
pub(crate) fn account(encoding: Encoding) -> Account {
    Account {
        provider_id: "Quartermaster".to_owned(),
        address: SERVER.to_owned(),
        encoding,
        ent_dm_id: DM_ID.to_owned(),
        settings: vec![("UPN".to_owned(), "ana@north.example".to_owned())],
        identity: Identity {
            certificate: vec![],
            thumbprint: String::new(),
            key: Secret::new(vec![]),
        },
        kind: EnrollmentKind::Full,
    }
}

pub(crate) const SERVER: &str = "https://mdm.north.example/ManagementServer/Manage.svc";
