//! The floor: a bare axum handler behind the mutual TLS of an installation. It reads the message and answers as many
//! bytes as the server would.
#![expect(clippy::print_stdout, reason = "`ready` is how its starter knows")]

use anyhow::{Context as _, Result};
use axum::{Router, body::Bytes, routing::post};
use http::{HeaderValue, header::CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use quartermaster::{
    config::Config,
    tls::{ListenerTls, certificates, provider},
};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// `null-server CONFIG ADDRESS BYTES`
#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, address, bytes] = arguments.as_slice() else {
        anyhow::bail!("usage: null-server CONFIG ADDRESS BYTES");
    };
    let config = Config::load(Path::new(config))?;
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    let router = handler(bytes.parse()?);
    let tls = TlsAcceptor::from(tls(&config)?);
    println!("ready");
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(tls.clone(), stream, router.clone()));
    }
}

/// What the management listener uses.
fn tls(config: &Config) -> Result<Arc<rustls::ServerConfig>> {
    let ca = certificates(&config.path(&config.keys.device_ca))?;
    let verifier = qm_pki::client_verifier(provider(), &ca)?;
    let tls = ListenerTls::load(config, verifier).context("the installation's TLS")?;
    Ok(Arc::clone(&tls.management().borrow()))
}

fn handler(bytes: usize) -> Router {
    let answer = Bytes::from(vec![b'.'; bytes]);
    let media_type = HeaderValue::from_static("application/vnd.syncml.dm+xml");
    let answer = move |_: Bytes| async move { ([(CONTENT_TYPE, media_type)], answer) };
    Router::new().route("/{*path}", post(answer))
}

async fn serve(tls: TlsAcceptor, stream: TcpStream, router: Router) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(tls.accept(stream).await?);
    let service = TowerToHyperService::new(router);
    Ok(http1::Builder::new().serve_connection(stream, service).await?)
}
