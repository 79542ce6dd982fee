//! A certificate with its key, able to sign others: what the device CA and the development root share.

use crate::PkiError;
use qm_core::{Rng, Secret, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use std::time::Duration;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate authority's certificate and key.
#[derive(Debug)]
pub(crate) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    not_after: Timestamp,
}

impl Signer {
    /// A new self-signed authority that may sign end-entity certificates for `purpose` only.
    pub(crate) fn generate(
        common_name: &str,
        purpose: ExtendedKeyUsagePurpose,
        now: Timestamp,
        rng: &Rng,
    ) -> Result<Self, PkiError> {
        let mut params = params(common_name, now, now + AUTHORITY_VALIDITY, rng)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.der().clone();
        Self::assemble(certificate, key)
    }

    /// Reads what [`Signer::certificate_pem`] and [`Signer::key_pem`] wrote, or an operator's own pair.
    pub(crate) fn from_pem(certificate: &str, key: &Secret<String>) -> Result<Self, PkiError> {
        let certificate =
            CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|_| PkiError::Certificate)?;
        let key = KeyPair::from_pem(key.expose()).map_err(|_| PkiError::PrivateKey)?;
        let signer = Self::assemble(certificate, key)?;
        signer.check_key()?;
        Ok(signer)
    }

    /// Signs a certificate over somebody's public key.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        public_key: &impl PublicKeyData,
    ) -> Result<CertificateDer<'static>, PkiError> {
        Ok(params.signed_by(public_key, &self.issuer)?.der().clone())
    }

    /// The end of a validity that starts now: never later than our own.
    pub(crate) fn end_of_validity(&self, now: Timestamp, validity: Duration) -> Result<Timestamp, PkiError> {
        if now >= self.not_after {
            return Err(PkiError::AuthorityExpired(self.not_after));
        }
        Ok((now + validity).min(self.not_after))
    }

    pub(crate) const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(crate) const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(crate) fn certificate_pem(&self) -> String {
        certificate_pem(&self.certificate)
    }

    pub(crate) fn key_pem(&self) -> Secret<String> {
        Secret::new(self.issuer.key().serialize_pem())
    }

    fn assemble(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, PkiError> {
        let parsed = parse(&certificate)?;
        if !may_sign(&parsed) {
            return Err(PkiError::NotAnAuthority);
        }
        let not_after = Timestamp::from_millis(parsed.validity().not_after.timestamp() * 1000);
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self {
            issuer,
            certificate,
            not_after,
        })
    }

    /// Signs a certificate for nobody and checks it: shows that the key is the certificate's and that
    /// the issuer name comes out as it stands in our subject, without which no chain would be found.
    fn check_key(&self) -> Result<(), PkiError> {
        let probe = self.sign(&CertificateParams::default(), self.issuer.key())?;
        let (probe, authority) = (parse(&probe)?, parse(&self.certificate)?);
        let named = probe.issuer().as_raw() == authority.subject().as_raw();
        let signed = probe.verify_signature(Some(authority.public_key())).is_ok();
        if named && signed {
            Ok(())
        } else {
            Err(PkiError::KeyMismatch)
        }
    }
}

/// Parameters with a subject of one CN, a random serial number and whole-second times; no extensions yet.
pub(crate) fn params(
    common_name: &str,
    now: Timestamp,
    not_after: Timestamp,
    rng: &Rng,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common_name)?;
    params.serial_number = Some(SerialNumber::from(rng.bytes::<16>().to_vec()));
    params.not_before = not_before(now).to_offset_date_time();
    params.not_after = not_after.to_offset_date_time();
    Ok(params)
}

/// Start of every validity: a day back, for devices whose clock lags while they are set up.
pub(crate) fn not_before(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_secs() * 1000) - BACKDATING
}

/// PEM text of a certificate.
pub(crate) fn certificate_pem(certificate: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate), config)
}

/// A name of one CN; PrintableString where it fits, since Windows encodes search strings that way.
fn name(common_name: &str) -> Result<DistinguishedName, PkiError> {
    let length = common_name.chars().count();
    if !(1..=64).contains(&length) {
        return Err(PkiError::CommonName(length));
    }
    let value = common_name.try_into().map_or_else(
        |_| DnValue::Utf8String(common_name.to_owned()),
        DnValue::PrintableString,
    );
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, value);
    Ok(name)
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(PkiError::Certificate),
    }
}

fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    let key_usage = certificate.key_usage().ok().flatten();
    certificate.is_ca() && key_usage.is_none_or(|usage| usage.value.key_cert_sign())
}

const AUTHORITY_VALIDITY: Duration = Duration::from_hours(3653 * 24);
const BACKDATING: Duration = Duration::from_hours(24);
