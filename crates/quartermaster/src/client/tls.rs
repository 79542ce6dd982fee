//! Whom the client trusts: the roots of one file, or what the operating system trusts.

use super::ClientError;
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use rustls_platform_verifier::Verifier;
use std::{path::Path, sync::Arc};

/// The TLS configuration of an `https` connection.
pub fn config(ca_cert: Option<&Path>, provider: Arc<CryptoProvider>) -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ClientError::Tls)?;
    let config = if let Some(file) = ca_cert {
        builder.with_root_certificates(roots(file)?)
    } else {
        let verifier = Verifier::new(provider).map_err(ClientError::SystemRoots)?;
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
    };
    Ok(config.with_no_client_auth())
}

/// The configuration of a plain connection to this machine, which never uses it.
pub fn unused(provider: Arc<CryptoProvider>) -> Result<ClientConfig, ClientError> {
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(ClientError::Tls)?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn roots(file: &Path) -> Result<RootCertStore, ClientError> {
    let bad = |problem: String| ClientError::CaFile {
        file: file.to_path_buf(),
        problem,
    };
    let pem = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(format!("it is no PEM file: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| bad(format!("a certificate in it cannot be read: {error}")))?;
    }
    if roots.is_empty() {
        return Err(bad("it holds no certificate".to_owned()));
    }
    Ok(roots)
}
