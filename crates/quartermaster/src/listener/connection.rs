//! One connection: handshake, requests, end.

use super::{Listener, connections::Ticket};
use axum::{body::Body, extract::ConnectInfo};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use qm_dm_endpoint::ClientCertificate;
use rustls::ServerConfig;
use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::{Service, ServiceExt as _};
use tower_http::timeout::TimeoutBody;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// The longest time between two parts of a request's body, where `limits.idle_seconds` is not shorter.
const BODY_STALL: Duration = Duration::from_secs(30);
/// How long a connection that was silent may take to end.
const LINGER: Duration = Duration::from_secs(1);
/// The most bytes of a request's header, and of a reply that waits to be sent.
const BUFFER: usize = 64 * 1024;
/// Requests at the same time on one HTTP/2 connection.
const STREAMS: u32 = 32;
/// The most bytes of the fields of an HTTP/2 request; what is longer gets 431.
const FIELDS: u32 = 16 * 1024;
/// Streams that a client may have opened and given up at once (rapid reset).
const RESETS: usize = 32;

/// Serves a connection from its first byte to its end.
pub async fn serve(
    listener: &Listener,
    tls: Arc<ServerConfig>,
    stream: TcpStream,
    peer: SocketAddr,
    ticket: Ticket,
) {
    let nothing_asked = Notify::new();
    let shaken = tokio::select! {
        shaken = shake_hands(tls, stream) => shaken,
        () = ticket.gives_way() => Err(io::ErrorKind::TimedOut.into()),
        () = listener.ending.stopping(&nothing_asked) => return,
    };
    match shaken {
        Ok(stream) => {
            ticket.handshake_done();
            tokio::select! {
                () = converse(listener, stream, peer, &ticket) => (),
                () = ticket.gives_way() => listener.gave_way(),
            }
        }
        Err(error) => listener.handshake_failed(peer, &error),
    }
}

async fn shake_hands(tls: Arc<ServerConfig>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}

/// Answers requests until the client goes, falls silent, or the server stops.
async fn converse(listener: &Listener, stream: TlsStream<TcpStream>, peer: SocketAddr, ticket: &Ticket) {
    let builder = http(&stream, listener.idle);
    let asked = Arc::new(Notify::new());
    let service = TowerToHyperService::new(service(listener, &stream, peer, ticket, &asked));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut end = pin!(async {
        tokio::select! {
            () = listener.ending.stopping(&asked) => super::DRAIN,
            () = ticket.activity.quiet_for(listener.idle) => LINGER,
        }
    });
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        time = end.as_mut() => {
            connection.as_mut().graceful_shutdown();
            let silent = async {
                sleep(time).await;
                // A request may have come at the last moment.
                ticket.activity.quiet_for(time).await;
            };
            tokio::select! {
                ended = connection => ended,
                () = silent => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(listener = listener.name, peer = %peer.ip(), %error, "connection ended early");
    }
}

/// The protocol is the one that was agreed on in the handshake: nobody is waited for to tell.
fn http(stream: &TlsStream<TcpStream>, idle: Duration) -> Builder<TokioExecutor> {
    let builder = Builder::new(TokioExecutor::new());
    let mut builder = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => builder.http2_only(),
        _ => builder.http1_only(),
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(FIELDS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .max_send_buf_size(BUFFER);
    builder
}

/// The router, with what it has to know of the connection.
fn service(
    listener: &Listener,
    stream: &TlsStream<TcpStream>,
    peer: SocketAddr,
    ticket: &Ticket,
    asked: &Arc<Notify>,
) -> impl Service<
    http::Request<Incoming>,
    Response = http::Response<super::activity::Reply<Body>>,
    Error = Infallible,
    Future = impl Future<Output = Result<http::Response<super::activity::Reply<Body>>, Infallible>> + Send,
> + Clone
+ Send
+ 'static {
    let leaf = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let certificate = leaf.map(|der| ClientCertificate(qm_pki::fingerprint(der)));
    let (router, ending) = (listener.router.clone(), listener.ending.clone());
    let (activity, asked) = (Arc::clone(&ticket.activity), Arc::clone(asked));
    let stall = listener.idle.min(BODY_STALL);
    tower::service_fn(move |request: http::Request<Incoming>| {
        asked.notify_one();
        let mut request = request.map(|body| Body::new(TimeoutBody::new(stall, body)));
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let (ending, version) = (ending.clone(), request.version());
        let (answer, answering) = (router.clone().oneshot(request), activity.answering());
        async move {
            let response = ending.last_here(answer.await?, version);
            Ok(response.map(|body| answering.reply(body)))
        }
    })
}
