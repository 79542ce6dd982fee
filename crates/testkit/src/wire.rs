//! Connections in the raw: any certificate, any bytes.

use anyhow::{Context as _, Result, ensure};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion, client::ResolvesClientCert,
    crypto::ring, sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A certificate chain, leaf first, and a key, which need not be the leaf's.
#[derive(Debug)]
pub struct Identity {
    /// DER.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS#8.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

/// A connection to the server.
pub type Connection = TlsStream<TcpStream>;

/// How a client connects.
#[derive(Debug, Clone)]
pub struct Dialer(Arc<ClientConfig>);

impl Dialer {
    /// Trusts `root` (PEM) and presents `identity` to whoever asks. TLS sessions are resumed.
    pub fn new(
        root: &str,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes())?)?;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots);
        Ok(Self(Arc::new(match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(Always::new(identity)?)),
            None => builder.with_no_client_auth(),
        })))
    }

    /// With this protocol (`h2`) asked for.
    #[must_use]
    pub fn speaking(&self, protocol: &str) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![protocol.into()];
        Self(Arc::new(config))
    }

    /// A connection to this machine. A server that refuses the certificate may say so only afterwards.
    pub async fn dial(&self, port: u16) -> Result<TlsStream<TcpStream>> {
        self.shake_hands(TcpStream::connect(("127.0.0.1", port)).await?)
            .await
    }

    /// The handshake on a connection that is there.
    pub async fn shake_hands(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        Ok(connector.connect("localhost".try_into()?, stream).await?)
    }

    /// Sends bytes on a connection of their own; the first answer.
    pub async fn send(&self, port: u16, bytes: &[u8]) -> Result<Answer> {
        let mut stream = self.dial(port).await?;
        stream.write_all(bytes).await?;
        Answer::read(&mut stream).await
    }
}

/// Presents its certificate whoever is asked for, and signs with its key whether that fits or not.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl Always {
    fn new(identity: &Identity) -> Result<Self> {
        let key = ring::sign::any_supported_type(&identity.key)?;
        Ok(Self(Arc::new(CertifiedKey::new(identity.chain.clone(), key))))
    }
}

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
    fn has_certs(&self) -> bool {
        true
    }
}

/// An HTTP/1.1 answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header fields, names in lower case; of repeated ones the last.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// More than any answer a test looks at.
const LONGEST: usize = 16 * 1024 * 1024;

impl Answer {
    /// Reads one answer and nothing behind it; fails where the connection ends before it is whole.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            ensure!(head.len() < 64 * 1024, "a header without an end");
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(Ok(0), |text| text.parse())?;
        ensure!(length <= LONGEST, "an answer of {length} bytes");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let status = status.context("no status line")?.parse()?;
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The bytes of a request with a length.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}
