//! One message of a management session: admit, understand, store, answer.
//!
//! An idle message reads once and writes nothing. Everything a device is told is committed before the reply leaves,
//! together with what its message taught us; a repeated message gets the stored reply.

mod admit;
mod facts;
mod unanswered;
mod work;

pub(crate) use unanswered::close;

use crate::{Orchestrator, access::digest_bytes, exchanges::masked};
use admit::{Progress, admit, progress, stored_state};
use facts::Visit;
use qm_core::{ExchangeId, SessionRowId, Sha256, Timestamp, session::SessionRow};
use qm_db::{
    DbError, Tx, commands, devices, devices::CheckIn, exchanges, exchanges::Exchange, run, sessions,
};
use qm_engine::session::{
    Budget, Fact, MAX_COMMAND_ATTEMPTS, Purpose, Received, Reply, Session, Work, receive, reply,
};
use qm_syncml::{DecodeError, Encoding, Limits, Message, alert};

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
    /// The database is out of reach.
    #[error(transparent)]
    Unavailable(#[from] DbError),
}

/// A message on its way through.
struct Incoming<'a> {
    message: &'a Message,
    digest: Sha256,
    encoding: Encoding,
    now: Timestamp,
}

impl Orchestrator {
    /// Answers one message in the encoding it came in. `certificate` is the DER that the TLS handshake verified.
    pub async fn check_in(
        &self,
        certificate: &[u8],
        encoding: Encoding,
        body: &[u8],
    ) -> Result<Vec<u8>, CheckInError> {
        let message = qm_syncml::decode(encoding, body, &Limits::default())?;
        let incoming = Incoming {
            message: &message,
            digest: digest_bytes(body),
            encoding,
            now: self.clock.now(),
        };
        let fingerprint = qm_pki::fingerprint(certificate);
        let mut conn = self.db.read().await?;
        let found = devices::check_in(&mut conn, &fingerprint, &message.header.session_id).await?;
        let found = admit(&mut conn, found, &incoming).await?;
        drop(conn);
        self.last_seen.note(found.device.id, incoming.now);
        match progress(found.session.as_ref(), &incoming) {
            Progress::Repeat(stored) => Ok(stored),
            Progress::Stale => Ok(Self::dismiss(&incoming)),
            Progress::Broken => Ok(Self::abort(&incoming)),
            Progress::Next(session) => self.go_on(found, session, &incoming).await,
        }
    }

    /// The quick way for a message that teaches nothing while nothing is due; else the transaction.
    async fn go_on(
        &self,
        found: CheckIn,
        session: Session,
        incoming: &Incoming<'_>,
    ) -> Result<Vec<u8>, CheckInError> {
        let received = receive(session.clone(), incoming.message);
        if is_idle(&found, &received, incoming.now) {
            let reply = reply(
                &incoming.message.header,
                received,
                Work::default(),
                Budget::default(),
            );
            Self::log(&found, incoming, &reply);
            return Ok(qm_syncml::encode(incoming.encoding, &reply.message));
        }
        let done: Result<(Reply, Vec<u8>, bool), CheckInError> = run!(self.db, "device.check_in", |tx| {
            self.work_through(tx, &found, session.clone(), incoming).await
        });
        let (reply, bytes, jobs) = done?;
        Self::log(&found, incoming, &reply);
        if jobs {
            self.wake.all();
        }
        Ok(bytes)
    }

    async fn work_through(
        &self,
        tx: &mut Tx,
        found: &CheckIn,
        session: Session,
        incoming: &Incoming<'_>,
    ) -> Result<(Reply, Vec<u8>, bool), CheckInError> {
        let Some(session) = latest(tx, found, session, incoming).await? else {
            // Another connection answered this very message meanwhile.
            let stored = sessions::find(tx, found.device.id, &incoming.message.header.session_id).await?;
            let bytes = stored.map(|row| row.response).unwrap_or_default();
            return Ok((Self::empty_reply(incoming), bytes, false));
        };
        if incoming.message.header.msg_id == 1 {
            // Nothing refers to what the session with this id had sent any more.
            let given_up = found.session.as_ref().map(stored_state).unwrap_or_default();
            close(tx, &given_up.sent, incoming.now).await?;
            commands::requeue_unanswered(tx, found.device.id, MAX_COMMAND_ATTEMPTS, incoming.now).await?;
        }
        let received = receive(session, incoming.message);
        let mut visit = Visit::begin(self, tx, found, received.session.clone(), incoming).await?;
        visit.apply(tx, &received.facts).await?;
        let due = if received.may_command {
            visit.work(tx).await?
        } else {
            Work::default()
        };
        let received = Received {
            session: visit.session.clone(),
            ..received
        };
        let reply = reply(&incoming.message.header, received, due, Budget::default());
        visit.told(tx, &reply.told).await?;
        visit.finish(tx).await?;
        let bytes = qm_syncml::encode(incoming.encoding, &reply.message);
        self.remember(tx, found, incoming, &reply, &bytes).await?;
        Ok((reply, bytes, visit.jobs))
    }

    /// Stores the session and the exchange.
    async fn remember(
        &self,
        tx: &mut Tx,
        found: &CheckIn,
        incoming: &Incoming<'_>,
        reply: &Reply,
        bytes: &[u8],
    ) -> Result<(), DbError> {
        let header = &incoming.message.header;
        let row = SessionRow {
            id: found
                .session
                .as_ref()
                .map_or_else(|| SessionRowId::new(incoming.now, &self.rng), |row| row.id),
            device_id: found.device.id,
            session_id: header.session_id.clone(),
            last_msg_id: i64::from(header.msg_id),
            request_digest: incoming.digest,
            opened_digest: match header.msg_id {
                1 => Some(incoming.digest),
                _ => found.session.as_ref().and_then(|row| row.opened_digest),
            },
            response: bytes.to_vec(),
            state: serde_json::to_string(&reply.session).unwrap_or_default(),
            updated_at: incoming.now,
        };
        sessions::upsert(tx, &row).await?;
        if header.msg_id == 1 {
            exchanges::trim(tx, &[found.device.id], self.settings.exchanges_per_device).await?;
        }
        let exchange = Exchange {
            id: ExchangeId::new(incoming.now, &self.rng),
            device_id: found.device.id,
            session_id: header.session_id.clone(),
            msg_id: i64::from(header.msg_id),
            request: masked(incoming.message),
            response: masked(&reply.message),
            at: incoming.now,
        };
        exchanges::insert(tx, &[exchange]).await
    }

    /// Statuses only: for a message that was answered long ago.
    fn dismiss(incoming: &Incoming<'_>) -> Vec<u8> {
        qm_syncml::encode(incoming.encoding, &Self::empty_reply(incoming).message)
    }

    /// Ends a session whose messages contradict each other (alert 1223).
    fn abort(incoming: &Incoming<'_>) -> Vec<u8> {
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

    fn empty_reply(incoming: &Incoming<'_>) -> Reply {
        let mut received = receive(Session::default(), incoming.message);
        received.may_command = false;
        reply(
            &incoming.message.header,
            received,
            Work::default(),
            Budget::default(),
        )
    }

    fn log(found: &CheckIn, incoming: &Incoming<'_>, reply: &Reply) {
        let header = &incoming.message.header;
        metrics::counter!("device_messages_total").increment(1);
        metrics::counter!("device_commands_total").increment(reply.told.len() as u64);
        tracing::info!(
            device.id = %found.device.id,
            session.id = header.session_id,
            message.id = header.msg_id,
            commands = reply.told.len(),
            "device checked in"
        );
    }
}

/// Whether the message may be answered without a transaction: nothing learned that is not known, nothing due.
fn is_idle(found: &CheckIn, received: &Received, now: Timestamp) -> bool {
    let nothing_waits = found.session.is_none() && found.open_commands == 0 && found.live_targets == 0;
    let whole = received.alert.is_none() && received.session.is_idle();
    nothing_waits
        && whole
        && work::nothing_due(&found.device, &received.session, now)
        && received.facts.iter().all(|fact| is_known(found, fact))
}

fn is_known(found: &CheckIn, fact: &Fact) -> bool {
    match fact {
        Fact::SignedIn(_) | Fact::OtherAlert { .. } => true,
        Fact::Inventory { uri, value } => facts::knows(&found.device, uri, value),
        _ => false,
    }
}

/// The session as stored now: another message of it may have been answered since it was read. `None` where that was
/// this very message.
async fn latest(
    tx: &mut Tx,
    found: &CheckIn,
    session: Session,
    incoming: &Incoming<'_>,
) -> Result<Option<Session>, DbError> {
    devices::lock(tx, found.device.id).await?;
    let header = &incoming.message.header;
    let stored = sessions::find(tx, found.device.id, &header.session_id).await?;
    let unchanged = stored
        .as_ref()
        .map(|row| (row.id, row.last_msg_id, row.request_digest))
        == found
            .session
            .as_ref()
            .map(|row| (row.id, row.last_msg_id, row.request_digest));
    if unchanged {
        return Ok(Some(session));
    }
    Ok(match progress(stored.as_ref(), incoming) {
        Progress::Next(session) => Some(session),
        _ => None,
    })
}

impl Visit<'_> {
    /// Marks what the reply tells the device.
    async fn told(&mut self, tx: &mut Tx, told: &[Purpose]) -> Result<(), DbError> {
        let custom: Vec<_> = told
            .iter()
            .filter_map(|purpose| match purpose {
                Purpose::Custom { id } => Some(*id),
                _ => None,
            })
            .collect();
        if !custom.is_empty() {
            commands::mark_sent(tx, &custom, self.now).await?;
        }
        self.mark_targets_sent(tx, told).await
    }
}
