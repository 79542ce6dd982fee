//! Ports that stay with whoever asked for them.

use std::{io, net::SocketAddr};
use tokio::net::TcpSocket;

/// A port of the loopback interface that the system gives to nobody else, neither for a listener nor for an outgoing
/// connection, as long as this lives. It is bound and not listened on: a server may be started there, stopped and
/// started again.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: Option<TcpSocket>,
}

impl Port {
    /// A port that was free.
    pub fn hold() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        // Listeners of servers have this set too; only so may they share the address.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let number = socket.local_addr()?.port();
        // Other systems would refuse the server; there the port is only likely to be free.
        Ok(Self {
            number,
            _held: cfg!(target_os = "linux").then_some(socket),
        })
    }

    /// Three, one for each listener of a server.
    pub fn three() -> io::Result<[Self; 3]> {
        Ok([Self::hold()?, Self::hold()?, Self::hold()?])
    }

    /// Its number.
    pub const fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn a_server_comes_and_goes_at_a_port_that_is_held() {
        let port = Port::hold().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port.number()));
        for _ in 0..2 {
            let refused = TcpStream::connect(address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind(address).await.unwrap();
            TcpStream::connect(address).await.unwrap();
            drop(listener);
        }
    }

    #[test]
    fn a_port_that_is_held_is_given_to_nobody() {
        let held = Port::hold().unwrap();
        let plain = std::net::TcpListener::bind(("127.0.0.1", held.number()));
        assert!(plain.is_ok(), "a server may take it");
        let others: Vec<_> = (0..200).map(|_| Port::hold().unwrap().number()).collect();
        assert!(!others.contains(&held.number()), "{others:?}");
    }
}
