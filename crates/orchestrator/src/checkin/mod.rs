//! One message of a management session: admit, understand, store, answer.
//!
//! An idle message reads once and writes nothing. Everything a device is told is committed before the reply leaves,
//! together with what its message taught us; a repeated message gets the stored reply.

mod admit;
mod facts;
pub(crate) mod lookup;
mod record;
pub(crate) mod shared;
mod turn;
mod unanswered;
mod work;

pub(crate) use unanswered::close;

use crate::{Orchestrator, access::digest_bytes};
use admit::{Progress, progress};
use bytes::Bytes;
use qm_core::{DeviceId, Sha256, Timestamp, device::Device};
use qm_db::{DbError, devices, devices::CheckIn};
use qm_engine::session::{Budget, Fact, Received, Reply, Session, Work, receive, reply};
use qm_syncml::{DecodeError, Encoding, Limits, Message, alert};
use std::sync::{Arc, OnceLock};

/// Why a message gets no SyncML answer.
#[derive(Debug, thiserror::Error)]
pub enum CheckInError {
    /// It is no SyncML.
    #[error("the message cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// The certificate belongs to no enrolled device.
    #[error("the certificate belongs to no enrolled device")]
    UnknownDevice,
    /// The message claims to come from another device.
    #[error("the message claims to come from another device than its certificate")]
    ForeignSource,
    /// The database is out of reach, perhaps for several messages at once.
    #[error(transparent)]
    Unavailable(Arc<DbError>),
}

impl From<DbError> for CheckInError {
    fn from(error: DbError) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl CheckInError {
    /// Whether others were in the way.
    fn is_contended(&self) -> bool {
        matches!(self, Self::Unavailable(error) if matches!(**error, DbError::Contended(_)))
    }
}

/// A message on its way through.
struct Incoming {
    message: Message,
    fingerprint: Sha256,
    body: Bytes,
    digest: OnceLock<Sha256>,
    encoding: Encoding,
    now: Timestamp,
}

impl Incoming {
    /// SHA-256 of its body. Only asked for where a session is stored, which an idle one never is.
    fn digest(&self) -> Sha256 {
        *self.digest.get_or_init(|| digest_bytes(&self.body))
    }

    fn caller(&self) -> devices::Caller<'_> {
        (&self.fingerprint, &self.message.header.session_id)
    }
}

/// A reply on its way out.
struct Answered {
    bytes: Vec<u8>,
    /// How many commands it has.
    commands: usize,
    /// Jobs were enqueued: the worker should look.
    jobs: bool,
}

impl Orchestrator {
    /// Answers one message in the encoding it came in. `fingerprint` is that of the certificate
    /// that the TLS handshake verified.
    pub async fn check_in(
        self: &Arc<Self>,
        fingerprint: Sha256,
        encoding: Encoding,
        body: Bytes,
    ) -> Result<Vec<u8>, CheckInError> {
        let incoming = Incoming {
            message: qm_syncml::decode(encoding, &body, &Limits::default())?,
            fingerprint,
            body,
            digest: OnceLock::new(),
            encoding,
            now: self.clock.now(),
        };
        let found = self.admitted(&incoming).await?;
        self.last_seen.note(found.device.id, incoming.now);
        match progress(found.session.as_ref(), &incoming) {
            Progress::Repeat(stored) => Ok(stored),
            Progress::Stale => Ok(Self::dismiss(&incoming)),
            Progress::Broken => Ok(Self::abort(&incoming)),
            Progress::Next(session) => self.go_on(&found, session, incoming).await,
        }
    }

    /// The quick way for a message that teaches nothing while nothing is due; else a turn in a shared transaction.
    async fn go_on(
        self: &Arc<Self>,
        found: &CheckIn,
        session: Session,
        incoming: Incoming,
    ) -> Result<Vec<u8>, CheckInError> {
        let device = found.device.id;
        let (session_id, msg_id) = (
            incoming.message.header.session_id.clone(),
            incoming.message.header.msg_id,
        );
        let received = receive(session, &incoming.message);
        let answered = if is_idle(found, &received, incoming.now) {
            Self::idle_answer(&incoming, received)
        } else {
            let span = tracing::Span::current();
            // In a box: every idle message would carry its size about.
            Box::pin(self.in_turn(shared::Waiting {
                device,
                incoming,
                span,
            }))
            .await?
        };
        log(device, &session_id, msg_id, answered.commands);
        if answered.jobs {
            self.wake.all();
        }
        Ok(answered.bytes)
    }

    fn idle_answer(incoming: &Incoming, received: Received) -> Answered {
        let (work, budget) = (Work::default(), Budget::default());
        let reply = reply(&incoming.message.header, received, work, budget);
        Answered {
            bytes: qm_syncml::encode(incoming.encoding, &reply.message),
            commands: reply.told.len(),
            jobs: false,
        }
    }

    /// Statuses only: for a message that was answered long ago.
    fn dismiss(incoming: &Incoming) -> Vec<u8> {
        qm_syncml::encode(incoming.encoding, &Self::empty_reply(incoming).message)
    }

    /// Ends a session whose messages contradict each other (alert 1223).
    fn abort(incoming: &Incoming) -> Vec<u8> {
        tracing::warn!(
            session.id = incoming.message.header.session_id,
            "session aborted: a message came twice with another content"
        );
        let header_only = Message {
            body: Vec::new(),
            ..incoming.message.clone()
        };
        let mut received = receive(Session::default(), &header_only);
        received.alert = Some(alert::SESSION_ABORT);
        let reply = reply(
            &incoming.message.header,
            received,
            Work::default(),
            Budget::default(),
        );
        qm_syncml::encode(incoming.encoding, &reply.message)
    }

    fn empty_reply(incoming: &Incoming) -> Reply {
        let mut received = receive(Session::default(), &incoming.message);
        received.may_command = false;
        reply(
            &incoming.message.header,
            received,
            Work::default(),
            Budget::default(),
        )
    }
}

fn log(device: DeviceId, session_id: &str, msg_id: u32, commands: usize) {
    metrics::counter!("device_messages_total").increment(1);
    metrics::counter!("device_commands_total").increment(commands as u64);
    tracing::info!(
        device.id = %device,
        session.id = session_id,
        message.id = msg_id,
        commands,
        "device checked in"
    );
}

/// Whether the message may be answered without a transaction: nothing learned that is not known, nothing due.
fn is_idle(found: &CheckIn, received: &Received, now: Timestamp) -> bool {
    let nothing_waits = found.session.is_none() && found.open_commands == 0 && found.live_targets == 0;
    let whole = received.alert.is_none() && received.session.is_idle();
    nothing_waits
        && whole
        && work::nothing_due(&found.device, &received.session, now)
        && nothing_new(&found.device, &received.facts)
}

/// Whether the facts are words without consequence and values that the device record has already.
fn nothing_new(device: &Device, facts: &[Fact]) -> bool {
    facts.iter().all(|fact| match fact {
        Fact::SignedIn(_) | Fact::OtherAlert { .. } => true,
        Fact::Inventory { uri, value } => record::knows(device, uri, value),
        _ => false,
    })
}
