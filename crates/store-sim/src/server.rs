//! Plain HTTP/1.1 servers on the loopback interface that can also behave badly: close a connection instead of
//! answering on it, or halfway through an answer.

use axum::{Router, body::Body, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tower::ServiceExt;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server(JoinHandle<()>);

impl Server {
    pub(crate) fn start(listener: TcpListener, router: Router) -> Self {
        Self(tokio::spawn(accept(listener, router)))
    }

    /// Closes the listener and every connection.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }

    /// As [`Server::stop`], and waits until it is done.
    pub(crate) async fn stopped(mut self) {
        self.0.abort();
        // An aborted task ends with an error that says so.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A listener on 127.0.0.1 with its address; port 0 takes a free one.
pub(crate) async fn listen(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A response that is never sent: its connection closes.
pub(crate) fn no_answer() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(CloseInstead);
    response
}

/// Whether a response is one that is never sent.
pub(crate) fn is_no_answer(response: &Response) -> bool {
    response.extensions().get::<CloseInstead>().is_some()
}

/// A response that is never sent: its connection stays open until the client gives up.
pub(crate) fn never() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Silence);
    response
}

/// Whether a response is one that nobody lives to see.
pub(crate) fn is_never(response: &Response) -> bool {
    response.extensions().get::<Silence>().is_some()
}

/// A body without an end: a blank now and then, so that the connection is never idle for long.
pub(crate) fn endless_body() -> Body {
    Body::from_stream(stream::repeat(()).then(|()| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok::<_, Infallible>(Bytes::from_static(b" "))
    }))
}

/// A body that sends some bytes and then closes the connection.
pub(crate) fn broken_body(beginning: Bytes) -> Body {
    let end = async {
        // The beginning has to be on its way before the connection goes.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::Error::other(Closed))
    };
    Body::from_stream(stream::once(async { Ok(beginning) }).chain(stream::once(end)))
}

/// A body that halts halfway to ask whether it goes on.
pub(crate) fn halting_body(mut content: Bytes, goes_on: impl FnOnce() -> bool + Send + 'static) -> Body {
    let beginning = content.split_to(content.len() / 2);
    let rest = async move {
        // The beginning has to be on its way.
        tokio::time::sleep(Duration::from_millis(5)).await;
        if goes_on() {
            Ok(content)
        } else {
            Err(io::Error::other(Closed))
        }
    };
    Body::from_stream(stream::once(async { Ok(beginning) }).chain(stream::once(rest)))
}

/// Marks a response that is not to be sent.
#[derive(Debug, Clone)]
struct CloseInstead;

/// Marks a response that is never sent although the connection stays.
#[derive(Debug, Clone)]
struct Silence;

#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct Closed;

async fn accept(listener: TcpListener, router: Router) {
    // Dropping the set, when this task is aborted, closes the connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, router.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let answer = router.clone().oneshot(request.map(Body::new));
        async move {
            let response = answer.await.unwrap_or_else(|never: Infallible| match never {});
            if is_never(&response) {
                std::future::pending::<()>().await;
            }
            if is_no_answer(&response) {
                Err(Closed)
            } else {
                Ok(response)
            }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection ended early");
    }
}
