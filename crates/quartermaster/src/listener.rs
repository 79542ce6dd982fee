//! A TLS listener: accepts, shakes hands under a time limit, hands the connection to an axum router.

use axum::{Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use qm_dm_endpoint::ClientCertificate;
use rustls::ServerConfig;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const HANDSHAKE: Duration = Duration::from_secs(10);
const READ_HEADERS: Duration = Duration::from_secs(15);
const DRAIN: Duration = Duration::from_secs(20);

/// Serves `router` until `stop`; a changed configuration applies to new connections.
pub async fn serve(
    name: &'static str,
    socket: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    router: Router,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = socket.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    refused(name, &error).await;
                    continue;
                }
            },
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
        let (router, watcher) = (router.clone(), graceful.watcher());
        tokio::spawn(async move {
            match shake_hands(&acceptor, stream).await {
                Ok(stream) => serve_connection(stream, peer, router, watcher).await,
                Err(error) => tracing::debug!(listener = name, %error, "TLS handshake failed"),
            }
        });
    }
    drop(socket);
    drain(name, graceful).await;
}

async fn refused(name: &'static str, error: &io::Error) {
    tracing::warn!(listener = name, %error, "could not accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn shake_hands(acceptor: &TlsAcceptor, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    timeout(HANDSHAKE, acceptor.accept(stream))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}

async fn serve_connection(stream: TlsStream<TcpStream>, peer: SocketAddr, router: Router, watcher: Watcher) {
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let certificate = certificate.map(|der| ClientCertificate(Arc::from(der.as_ref())));
    let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_HEADERS);
    builder.http2().timer(TokioTimer::new());
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(peer = %peer.ip(), %error, "connection ended early");
    }
}

/// Lets requests in progress finish.
async fn drain(name: &'static str, graceful: GracefulShutdown) {
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            listener = name,
            "requests were still running at the end of the grace period"
        );
    }
}
