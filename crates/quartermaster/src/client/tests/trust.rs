//! Real TLS: whom the client trusts, and what it says when it does not.

use super::{Shown, answered, parse, provider};
use crate::client::ClientError;
use axum::{Json, Router, extract::Request};
use http::Version;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use qm_core::{Clock, Rng};
use qm_pki::DevelopmentRoot;
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::json;
use std::{fs, path::PathBuf, sync::Arc};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use tokio_rustls::TlsAcceptor;

struct Server {
    port: u16,
    folder: TempDir,
}

impl Server {
    /// A server whose certificate is for `name`, with its root in a file.
    async fn start(name: &str, asks_devices: bool) -> Self {
        let (clock, rng) = (Clock::system(), Rng::system());
        let root = DevelopmentRoot::generate("Local root", clock.now(), &rng).unwrap();
        let identity = root.issue_server_certificate(&[name], clock.now(), &rng).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("root.pem"), root.certificate_pem()).unwrap();
        let other = DevelopmentRoot::generate("Local root", clock.now(), &rng).unwrap();
        fs::write(folder.path().join("other.pem"), other.certificate_pem()).unwrap();
        let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem.expose().as_bytes()).unwrap();
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks_devices {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(root.certificate_pem().as_bytes()).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        // As the listeners of the server: HTTP/2 for the API, not for devices.
        config.alpn_protocols = vec![if asks_devices {
            b"http/1.1".to_vec()
        } else {
            b"h2".to_vec()
        }];
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(answer(socket, TlsAcceptor::from(Arc::new(config))));
        Self { port, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn ask(&self, options: &str) -> Result<Shown, ClientError> {
        let line = format!(
            "--url https://localhost:{} --token t {options} groups list",
            self.port
        );
        let cli = parse(&line).unwrap();
        answered(cli).await?.shown(crate::client::Output::Table)
    }

    async fn ask_trusting(&self, root: &str) -> Result<Shown, ClientError> {
        self.ask(&format!("--ca-cert {}", self.file(root).display()))
            .await
    }
}

/// Answers what comes over HTTP/2 with an empty list, one connection after the other.
async fn answer(socket: TcpListener, acceptor: TlsAcceptor) {
    let router = Router::new().fallback(|request: Request| async move {
        let version = request.version();
        assert_eq!(version, Version::HTTP_2, "both sides can do better than HTTP/1.1");
        Json(json!({ "items": [], "next_cursor": null }))
    });
    while let Ok((stream, _)) = socket.accept().await {
        match acceptor.accept(stream).into_fallible().await {
            Ok(stream) => {
                let service = TowerToHyperService::new(router.clone());
                let connection = Builder::new(TokioExecutor::new());
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            }
            // Closing with unread bytes would reset the connection, and the alert could be lost.
            Err((_, mut stream)) => while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {},
        }
    }
}

#[tokio::test]
async fn trusts_the_root_of_the_file() {
    let server = Server::start("localhost", false).await;
    let shown = server.ask_trusting("root.pem").await.unwrap();
    assert_eq!(shown.data.as_deref(), Some("ID  NAME  MEMBERS"));
}

#[tokio::test]
async fn trusts_nobody_else_even_under_the_same_name() {
    let server = Server::start("localhost", false).await;
    let error = server.ask_trusting("other.pem").await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted(_)), "{error:?}");
    assert!(
        error.to_string().contains("--ca-cert DIR/tls/root.pem"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test]
async fn without_a_file_the_system_decides() {
    let server = Server::start("localhost", false).await;
    let error = server.ask("").await.unwrap_err();
    // A machine without any trusted root says so instead.
    assert!(
        matches!(error, ClientError::Untrusted(_) | ClientError::SystemRoots(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let server = Server::start("mdm.example.com", false).await;
    let error = server.ask_trusting("root.pem").await.unwrap_err();
    assert!(matches!(error, ClientError::OtherName(_)), "{error:?}");
}

#[tokio::test]
async fn the_management_listener_is_recognized() {
    let server = Server::start("localhost", true).await;
    let error = server.ask_trusting("root.pem").await.unwrap_err();
    assert!(matches!(error, ClientError::DeviceListener(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let server = Server::start("localhost", false).await;
    fs::write(server.file("empty.pem"), "nothing here\n").unwrap();
    for file in ["empty.pem", "missing.pem"] {
        let error = server.ask_trusting(file).await.unwrap_err();
        assert!(matches!(error, ClientError::CaFile { .. }), "{error:?}");
    }
}
