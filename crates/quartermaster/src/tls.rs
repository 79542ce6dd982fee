//! Certificates and TLS configurations of the listeners. The crypto provider is chosen here, once.

use crate::config::Config;
use anyhow::{Context as _, Result};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, crypto::CryptoProvider, server::danger::ClientCertVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls_platform_verifier::Verifier;
use std::{path::Path, sync::Arc};
use tokio::sync::watch;

/// The one crypto provider of the process; it is passed, never installed as a default.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client that trusts what the operating system trusts. Where that has no roots, every https connection will fail, and
/// the log says why.
pub fn public_roots() -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(match Verifier::new(provider()) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "the operating system has no trusted roots: https connections to the Store will fail");
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    })
}

/// The TLS configurations of the listeners, replaced together when certificates are reloaded.
pub struct ListenerTls {
    plain: watch::Sender<Arc<ServerConfig>>,
    management: watch::Sender<Arc<ServerConfig>>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ListenerTls {
    /// Reads the server's certificate; `verifier` judges the devices' certificates on the management listener.
    pub fn load(config: &Config, verifier: Arc<dyn ClientCertVerifier>) -> Result<Self> {
        let (plain, management) = configs(config, &verifier)?;
        Ok(Self {
            plain: watch::Sender::new(plain),
            management: watch::Sender::new(management),
            verifier,
        })
    }

    /// Without client certificates: enrollment and admin.
    pub fn plain(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.plain.subscribe()
    }

    /// Asks for the device's certificate.
    pub fn management(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.management.subscribe()
    }

    /// Reads the certificate again; connections from now on use it. On error the old one stays.
    pub fn reload(&self, config: &Config) -> Result<()> {
        let (plain, management) = configs(config, &self.verifier)?;
        self.plain.send_replace(plain);
        self.management.send_replace(management);
        Ok(())
    }
}

fn configs(
    config: &Config,
    verifier: &Arc<dyn ClientCertVerifier>,
) -> Result<(Arc<ServerConfig>, Arc<ServerConfig>)> {
    let chain = certificates(&config.path(&config.tls.certificate))?;
    let key = private_key(&config.path(&config.tls.key))?;
    let builder = || ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut plain = builder()?
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key.clone_key())?;
    plain.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut management = builder()?
        .with_client_cert_verifier(Arc::clone(verifier))
        .with_single_cert(chain, key)?;
    management.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(plain), Arc::new(management)))
}

/// The certificates of a PEM file, in order.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem =
        std::fs::read(file).with_context(|| format!("cannot read the certificate {}", file.display()))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.with_context(|| format!("{} is no PEM file", file.display()))?;
    anyhow::ensure!(!chain.is_empty(), "{} holds no certificate", file.display());
    Ok(chain)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let pem = std::fs::read(file).with_context(|| format!("cannot read the key {}", file.display()))?;
    PrivateKeyDer::from_pem_slice(&pem).with_context(|| format!("{} holds no private key", file.display()))
}
