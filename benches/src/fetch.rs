//! A client that downloads and throws away: HTTP/1.1 over TLS, one kept connection.

use anyhow::{Context as _, Result, ensure};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use quartermaster::tls::provider;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{net::SocketAddr, ops::Range, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection to a server.
pub struct Fetcher {
    sender: SendRequest<Empty<Bytes>>,
    path: String,
}

impl Fetcher {
    /// Connects to `localhost` at an address; trusts `root` (PEM) only.
    pub async fn connect(address: SocketAddr, root: &str, path: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            path: path.to_owned(),
        })
    }

    /// Downloads a range, or all; answers how many bytes came.
    pub async fn fetch(&mut self, range: Option<Range<u64>>) -> Result<u64> {
        let mut request = Request::get(&self.path).header(header::HOST, "localhost");
        let mut wanted = StatusCode::OK;
        if let Some(range) = range {
            request = request.header(header::RANGE, format!("bytes={}-{}", range.start, range.end - 1));
            wanted = StatusCode::PARTIAL_CONTENT;
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Empty::new())?).await?;
        ensure!(
            answer.status() == wanted,
            "{} answers {}",
            self.path,
            answer.status()
        );
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.context("the download broke off")?.into_data();
            bytes += data.map_or(0, |data| data.len() as u64);
        }
        Ok(bytes)
    }
}
