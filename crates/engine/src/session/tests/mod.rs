//! Messages and work for the tests of a session; the tests by subject.

mod chunks;
mod commands;
mod exchange;
mod housekeeping;

use super::*;
use qm_core::{DeviceId, Rng, Timestamp, command as custom};
use qm_syncml::{Alert, Command, Edit, Header, Item, Message, Meta, Results, Status, StatusCode};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn message(msg_id: u32, body: Vec<Command>) -> Message {
    let header = Header {
        ver_dtd: "1.2".into(),
        ver_proto: "DM/1.2".into(),
        session_id: "1E7".into(),
        msg_id,
        target: "https://mdm.fabrik.example/ManagementServer/Manage.svc".into(),
        source: "5C1E77A0".into(),
        ..Header::default()
    };
    Message {
        header,
        body,
        last: true,
    }
}

fn login(cmd_id: &str, state: &str) -> Command {
    let item = Item {
        meta: Meta {
            media_type: Some("com.microsoft/MDM/LoginStatus".into()),
            ..Meta::default()
        },
        data: Some(state.into()),
        ..Item::default()
    };
    Command::Alert(Alert {
        cmd_id: cmd_id.into(),
        code: 1224,
        items: vec![item],
    })
}

fn package_1(state: &str) -> Message {
    let dev_info = Item {
        source: Some("./DevInfo/Man".into()),
        data: Some(" Fabrik ".into()),
        ..Item::default()
    };
    message(
        1,
        vec![
            Command::Alert(Alert {
                cmd_id: "2".into(),
                code: 1201,
                items: vec![],
            }),
            login("3", state),
            Command::Replace(Edit {
                cmd_id: "4".into(),
                items: vec![dev_info],
                ..Edit::default()
            }),
        ],
    )
}

fn command(uri: &str, data: Option<String>) -> custom::Command {
    let rng = Rng::system();
    custom::Command {
        id: qm_core::CommandId::new(NOW, &rng),
        device_id: DeviceId::new(NOW, &rng),
        verb: Verb::Get,
        uri: uri.into(),
        format: None,
        media_type: None,
        data,
        state: custom::CommandState::Queued,
        status: None,
        results: vec![],
        created_at: NOW,
        attempts: 0,
        sent_at: None,
        finished_at: None,
        expires_at: NOW,
    }
}

fn work(custom: Vec<custom::Command>) -> Work {
    Work {
        custom,
        ..Work::default()
    }
}

fn status_of(cmd_ref: &str, msg_ref: u32, code: u16) -> Command {
    Command::Status(Status {
        cmd_id: "9".into(),
        msg_ref,
        cmd_ref: cmd_ref.into(),
        cmd: "Get".into(),
        code: StatusCode(code),
        ..Status::default()
    })
}

fn results(cmd_ref: &str, msg_ref: u32, item: Item) -> Command {
    Command::Results(Results {
        cmd_id: "10".into(),
        msg_ref: Some(msg_ref),
        cmd_ref: Some(cmd_ref.into()),
        items: vec![item],
        ..Results::default()
    })
}

fn value(uri: &str, data: &str) -> Item {
    Item {
        source: Some(uri.into()),
        data: Some(data.into()),
        ..Item::default()
    }
}

fn start(work: Work) -> Reply {
    let first = package_1("user");
    reply(
        &first.header,
        receive(Session::default(), &first),
        work,
        Budget::default(),
    )
}

fn names(message: &Message) -> Vec<(&str, &str)> {
    message.body.iter().map(|c| (c.name(), c.cmd_id())).collect()
}
