//! A way to a server that a test can cut: at once, at a commit, or so that nothing comes through any more.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What happens to what goes along the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Everything comes through.
    Open,
    /// Connections are closed, those to come too.
    Closed,
    /// Connections stay, but nothing comes through: the host has vanished.
    Silent,
    /// A commit reaches the server; its answer and the connection are lost. Then the way is open again.
    AtCommit,
    /// The same with each commit, until the way is set otherwise.
    AtEachCommit,
}

/// A listener that passes connections on to a server.
pub struct Way {
    address: SocketAddr,
    cut: Arc<watch::Sender<Cut>>,
    lost: Arc<AtomicUsize>,
}

/// What the connections of a way share.
#[derive(Clone)]
struct Shared {
    cut: Arc<watch::Sender<Cut>>,
    lost: Arc<AtomicUsize>,
}

impl Way {
    /// A way to a server on the loopback interface.
    pub async fn to(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Shared {
            cut: Arc::new(watch::Sender::new(Cut::Open)),
            lost: Arc::default(),
        };
        tokio::spawn(pass_on(listener, port, shared.clone()));
        let Shared { cut, lost } = shared;
        Ok(Self { address, cut, lost })
    }

    /// Where clients reach the server by this way.
    pub fn url(&self) -> String {
        crate::cluster::url(self.address.port())
    }

    /// What happens from now on.
    pub fn set(&self, cut: Cut) {
        self.cut.send_replace(cut);
    }

    /// What happens at the moment; after a cut at a commit, the way is open again.
    pub fn cut(&self) -> Cut {
        *self.cut.borrow()
    }

    /// How many commits lost their answer so far.
    pub fn lost_commits(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn pass_on(listener: TcpListener, port: u16, shared: Shared) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.cut.borrow() != Cut::Closed {
            tokio::spawn(connect(client, port, shared.clone()));
        }
    }
}

/// Ends as soon as either direction does.
async fn connect(client: TcpStream, port: u16, shared: Shared) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let deaf = AtomicBool::new(false);
    tokio::select! {
        () = requests(from_client, to_server, &shared, &deaf) => {}
        () = replies(from_server, to_client, &shared.cut, &deaf) => {}
        () = closed(&shared.cut) => {}
    }
}

async fn closed(cut: &watch::Sender<Cut>) {
    // The sender lives as long as we hold it.
    let _ = cut.subscribe().wait_for(|cut| *cut == Cut::Closed).await;
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    Shared { cut, lost }: &Shared,
    deaf: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let wanted = matches!(*cut.borrow(), Cut::AtCommit | Cut::AtEachCommit);
        let at_commit = wanted && is_commit(bytes);
        if at_commit {
            deaf.store(true, Ordering::SeqCst);
        }
        if is_lost(cut).await || to.write_all(bytes).await.is_err() {
            return;
        }
        if at_commit {
            lost.fetch_add(1, Ordering::SeqCst);
            cut.send_if_modified(|cut| {
                let once = *cut == Cut::AtCommit;
                if once {
                    *cut = Cut::Open;
                }
                once
            });
            // The server carries out what it was told, then closes: that ends the other direction.
            let _ = to.shutdown().await;
            return std::future::pending().await;
        }
    }
}

async fn replies(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    cut: &watch::Sender<Cut>,
    deaf: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if deaf.load(Ordering::SeqCst) {
            continue;
        }
        if is_lost(cut).await || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// On a silent way waits for its end; what was said meanwhile is lost for good.
async fn is_lost(cut: &watch::Sender<Cut>) -> bool {
    let silent = *cut.borrow() == Cut::Silent;
    if silent {
        let _ = cut.subscribe().wait_for(|cut| *cut != Cut::Silent).await;
    }
    silent
}

/// A simple query of the frontend/backend protocol: `Q`, its length, the text, a NUL.
fn is_commit(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'Q') && bytes.get(5..).is_some_and(|text| text.starts_with(b"COMMIT"))
}
