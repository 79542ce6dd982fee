//! What can go wrong with our own keys and certificates; bad requests are [`crate::RequestError`].

use qm_core::Timestamp;

/// Why a certificate authority, server identity or verifier could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A common name of more than 64 characters or of none (X.520).
    #[error("a common name has 1 to 64 characters, this one has {0}")]
    CommonName(usize),
    /// The PEM text holds no certificate, or one that cannot be read.
    #[error("no readable certificate in the PEM text: expected a `CERTIFICATE` block")]
    Certificate,
    /// The PEM text holds no private key, or one of an unsupported kind.
    #[error("no usable private key in the PEM text: expected PKCS#8, P-256, P-384 or RSA")]
    PrivateKey,
    /// The key belongs to another certificate, or its subject cannot be written back byte for byte.
    #[error("the private key does not belong to the certificate, or its subject name is unsupported")]
    KeyMismatch,
    /// The certificate may not sign certificates.
    #[error("the certificate is not one of a certificate authority (CA:true, keyCertSign)")]
    NotAnAuthority,
    /// The authority's own certificate has ended.
    #[error("the certificate authority ended at {0}: make a new one")]
    AuthorityExpired(Timestamp),
    /// A host name that cannot stand in a certificate.
    #[error("`{0}` is neither a host name nor an IP address")]
    HostName(String),
    /// A server certificate for nobody.
    #[error("a server certificate needs at least one host name or IP address")]
    NoHostNames,
    /// A verifier without any authority would let nobody in.
    #[error("no certificate authority was given to verify client certificates with")]
    NoAuthorities,
    /// The signing library refused.
    #[error("signing a certificate failed: {0}")]
    Signing(#[from] rcgen::Error),
    /// The TLS library refused.
    #[error("TLS refused the certificate or key: {0}")]
    Tls(#[from] rustls::Error),
}
