//! A TLS listener: accepts, shakes hands under a time limit, hands the connection to an axum router, and ends in peace.

use axum::{Router, extract::ConnectInfo};
use http::{HeaderValue, Request, Response, Version, header::CONNECTION};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use qm_dm_endpoint::ClientCertificate;
use rustls::ServerConfig;
use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

const HANDSHAKE: Duration = Duration::from_secs(10);
const READ_HEADERS: Duration = Duration::from_secs(15);
const DRAIN: Duration = Duration::from_secs(15);
/// For how long a connection that was accepted may wait to ask its first question when the server stops.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// The queue of connections counts as empty when none came for so long.
const QUEUE_EMPTY: Duration = Duration::from_millis(20);
/// Clients that never cease to connect do not keep a server from stopping.
const QUEUE: Duration = Duration::from_secs(1);

/// How a server ends: first it sends connections elsewhere, then it accepts no more of them.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Replies carry `Connection: close`, so that the next message can go to another server.
    pub send_elsewhere: CancellationToken,
    /// No connection is accepted; those that are there end when their requests are answered.
    pub stop: CancellationToken,
}

/// Serves `router` until it is told to end; a changed configuration applies to new connections.
pub async fn serve(
    name: &'static str,
    socket: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    router: Router,
    ending: Ending,
) {
    let connections = TaskTracker::new();
    let admit = |stream, peer| {
        let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
        let (router, ending) = (router.clone(), ending.clone());
        connections.spawn(async move {
            match shake_hands(&acceptor, stream).await {
                Ok(stream) => serve_connection(stream, peer, router, ending).await,
                Err(error) => tracing::debug!(listener = name, %error, "TLS handshake failed"),
            }
        });
    };
    loop {
        tokio::select! {
            () = ending.stop.cancelled() => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => admit(stream, peer),
                Err(error) => refused(name, &error).await,
            },
        }
    }
    // The operating system has accepted those in the queue already; closing the socket would break them off.
    let _ = timeout(QUEUE, async {
        while let Ok(Ok((stream, peer))) = timeout(QUEUE_EMPTY, socket.accept()).await {
            admit(stream, peer);
        }
    })
    .await;
    drop(socket);
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(
            listener = name,
            "requests were still running at the end of the grace period"
        );
    }
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

async fn serve_connection(stream: TlsStream<TcpStream>, peer: SocketAddr, router: Router, ending: Ending) {
    let certificate = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let certificate = certificate.map(|der| ClientCertificate(Arc::from(der.as_ref())));
    let (asked, elsewhere) = (Arc::new(Notify::new()), ending.send_elsewhere);
    let note = Arc::clone(&asked);
    let service = tower::service_fn(move |mut request: Request<Incoming>| {
        note.notify_one();
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let (elsewhere, version) = (elsewhere.clone(), request.version());
        let answer = router.clone().oneshot(request);
        async move {
            answer
                .await
                .map(|response| last_here(response, version, &elsewhere))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_HEADERS);
    builder.http2().timer(TokioTimer::new());
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping(&ending.stop, &asked) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %peer.ip(), %error, "connection ended early");
    }
}

/// The server stops, and the connection had its chance to ask: an idle one would be closed under its first request.
async fn stopping(stop: &CancellationToken, asked: &Notify) {
    stop.cancelled().await;
    let _ = timeout(FIRST_REQUEST, asked.notified()).await;
}

/// Over HTTP/2 the connection's own goodbye says the same.
fn last_here<B>(mut response: Response<B>, version: Version, elsewhere: &CancellationToken) -> Response<B> {
    if version <= Version::HTTP_11 && elsewhere.is_cancelled() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}
