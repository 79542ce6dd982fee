//! How the management listener checks client certificates during the handshake.

use crate::PkiError;
use qm_core::Clock;
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::UnixTime,
    server::{VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
    time_provider::TimeProvider,
};
use rustls_pki_types::CertificateDer;
use std::{sync::Arc, time::Duration};

/// A verifier that accepts certificates of any of `authorities` (several generations of the device CA)
/// with the clientAuth usage, within their validity; the authorities' names go into the certificate request.
///
/// A client without a certificate passes the handshake: the endpoint refuses it in HTTP, where it can be
/// logged. Whether a certificate is still good is the database's answer, by [`crate::fingerprint`].
pub fn client_verifier(
    provider: Arc<CryptoProvider>,
    authorities: &[CertificateDer<'_>],
) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone().into_owned())?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| match error {
            VerifierBuilderError::NoRootAnchors => PkiError::NoAuthorities,
            other => PkiError::Tls(rustls::Error::General(other.to_string())),
        })
}

/// Lets rustls take the time from our clock, which certificates are checked against.
pub fn time_provider(clock: Clock) -> Arc<dyn TimeProvider> {
    Arc::new(OurClock(clock))
}

#[derive(Debug)]
struct OurClock(Clock);

impl TimeProvider for OurClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_secs()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
