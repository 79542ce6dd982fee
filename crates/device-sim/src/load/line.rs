//! A connection that is opened by the caller's rules: HTTP/1.1 over TLS, nothing shared, nothing repeated.

use super::Failure;
use crate::{
    Device, SimError, Trigger,
    device::{Head, MAX_MESSAGE},
    http::{self, Answer},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{HOST, HeaderMap, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{client::Resumption, pki_types::ServerName};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

type Message = Request<Full<Bytes>>;
type Sender = SendRequest<Full<Bytes>>;

/// A device's way to the management service.
pub(super) struct Line {
    connector: TlsConnector,
    name: ServerName<'static>,
    address: SocketAddr,
    path: String,
    headers: HeaderMap,
    open: Option<Sender>,
}

impl Line {
    /// Of an enrolled device.
    pub(super) async fn of(device: &Device) -> Result<Self, SimError> {
        let (Head { url, mut headers }, identity) = device.line(Trigger::Schedule)?;
        let bad = || SimError::Address(url.to_string());
        let host = url.host_str().ok_or_else(bad)?;
        let port = url.port_or_known_default().ok_or_else(bad)?;
        let authority = HeaderValue::from_str(&format!("{host}:{port}")).map_err(|_| bad())?;
        headers.insert(HOST, authority);
        let mut tls = http::tls(device.options(), Some(identity))?;
        // Every connection is a full handshake: what a server does with tickets is not measured by chance.
        tls.resumption = Resumption::disabled();
        let known = &device.options().resolve;
        let address = match known.iter().find(|(name, _)| name == host) {
            Some((_, address)) => *address,
            None => resolve(host, port).await.ok_or_else(bad)?,
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(tls)),
            name: ServerName::try_from(host.to_owned()).map_err(|_| bad())?,
            address,
            path: format!("{}?{}", url.path(), url.query().unwrap_or_default()),
            headers,
            open: None,
        })
    }

    /// Sends the same messages to another server; its certificate has to be good for the same name.
    pub(super) fn redirect(&mut self, address: SocketAddr) {
        self.address = address;
        self.open = None;
    }

    /// Closes the connection, if there is one.
    pub(super) fn hang_up(&mut self) {
        self.open = None;
    }

    /// Sends a message on the open connection, or on a new one where there is none (any more).
    pub(super) async fn post(&mut self, message: Bytes) -> Result<Reply, Failure> {
        let mut request = Request::post(&self.path)
            .body(Full::new(message))
            .map_err(|_| SimError::Address(self.path.clone()))?;
        *request.headers_mut() = self.headers.clone();
        timeout(TIMEOUT, self.exchange(request))
            .await
            .unwrap_or(Err(Failure::Timeout))
    }

    async fn exchange(&mut self, request: Message) -> Result<Reply, Failure> {
        let (sender, answer) = match self.open.take() {
            Some(sender) => self.continue_on(sender, request).await?,
            None => self.begin(request).await?,
        };
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_MESSAGE).collect().await;
        let body = body.map_err(|_| SimError::TooLarge(MAX_MESSAGE))?.to_bytes();
        self.open = Some(sender);
        Ok(Reply(Response::from_parts(head, body)))
    }

    async fn begin(&self, request: Message) -> Result<(Sender, Response<Incoming>), Failure> {
        let mut sender = self.connect().await?;
        let answer = sender.send_request(request).await?;
        Ok((sender, answer))
    }

    /// A server may close a kept connection at any time; a message that did not leave goes out on a new one.
    async fn continue_on(
        &self,
        mut sender: Sender,
        request: Message,
    ) -> Result<(Sender, Response<Incoming>), Failure> {
        match sender.try_send_request(request).await {
            Ok(answer) => Ok((sender, answer)),
            Err(mut error) => match error.take_message() {
                Some(request) => self.begin(request).await,
                None => Err(error.into_error().into()),
            },
        }
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let stream = TcpStream::connect(self.address).await.map_err(Failure::Connect)?;
        stream.set_nodelay(true).map_err(Failure::Connect)?;
        let stream = self.connector.connect(self.name.clone(), stream).await;
        let stream = TokioIo::new(stream.map_err(Failure::Tls)?);
        let (sender, connection) = handshake(stream).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
        });
        Ok(sender)
    }
}

/// What came back.
pub(super) struct Reply(Response<Bytes>);

impl Reply {
    pub(super) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }
    pub(super) fn body(&self) -> &Bytes {
        self.0.body()
    }
    /// For the session's judgement.
    pub(super) fn answer(&self) -> Answer {
        Answer::new(self.0.status(), self.0.headers(), self.0.body().clone())
    }
}

async fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    let found: io::Result<_> = tokio::net::lookup_host((host, port)).await;
    found.ok()?.next()
}

const TIMEOUT: Duration = Duration::from_secs(30);
