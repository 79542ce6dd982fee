//! The device CA: one self-signed certificate that signs what enrolled devices present.

use crate::{
    CertificateRequest, PkiError,
    digest::{fingerprint, thumbprint},
    signer::{Signer, certificate_pem, not_before, params},
};
use qm_core::{
    DeviceId, Rng, Secret, Timestamp,
    device::{CertificateState, DeviceCertificate},
};
use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use std::time::Duration;

/// How long a device certificate is valid from its issue on: 365 days.
pub const VALIDITY: Duration = Duration::from_hours(365 * 24);

/// The authority that signs device certificates: `CA:true, pathLen:0`, clientAuth only, 10 years.
#[derive(Debug)]
pub struct CertificateAuthority(Signer);

/// A device certificate just signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificate, as the provisioning document carries it.
    pub der: Vec<u8>,
    /// What the database keeps of it.
    pub record: DeviceCertificate,
}

impl CertificateAuthority {
    /// A new authority with a fresh ECDSA P-256 key. `rng` gives the serial number only; keys come
    /// from `ring`'s own system source.
    pub fn generate(common_name: &str, now: Timestamp, rng: &Rng) -> Result<Self, PkiError> {
        Signer::generate(common_name, ExtendedKeyUsagePurpose::ClientAuth, now, rng).map(Self)
    }

    /// Reads a PEM certificate (the first block counts) and its PKCS#8 key, and checks that they
    /// belong together and may sign.
    pub fn from_pem(certificate: &str, key: &Secret<String>) -> Result<Self, PkiError> {
        Signer::from_pem(certificate, key).map(Self)
    }

    /// Signs a certificate for an enrollment. Nothing of the request but its public key is used; the
    /// subject is `CN=<device id>` in lower case, the end is never later than the authority's own.
    pub fn issue(
        &self,
        request: &CertificateRequest,
        device_id: DeviceId,
        now: Timestamp,
        validity: Duration,
        rng: &Rng,
    ) -> Result<IssuedCertificate, PkiError> {
        let not_after = self.0.end_of_validity(now, validity)?;
        let mut params = params(&device_id.to_string(), now, not_after, rng)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let der = self.0.sign(&params, request.public_key())?.to_vec();
        let record = DeviceCertificate {
            fingerprint: fingerprint(&der),
            device_id,
            thumbprint: thumbprint(&der),
            public_key: request.public_key_digest(),
            not_before: not_before(now),
            not_after: Timestamp::from_millis(not_after.as_secs() * 1000),
            state: CertificateState::Active,
        };
        Ok(IssuedCertificate { der, record })
    }

    /// The authority's certificate: goes into the provisioning document and into the verifier.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        self.0.certificate()
    }

    /// SHA-1 of the certificate, 40 upper-case hexadecimal digits.
    pub fn thumbprint(&self) -> String {
        thumbprint(self.certificate())
    }

    /// When the authority's certificate ends.
    pub const fn not_after(&self) -> Timestamp {
        self.0.not_after()
    }

    /// The certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        self.0.certificate_pem()
    }

    /// The private key as PKCS#8 PEM, for [`crate::key_file`].
    pub fn key_pem(&self) -> Secret<String> {
        self.0.key_pem()
    }
}

impl IssuedCertificate {
    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        certificate_pem(&self.der)
    }
}

#[cfg(test)]
mod tests;
