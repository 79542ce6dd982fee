//! A device that calls in again and again, cheaply while there is nothing to say.

use super::{
    Failure,
    line::{Line, Reply},
    template::Template,
};
use crate::{Device, Ended, session::Next};
use bytes::Bytes;
use std::net::SocketAddr;

/// How a caller uses connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// One for each session, with a full handshake.
    New,
    /// One for all sessions of a device, as long as the server holds it.
    Kept,
}

/// An enrolled device that calls in.
pub struct Caller {
    device: Device,
    line: Line,
    connections: Connections,
    stand_in: bool,
    sessions: u16,
    idle: Option<Idle>,
    /// The last session that was one message: its id, the message and the answer.
    last: Option<(String, Bytes, Bytes)>,
}

/// What an idle session looks like.
struct Idle {
    request: Template,
    answer: Template,
}

/// What a session was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Called {
    /// Messages sent.
    pub messages: u64,
    /// Commands carried out.
    pub commands: u64,
}

impl Caller {
    /// Enrolls the device, if need be, and lets it call in until the server has learned all it wants to know.
    pub async fn prepare(mut device: Device, connections: Connections) -> Result<Self, Failure> {
        if !device.is_enrolled() {
            device.enroll().await?;
        }
        let mut caller = Self {
            line: Line::of(&device).await?,
            device,
            connections: Connections::Kept,
            stand_in: false,
            sessions: 0,
            idle: None,
            last: None,
        };
        for _ in 0..PREPARATIONS {
            if !caller.is_idle() {
                caller.call().await?;
            }
        }
        caller.connections = connections;
        caller.line.hang_up();
        Ok(caller)
    }

    /// Whether the device has nothing to tell, and knows what the server answers to that.
    pub fn is_idle(&self) -> bool {
        self.idle.is_some() && !self.device.is_busy()
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Changes how connections are used.
    pub fn connect(&mut self, connections: Connections) {
        self.connections = connections;
        self.line.hang_up();
    }

    /// Calls a stand-in for the server from now on, under the same name: its answers only have to be as long.
    pub fn redirect(&mut self, address: SocketAddr) {
        self.line.redirect(address);
        self.stand_in = true;
    }

    /// An idle session's message and its answer.
    pub fn specimen(&self) -> Option<(Bytes, Bytes)> {
        let idle = self.idle.as_ref()?;
        Some((idle.request.fill(SPECIMEN), idle.answer.fill(SPECIMEN)))
    }

    /// One session.
    pub async fn call(&mut self) -> Result<Called, Failure> {
        self.sessions = self.sessions.wrapping_add(1) % SESSIONS;
        // Four digits, so that messages keep their length.
        let id = format!("{:04X}", FIRST + self.sessions);
        let called = self.session(&id).await;
        if self.connections == Connections::New || called.is_err() {
            self.line.hang_up();
        }
        called
    }

    async fn session(&mut self, id: &str) -> Result<Called, Failure> {
        let Some(idle) = self.idle.as_ref().filter(|_| !self.device.is_busy()) else {
            return self.converse(id, None).await;
        };
        let reply = self.line.post(idle.request.fill(id)).await?;
        let known = if self.stand_in {
            idle.answer.is_as_long_as(reply.body())
        } else {
            idle.answer.is(id, reply.body())
        };
        if reply.status() == 200 && known {
            return Ok(Called {
                messages: 1,
                commands: 0,
            });
        }
        self.converse(id, Some(reply)).await
    }

    /// A session by all rules; `reply` is the answer to its first message where that was sent already.
    async fn converse(&mut self, id: &str, reply: Option<Reply>) -> Result<Called, Failure> {
        let alerts = self.device.due_alerts();
        let plain = alerts.is_empty();
        let broken = self.device.violations().len();
        let (mut session, request) = self.device.open(id, &alerts)?;
        let request = Bytes::from(request);
        let mut reply = match reply {
            Some(reply) => reply,
            None => self.line.post(request.clone()).await?,
        };
        let first = reply.body().clone();
        let ended = loop {
            match self.device.receive(&mut session, &reply.answer())? {
                Next::Send(next) => reply = self.line.post(next.into()).await?,
                Next::End(ended) => break ended,
            }
        };
        self.device.tick().await?;
        if let Some(violation) = self.device.violations().get(broken) {
            return Err(Failure::Violation(violation.rule));
        }
        match ended {
            Ended::Done if plain && session.report.messages == 1 => self.learn(id, request, first),
            Ended::Done => {}
            Ended::Refused(status) => return Err(Failure::Status(status)),
            other => return Err(Failure::Ended(other)),
        }
        Ok(Called {
            messages: session.report.messages.into(),
            commands: session.report.commands.len() as u64,
        })
    }

    /// Two idle sessions teach what all others look like.
    fn learn(&mut self, id: &str, request: Bytes, answer: Bytes) {
        if let Some((other, other_request, other_answer)) = &self.last {
            let request = Template::of((other, other_request), (id, &request));
            let answer = Template::of((other, other_answer), (id, &answer));
            self.idle = request
                .zip(answer)
                .map(|(request, answer)| Idle { request, answer });
        }
        self.last = Some((id.to_owned(), request, answer));
    }
}

/// Sessions that a device may take before it has nothing more to say.
const PREPARATIONS: u32 = 8;
/// Session ids go from `1000` to `FFFF`.
const FIRST: u16 = 0x1000;
const SESSIONS: u16 = 0xF000;
const SPECIMEN: &str = "1000";
