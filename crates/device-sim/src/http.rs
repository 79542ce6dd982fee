//! HTTP over TLS as Windows does it: only the given roots, no redirects, no decompression, HTTP/1.1.

use crate::{DeviceOptions, Rule, SimError, account::Identity, violation::Watch};
use bytes::{Bytes, BytesMut};
use qm_core::Clock;
use reqwest::{Client, RequestBuilder, StatusCode, header};
use rustls::{ClientConfig, RootCertStore, pki_types::UnixTime, time_provider::TimeProvider};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use std::{sync::Arc, time::Duration};

/// A client with a connection pool of its own; `identity` is presented where the server asks for it.
pub(crate) fn client(options: &DeviceOptions, identity: Option<&Identity>) -> Result<Client, SimError> {
    let mut client = Client::builder()
        .tls_backend_preconfigured(tls(options, identity)?)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT);
    if options.fresh_connections {
        client = client.pool_max_idle_per_host(0);
    }
    for (host, address) in &options.resolve {
        client = client.resolve(host, *address);
    }
    Ok(client.build()?)
}

/// TLS as the device does it.
pub(crate) fn tls(options: &DeviceOptions, identity: Option<&Identity>) -> Result<ClientConfig, SimError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let time: Arc<dyn TimeProvider> = Arc::new(DeviceTime(options.clock.clone()));
    let builder = ClientConfig::builder_with_details(provider, time)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(&options.roots)?);
    Ok(match identity {
        Some(identity) => builder.with_client_auth_cert(
            vec![CertificateDer::from(identity.certificate.clone())],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.expose().clone())),
        )?,
        None => builder.with_no_client_auth(),
    })
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    /// As the header says, not as counted.
    pub(crate) content_length: Option<u64>,
    /// `Retry-After`.
    pub(crate) retry_after: Option<String>,
    /// `Transfer-Encoding` or `Content-Encoding`, where there is one.
    pub(crate) coding: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// An answer by its status line, headers and body.
    pub(crate) fn new(status: StatusCode, headers: &header::HeaderMap, body: Bytes) -> Self {
        let text = |name| header_text(headers, &name);
        Self {
            status: status.as_u16(),
            content_type: text(header::CONTENT_TYPE),
            content_length: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            retry_after: text(header::RETRY_AFTER),
            coding: text(header::TRANSFER_ENCODING).or_else(|| text(header::CONTENT_ENCODING)),
            body,
        }
    }

    /// A server that cannot answer now has to say when to come again.
    pub(crate) fn check_retry(&self, watch: &mut Watch) {
        let seconds = self
            .retry_after
            .as_ref()
            .and_then(|text| text.parse::<u32>().ok());
        watch.check(self.status != 503 || seconds.is_some(), Rule::RetryAfter, || {
            format!("503 with {:?}", self.retry_after)
        });
    }

    /// What every answer to a device has to have: a length that is true, and no coding.
    pub(crate) fn check_transfer(&self, watch: &mut Watch) {
        if let Some(coding) = &self.coding {
            watch.note(Rule::Transfer, format!("the answer is coded: {coding}"));
        }
        let length = u64::try_from(self.body.len()).ok();
        watch.check(self.content_length == length, Rule::ContentLength, || {
            format!("says {:?}, has {} bytes", self.content_length, self.body.len())
        });
    }
}

/// Sends a request and reads the answer up to `limit` bytes.
pub(crate) async fn exchange(request: RequestBuilder, limit: usize) -> Result<Answer, SimError> {
    let mut response = request.send().await?;
    let mut answer = Answer::new(response.status(), response.headers(), Bytes::new());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Err(SimError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    answer.body = body.freeze();
    Ok(answer)
}

/// As [`exchange`]; sends the same again, up to `patience` times, where the connection fails.
pub(crate) async fn exchange_patiently(
    request: RequestBuilder,
    limit: usize,
    mut patience: u32,
) -> Result<Answer, SimError> {
    loop {
        let again = request.try_clone().filter(|_| patience > 0);
        let Some(again) = again else {
            return exchange(request, limit).await;
        };
        match exchange(again, limit).await {
            Err(SimError::Http(error)) => tracing::debug!(%error, "the message is sent again"),
            answered => return answered,
        }
        patience -= 1;
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
}

/// A header as text.
pub(crate) fn header_text(headers: &header::HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Whether two values of `Content-Type` mean the same; parameters are compared too, white space is not.
pub(crate) fn same_media_type(given: &str, wanted: &str) -> bool {
    let normal = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    normal(given).eq_ignore_ascii_case(&normal(wanted))
}

/// PEM certificates as trusted roots.
pub(crate) fn roots(pem: &str) -> Result<RootCertStore, SimError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| SimError::Roots(error.to_string()))?;
        store.add(certificate)?;
    }
    if store.is_empty() {
        return Err(SimError::Roots("there is no certificate among them".to_owned()));
    }
    Ok(store)
}

/// rustls judges the server's certificate by the device's clock.
#[derive(Debug)]
struct DeviceTime(Clock);

impl TimeProvider for DeviceTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_secs()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Between two attempts of a patient device. A real one waits for seconds.
pub(crate) const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_compare_without_case_and_blanks() {
        assert!(same_media_type(
            "Application/SOAP+xml;charset=UTF-8",
            "application/soap+xml; charset=utf-8"
        ));
        assert!(!same_media_type(
            "text/xml",
            "application/soap+xml; charset=utf-8"
        ));
    }

    #[test]
    fn rejects_roots_that_are_none() {
        for bad in [
            "",
            "no PEM",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(roots(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_503_without_the_seconds_to_wait_is_noted() {
        let mut watch = Watch::default();
        for (retry_after, noted) in [(Some("60"), 0), (None, 1), (Some("soon"), 2)] {
            let answer = Answer {
                status: 503,
                content_type: None,
                content_length: Some(0),
                retry_after: retry_after.map(str::to_owned),
                coding: None,
                body: Bytes::new(),
            };
            answer.check_retry(&mut watch);
            assert_eq!(watch.rules(), vec![Rule::RetryAfter; noted]);
        }
    }

    #[test]
    fn an_answer_without_its_length_or_with_a_coding_is_noted() {
        let mut watch = Watch::default();
        let answer = Answer {
            status: 200,
            content_type: None,
            content_length: Some(3),
            retry_after: None,
            coding: Some("chunked".to_owned()),
            body: Bytes::from_static(b"four"),
        };
        answer.check_transfer(&mut watch);
        assert_eq!(watch.rules(), [Rule::Transfer, Rule::ContentLength]);
    }
}
