//! Management sessions against the use cases, on both databases; the tests by subject.

mod access;
mod deployments;
mod enrolling;
mod messages;

use crate::admin::server::Server;
use qm_core::PageRequest;
use qm_enrollment::FaultKind;
use qm_orchestrator::{EnrollError, commands::Request, devices::Filter};
use qm_syncml::{Alert, Item, Meta};

async fn only_device(server: &Server) -> qm_core::device::Device {
    device_of(server, "mara@fabrik.example").await
}

async fn device_of(server: &Server, upn: &str) -> qm_core::device::Device {
    let filter = Filter {
        upn: Some(upn.to_owned()),
        ..Filter::default()
    };
    let page = server
        .orchestrator
        .devices(filter, PageRequest::first(10))
        .await
        .unwrap();
    page.items.into_iter().next().unwrap().device
}

fn get(uri: &str) -> Request {
    Request {
        verb: "get".into(),
        uri: uri.into(),
        ..Request::default()
    }
}

fn alert(code: u32, kind: &str, source: Option<&str>, data: &str) -> Alert {
    let item = Item {
        source: source.map(str::to_owned),
        meta: Meta {
            media_type: Some(kind.to_owned()),
            ..Meta::default()
        },
        data: Some(data.to_owned()),
        ..Item::default()
    };
    Alert {
        cmd_id: String::new(),
        code,
        items: vec![item],
    }
}

/// What the device is told.
pub fn told(error: EnrollError) -> FaultKind {
    match error {
        EnrollError::Refused(fault) => fault.kind,
        other => panic!("{other}"),
    }
}
