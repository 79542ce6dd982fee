//! What the server itself presents: its certificate chain and key, and the local root for development.

use crate::{
    PkiError,
    signer::{Signer, certificate_pem, params},
};
use qm_core::{Rng, Secret, Timestamp};
use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::{crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::{collections::BTreeSet, net::IpAddr, time::Duration};

/// A certificate chain with its key, as PEM: what `tls.certificate` and `tls.key` point to.
#[derive(Debug, Clone)]
pub struct ServerIdentity {
    /// The chain, leaf first.
    pub chain_pem: String,
    /// The leaf's private key.
    pub key_pem: Secret<String>,
}

/// The local root of an installation without a publicly trusted certificate: `CA:true, pathLen:0`,
/// serverAuth only, 10 years, ECDSA P-256. Devices must be told to trust it by other means.
#[derive(Debug)]
pub struct DevelopmentRoot(Signer);

impl DevelopmentRoot {
    /// A new root with a fresh key.
    pub fn generate(common_name: &str, now: Timestamp, rng: &Rng) -> Result<Self, PkiError> {
        Signer::generate(common_name, ExtendedKeyUsagePurpose::ServerAuth, now, rng).map(Self)
    }

    /// Reads a root and its key.
    pub fn from_pem(certificate: &str, key: &Secret<String>) -> Result<Self, PkiError> {
        Signer::from_pem(certificate, key).map(Self)
    }

    /// A server certificate with a fresh key for host names and IP addresses, valid for 397 days.
    pub fn issue_server_certificate(
        &self,
        hosts: &[&str],
        now: Timestamp,
        rng: &Rng,
    ) -> Result<ServerIdentity, PkiError> {
        let not_after = self.0.end_of_validity(now, SERVER_VALIDITY)?;
        let mut params = params(SERVER_NAME, now, not_after, rng)?;
        params.subject_alt_names = alternative_names(hosts)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = self.0.sign(&params, &key)?;
        Ok(ServerIdentity {
            chain_pem: certificate_pem(&certificate),
            key_pem: Secret::new(key.serialize_pem()),
        })
    }

    /// The root's certificate.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        self.0.certificate()
    }

    /// The root's certificate as PEM: `root.pem`.
    pub fn certificate_pem(&self) -> String {
        self.0.certificate_pem()
    }

    /// The root's private key as PKCS#8 PEM.
    pub fn key_pem(&self) -> Secret<String> {
        self.0.key_pem()
    }
}

impl ServerIdentity {
    /// Every certificate of the chain, leaf first.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>, PkiError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(self.chain_pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| PkiError::Certificate)?;
        if chain.is_empty() {
            return Err(PkiError::Certificate);
        }
        Ok(chain)
    }

    /// The private key.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, PkiError> {
        PrivateKeyDer::from_pem_slice(self.key_pem.expose().as_bytes()).map_err(|_| PkiError::PrivateKey)
    }

    /// Ready for a TLS configuration; refuses a key that is not the leaf's.
    pub fn certified_key(&self, provider: &CryptoProvider) -> Result<CertifiedKey, PkiError> {
        Ok(CertifiedKey::from_der(
            self.chain()?,
            self.private_key()?,
            provider,
        )?)
    }
}

fn alternative_names(hosts: &[&str]) -> Result<Vec<SanType>, PkiError> {
    let distinct: BTreeSet<String> = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    if distinct.is_empty() {
        return Err(PkiError::NoHostNames);
    }
    distinct.into_iter().map(alternative_name).collect()
}

fn alternative_name(host: String) -> Result<SanType, PkiError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let name = host.strip_prefix("*.").unwrap_or(&host);
    if rustls_pki_types::DnsName::try_from(name).is_err() {
        return Err(PkiError::HostName(host));
    }
    let refused = PkiError::HostName(host.clone());
    host.try_into().map(SanType::DnsName).map_err(|_| refused)
}

const SERVER_NAME: &str = "Quartermaster server";
const SERVER_VALIDITY: Duration = Duration::from_hours(397 * 24);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CertificateAuthority;
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    #[test]
    fn server_certificates_name_hosts_and_addresses_once() {
        let rng = Rng::seeded(3);
        let root = DevelopmentRoot::generate("Depot development root", now(), &rng).unwrap();
        let hosts = ["MDM.depot.example", "mdm.depot.example", "192.0.2.7", "::1"];
        let identity = root.issue_server_certificate(&hosts, now(), &rng).unwrap();
        let chain = identity.chain().unwrap();
        let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
        let names = &leaf
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names;
        assert_eq!(names.len(), 3);
        assert!(names.contains(&GeneralName::DNSName("mdm.depot.example")));
        assert!(names.contains(&GeneralName::IPAddress(&[192, 0, 2, 7])));
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth);
        assert!(!leaf.is_ca());
    }

    #[test]
    fn refuses_names_that_are_no_hosts() {
        let rng = Rng::seeded(4);
        let root = DevelopmentRoot::generate("Depot root", now(), &rng).unwrap();
        for bad in ["", "two words", "*", "a/b"] {
            let result = root.issue_server_certificate(&[bad], now(), &rng);
            assert!(matches!(result, Err(PkiError::HostName(_))), "{bad}");
        }
        let nobody = root.issue_server_certificate(&[], now(), &rng);
        assert!(matches!(nobody, Err(PkiError::NoHostNames)));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let rng = Rng::seeded(5);
        let provider = rustls::crypto::ring::default_provider();
        let root = DevelopmentRoot::generate("Depot root", now(), &rng).unwrap();
        let mut identity = root
            .issue_server_certificate(&["a.example"], now(), &rng)
            .unwrap();
        assert!(identity.certified_key(&provider).is_ok());
        identity.key_pem = CertificateAuthority::generate("Other", now(), &rng)
            .unwrap()
            .key_pem();
        assert!(matches!(identity.certified_key(&provider), Err(PkiError::Tls(_))));
        identity.chain_pem = "no certificate here".to_owned();
        assert!(matches!(identity.chain(), Err(PkiError::Certificate)));
    }
}
