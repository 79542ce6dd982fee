//! What stands before the servers: passes bytes on, tells a watcher, and breaks connections where the watcher says so.

use anyhow::Result;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::AbortHandle,
};

/// Which of the three listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Enrollment and package content.
    Enrollment,
    /// Management sessions.
    Management,
    /// The admin API.
    Admin,
}

/// What passes a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The server has got a piece of a request.
    Asked,
    /// The server has sent a piece of a reply; the client has not got it yet.
    Answering,
    /// The client has got a piece of a reply.
    Answered,
}

/// Sees what passes.
pub trait Watcher: Send + Sync {
    /// A piece passes; `false` breaks its connection off.
    fn passes(&self, listener: Listener, flow: Flow) -> bool;
}

/// A dumb load balancer on a loopback port: the next connection goes to the next server; one that cannot be reached is
/// left out.
pub struct Gate {
    address: SocketAddr,
    servers: Arc<Servers>,
    task: AbortHandle,
}

#[derive(Default)]
struct Servers {
    addresses: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

impl Servers {
    /// The servers in the order in which the next connection tries them.
    fn next(&self) -> Vec<SocketAddr> {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if !addresses.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len();
            addresses.rotate_left(turn);
        }
        addresses
    }

    async fn connect(&self) -> Option<TcpStream> {
        for address in self.next() {
            if let Ok(stream) = TcpStream::connect(address).await {
                return stream.set_nodelay(true).ok().map(|()| stream);
            }
        }
        None
    }
}

impl Gate {
    pub(super) async fn open(listener: Listener, watcher: Option<Arc<dyn Watcher>>) -> Result<Self> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let (address, servers) = (socket.local_addr()?, Arc::new(Servers::default()));
        let post = Post { listener, watcher };
        let task = tokio::spawn(accept(socket, Arc::clone(&servers), post)).abort_handle();
        Ok(Self {
            address,
            servers,
            task,
        })
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The address as clients write it, without a trailing slash.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port())
    }

    pub(super) fn lead_to(&self, servers: Vec<SocketAddr>) {
        *self
            .servers
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = servers;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Post {
    listener: Listener,
    watcher: Option<Arc<dyn Watcher>>,
}

impl Post {
    fn passes(&self, flow: Flow) -> bool {
        self.watcher
            .as_ref()
            .is_none_or(|watcher| watcher.passes(self.listener, flow))
    }
}

async fn accept(socket: TcpListener, servers: Arc<Servers>, post: Post) {
    while let Ok((client, _)) = socket.accept().await {
        let (servers, post) = (Arc::clone(&servers), post.clone());
        tokio::spawn(async move {
            // Who cannot be passed on finds the door shut.
            let Some(server) = servers.connect().await else {
                return;
            };
            let _ = client.set_nodelay(true);
            pass(client, server, &post).await;
        });
    }
}

/// Passes bytes both ways until one side is done or the watcher breaks it off.
async fn pass(client: TcpStream, server: TcpStream, post: &Post) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = requests(from_client, to_server, post) => {}
        () = replies(from_server, to_client, post) => {}
    }
}

/// Ends only when it was broken off: a client that has said all waits for its answer.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, post: &Post) {
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        if to.write_all(&piece[..read]).await.is_err() || !post.passes(Flow::Asked) {
            return;
        }
    }
    let _ = to.shutdown().await;
    std::future::pending::<()>().await;
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, post: &Post) {
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let passes = post.passes(Flow::Answering)
            && to.write_all(&piece[..read]).await.is_ok()
            && post.passes(Flow::Answered);
        if !passes {
            return;
        }
    }
    let _ = to.shutdown().await;
}

const PIECE: usize = 16 * 1024;
