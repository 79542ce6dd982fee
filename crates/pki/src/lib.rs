//! The certificates of a Quartermaster installation: the device CA, what it signs, and how a
//! connection proves that it comes from an enrolled device.
//!
//! What it is not: it keeps no list of certificates and knows no revocation. A device certificate is
//! good while its row in the database says so; [`fingerprint`] is how a connection finds that row.
//! It speaks no SOAP either: `qm-enrollment` hands over the bytes of the PKCS#10 request.
//!
//! Start with [`CertificateAuthority::issue`]. Everything that Windows does differently from the
//! standards when it asks for a certificate is in [`request`]. [`client_verifier`] is what the
//! management listener puts into its TLS configuration.
//!
//! Keys are ECDSA P-256: `ring`, the only crypto provider of the workspace, cannot generate RSA keys.
//! An operator's own RSA CA loads and signs all the same.

pub mod authority;
pub mod digest;
pub mod error;
pub mod key_file;
pub mod request;
pub mod server;
pub mod verifier;

mod signer;

pub use authority::{CertificateAuthority, IssuedCertificate, VALIDITY};
pub use digest::{fingerprint, public_key_digest, thumbprint};
pub use error::PkiError;
pub use key_file::KeyFileError;
pub use request::{CertificateRequest, RequestError};
pub use server::{DevelopmentRoot, ServerIdentity};
pub use verifier::{client_verifier, time_provider};
