//! What enrollment left on the device.

use qm_core::{Secret, device::EnrollmentKind};
use qm_syncml::Encoding;
use std::fmt;

/// The OMA-DM account and the identity that goes with it.
#[derive(Clone)]
pub(crate) struct Account {
    /// `PROVIDER-ID`.
    pub(crate) provider_id: String,
    /// `ADDR`.
    pub(crate) address: String,
    /// `DEFAULTENCODING`.
    pub(crate) encoding: Encoding,
    /// `EntDMID`.
    pub(crate) ent_dm_id: String,
    /// Other parameters of `DMClient/Provider/{id}`, by path.
    pub(crate) settings: Vec<(String, String)>,
    /// Certificate and key.
    pub(crate) identity: Identity,
    /// For the user or for the device.
    pub(crate) kind: EnrollmentKind,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    /// The certificate, DER.
    pub(crate) certificate: Vec<u8>,
    /// SHA-1 of it, upper-case hexadecimal.
    pub(crate) thumbprint: String,
    /// The key, PKCS#8 DER.
    pub(crate) key: Secret<Vec<u8>>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("address", &self.address)
            .field("thumbprint", &self.identity.thumbprint)
            .finish_non_exhaustive()
    }
}
