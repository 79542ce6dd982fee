//! Certificates that nobody should accept, and those that the device CA might have issued.

use crate::{Stage, wire::Identity};
use anyhow::{Context as _, Result};
use qm_core::Clock;
use qm_device_sim::Device;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use std::fs;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate, X509Extension};

/// The present moment.
pub fn now() -> OffsetDateTime {
    Clock::system().now().to_offset_date_time()
}

/// A device certificate to be, as the server issues them unless changed.
pub fn leaf(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = now() - Duration::DAY;
    params.not_after = now() + Duration::DAY;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Somebody who signs certificates.
pub struct Forge {
    issuer: Issuer<'static, KeyPair>,
    /// What goes between the leaf and the root.
    chain: Vec<CertificateDer<'static>>,
}

impl Forge {
    /// The server's own device CA, its key included.
    pub fn device_ca(stage: &Stage) -> Result<Self> {
        let key = fs::read_to_string(stage.config.path(&stage.config.keys.device_ca_key))?;
        let issuer = Issuer::from_ca_cert_der(&ca_certificate(stage)?, KeyPair::from_pem(&key)?)?;
        Ok(Self {
            issuer,
            chain: Vec::new(),
        })
    }

    /// A CA with the name, serial number and key identifier of the server's, but another key.
    pub fn impostor(stage: &Stage) -> Result<Self> {
        let (ca, key) = (ca_certificate(stage)?, KeyPair::generate()?);
        let (_, real) = X509Certificate::from_der(&ca)?;
        let name = real.subject().iter_common_name().next().context("a name")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(
            DnType::CommonName,
            DnValue::PrintableString(name.as_str()?.try_into()?),
        );
        params.serial_number = Some(SerialNumber::from(real.raw_serial().to_vec()));
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(&real)?);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key)?.der().clone();
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self {
            issuer,
            chain: vec![certificate],
        })
    }

    /// A device that plays CA.
    pub fn device(device: &Device) -> Result<Self> {
        let identity = identity(device)?;
        let certificate = identity.chain[0].clone();
        let key = KeyPair::try_from(&identity.key)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self {
            issuer,
            chain: identity.chain,
        })
    }

    /// A certificate over a new key.
    pub fn issue(&self, params: &CertificateParams) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let mut chain = vec![params.signed_by(&key, &self.issuer)?.der().clone()];
        chain.extend(self.chain.iter().cloned());
        Ok(with_key(chain, &key))
    }
}

/// A certificate that nobody but itself vouches for.
pub fn self_signed(params: &CertificateParams) -> Result<Identity> {
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.der().clone();
    Ok(with_key(vec![certificate], &key))
}

/// What an enrolled device presents.
pub fn identity(device: &Device) -> Result<Identity> {
    let (certificate, key) = device.identity().context("the device is not enrolled")?;
    Ok(Identity {
        chain: vec![certificate.to_vec().into()],
        key: PrivatePkcs8KeyDer::from(key.expose().clone()).into(),
    })
}

/// Somebody else's certificate with a key of one's own.
pub fn without_its_key(chain: &[CertificateDer<'static>]) -> Result<Identity> {
    Ok(with_key(chain.to_vec(), &KeyPair::generate()?))
}

fn key_identifier(certificate: &X509Certificate<'_>) -> Result<Vec<u8>> {
    let mut extensions = certificate
        .extensions()
        .iter()
        .map(X509Extension::parsed_extension);
    extensions
        .find_map(|extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
        .context("a key identifier")
}

/// The certificate of the server's device CA.
pub fn ca_certificate(stage: &Stage) -> Result<CertificateDer<'static>> {
    let file = stage.config.path(&stage.config.keys.device_ca);
    Ok(CertificateDer::from_pem_slice(&fs::read(file)?)?)
}

fn with_key(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Identity {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity { chain, key }
}
