//! A management session with a device that says anything.

use crate::syncml::written_and_read;
use qm_core::{CommandId, DeviceId, Rng, Timestamp, command};
use qm_csp::device_management::dmclient_settings;
use qm_engine::session::{Budget, Received, Session, Work, receive, reply};
use qm_syncml::{Encoding, Header, Limits, Message, decode};

/// The device's next message after it got commands of every kind; the message arrives twice.
pub fn session(input: &[u8]) {
    let Ok(message) = decode(Encoding::Xml, input, &Limits::default()) else {
        return;
    };
    let told = exchange(Session::default(), &first_message(), work());
    assert!(!told.session.sent.is_empty(), "there is something to answer");
    let once = exchange(told.session, &message, Work::default());
    exchange(once.session, &message, work());
}

fn first_message() -> Message {
    Message {
        header: Header::new("3C", 1, "https://mdm.example", "urn:uuid:5c1e77a0"),
        body: Vec::new(),
        last: true,
    }
}

fn exchange(session: Session, message: &Message, work: Work) -> qm_engine::session::Reply {
    let waiting = session.sent.len();
    let received = receive(session, message);
    check_received(&received, message, waiting);
    let reply = reply(&message.header, received, work, Budget::default());
    assert_eq!(
        written_and_read(Encoding::Xml, &reply.message).header.msg_id,
        reply.message.header.msg_id
    );
    written_and_read(Encoding::Wbxml, &reply.message);
    assert_eq!(
        stored(&reply.session),
        reply.session,
        "a session survives the database"
    );
    reply
}

fn check_received(received: &Received, message: &Message, waiting: usize) {
    let chunks = items(message);
    assert!(
        received.statuses.len() <= 1 + message.body.len() + chunks,
        "no more statuses are owed than commands came"
    );
    assert!(received.session.sent.len() <= waiting, "receiving sends nothing");
    assert_eq!(
        received.statuses.first().map(|status| status.cmd_ref.as_str()),
        Some("0"),
        "the header is answered first"
    );
}

fn items(message: &Message) -> usize {
    message.body.iter().map(|command| command.items().len()).sum()
}

fn stored(session: &Session) -> Session {
    let text = serde_json::to_string(session).expect("a session can be stored");
    serde_json::from_str(&text).expect("a stored session can be read")
}

/// Inventory, settings, app inventories and two commands of an administrator.
fn work() -> Work {
    let rng = Rng::seeded(7);
    let device_id = DeviceId::new(NOW, &rng);
    let custom = |uri: &str, data: Option<&str>| command::Command {
        id: CommandId::new(NOW, &rng),
        device_id,
        verb: if data.is_some() {
            command::Verb::Replace
        } else {
            command::Verb::Get
        },
        uri: uri.to_owned(),
        format: None,
        media_type: None,
        data: data.map(str::to_owned),
        state: command::CommandState::Queued,
        status: None,
        results: Vec::new(),
        created_at: NOW,
        expires_at: NOW,
        attempts: 0,
        sent_at: None,
        finished_at: None,
    };
    Work {
        inventory: true,
        settings: dmclient_settings(device_id, Some("5.0")),
        apps: vec![qm_core::deployment::Context::Device],
        custom: vec![
            custom("./Vendor/MSFT/Probe", None),
            custom("./Vendor/MSFT/Probe", Some("1")),
        ],
        ..Work::default()
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
