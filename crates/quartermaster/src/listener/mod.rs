//! A TLS listener: accepts as many connections as there is room for, shakes hands, hands requests to an axum router.
//!
//! [`connections`] says who has a place, [`activity`] when a connection does something worth it, [`connection`] serves
//! one. Each listener has places of its own: a flood on one does not close the others.

mod activity;
mod connection;
mod connections;
mod ending;

pub use connections::Capacity;
pub use ending::Ending;

use axum::Router;
use connections::{Connections, Room, Ticket};
use qm_core::{ClientNetwork, Clock, FailureLimit};
use rustls::ServerConfig;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

const DRAIN: Duration = Duration::from_secs(15);
/// The queue of connections counts as empty when none came for so long.
const QUEUE_EMPTY: Duration = Duration::from_millis(20);
/// Clients that never cease to connect do not keep a server from stopping.
const QUEUE: Duration = Duration::from_secs(1);
/// How many failures of one address, for one reason, are logged in ten minutes; all are counted.
const LOGGED: u32 = 5;

/// A listener and what its connections share.
pub struct Listener {
    name: &'static str,
    router: Router,
    idle: Duration,
    ending: Ending,
    connections: Arc<Connections>,
    clock: Clock,
    logged: FailureLimit<(&'static str, ClientNetwork)>,
}

impl Listener {
    /// Connections that say nothing for `idle` are closed.
    pub fn new(
        name: &'static str,
        router: Router,
        capacity: Capacity,
        idle: Duration,
        clock: Clock,
        ending: Ending,
    ) -> Self {
        Self {
            name,
            router,
            idle,
            ending,
            connections: Connections::new(capacity),
            clock,
            logged: FailureLimit::new(LOGGED, Duration::from_mins(10)),
        }
    }

    /// Accepts until told to stop, then lets requests in progress finish. A changed TLS configuration applies to new
    /// connections.
    pub async fn serve(self, socket: TcpListener, tls: watch::Receiver<Arc<ServerConfig>>) {
        let (listener, tasks) = (Arc::new(self), TaskTracker::new());
        let begin = |(stream, peer, ticket)| {
            let (listener, tls) = (Arc::clone(&listener), Arc::clone(&tls.borrow()));
            tasks.spawn(async move {
                listener.show_count();
                connection::serve(&listener, tls, stream, peer, ticket).await;
                listener.show_count();
            });
        };
        let stopping = listener.ending.stop.clone();
        while let Some(next) = stopping.run_until_cancelled(listener.next(&socket)).await {
            begin(next);
        }
        // The operating system has accepted those in the queue already; closing the socket would break them off.
        let _ = timeout(QUEUE, async {
            while let Ok(next) = timeout(QUEUE_EMPTY, listener.next(&socket)).await {
                begin(next);
            }
        })
        .await;
        drop(socket);
        tasks.close();
        if timeout(DRAIN, tasks.wait()).await.is_err() {
            let listener = listener.name;
            tracing::warn!(
                listener,
                "requests were still running at the end of the grace period"
            );
        }
    }

    /// The next connection that there is room for.
    async fn next(&self, socket: &TcpListener) -> (TcpStream, SocketAddr, Ticket) {
        loop {
            match socket.accept().await {
                Ok((stream, peer)) => {
                    if let Some(ticket) = self.place(peer).await {
                        return (stream, peer, ticket);
                    }
                }
                Err(error) => self.not_accepted(&error).await,
            }
        }
    }

    async fn place(&self, peer: SocketAddr) -> Option<Ticket> {
        loop {
            match self.connections.enter(peer.ip().into()) {
                Room::Taken(ticket) => return Some(ticket),
                Room::Refused => {
                    self.refused(peer);
                    return None;
                }
                // Meanwhile the others wait in the socket's queue.
                Room::Wait(most) => tokio::select! {
                    () = self.connections.one_left() => (),
                    () = sleep(most) => (),
                },
            }
        }
    }

    fn show_count(&self) {
        let open = u32::try_from(self.connections.count()).unwrap_or(u32::MAX);
        metrics::gauge!("connections_open", "listener" => self.name).set(open);
    }

    /// Out of descriptors, most likely: connections that end free some.
    async fn not_accepted(&self, error: &io::Error) {
        metrics::counter!("connections_refused_total", "listener" => self.name, "reason" => "accept")
            .increment(1);
        let everybody = ClientNetwork::from(std::net::IpAddr::from([0; 4]));
        if self.worth_a_line("accept", everybody) {
            tracing::warn!(listener = self.name, %error, "could not accept a connection");
        }
        sleep(Duration::from_millis(50)).await;
    }

    fn refused(&self, peer: SocketAddr) {
        metrics::counter!("connections_refused_total", "listener" => self.name, "reason" => "address")
            .increment(1);
        if self.worth_a_line("address", peer.ip().into()) {
            let (listener, peer) = (self.name, peer.ip());
            tracing::warn!(listener, %peer, "connection refused: this address has limits.connections_per_address of them");
        }
    }

    fn gave_way(&self) {
        metrics::counter!("connections_refused_total", "listener" => self.name, "reason" => "gave_way")
            .increment(1);
    }

    fn handshake_failed(&self, peer: SocketAddr, error: &io::Error) {
        let reason = why_handshake_failed(error);
        metrics::counter!("tls_handshakes_failed_total", "listener" => self.name, "reason" => reason)
            .increment(1);
        let (listener, peer) = (self.name, peer.ip());
        if reason == "client_certificate" && self.worth_a_line(reason, peer.into()) {
            tracing::warn!(listener, %peer, %error, "client certificate refused");
        } else {
            tracing::debug!(listener, %peer, reason, %error, "TLS handshake failed");
        }
    }

    fn worth_a_line(&self, reason: &'static str, network: ClientNetwork) -> bool {
        let (key, now) = ((reason, network), self.clock.now());
        let first = self.logged.wait(&key, now).is_none();
        if first {
            self.logged.failed(&key, now);
        }
        first
    }
}

fn why_handshake_failed(error: &io::Error) -> &'static str {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => "client_certificate",
        (Some(_), _) => "protocol",
        (None, io::ErrorKind::TimedOut) => "time",
        (None, _) => "connection",
    }
}
