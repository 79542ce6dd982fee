//! A device without a network: it enrolls and calls in through the use cases, in SyncML's tree.

use crate::admin::server::Server;
use qm_core::{Secret, deployment::Context};
use qm_enrollment::{ContextItems, Credential, RequestSecurityToken, TokenRequest};
use qm_orchestrator::{checkin::CheckInError, tokens::NewToken};
use qm_syncml::{
    Alert, Command, Edit, Encoding, Header, Item, Limits, Message, Meta, Results, Status, StatusCode,
};
use std::{collections::BTreeMap, time::Duration};

/// What a device does with a command: a status, and the items of a Get.
pub type Answer = (u16, Vec<Item>);

/// A device and what it keeps between sessions.
pub struct TestDevice {
    pub certificate: Vec<u8>,
    pub dm_id: String,
    pub signed_in: &'static str,
    pub session: u32,
    /// Apps by context and family name.
    pub apps: BTreeMap<(Context, String), String>,
    /// Every command carried out: verb, node, data.
    pub done: Vec<(String, String, String)>,
    /// Statuses to give instead of success, by part of the node.
    pub refuse: Vec<(&'static str, u16)>,
    /// Messages of the last session, both ways.
    pub wire: Vec<(Message, Message)>,
    query: BTreeMap<Context, String>,
}

/// A token of one user.
pub async fn token(server: &Server, upn: &str) -> String {
    let wanted = NewToken {
        upn: upn.to_owned(),
        max_uses: 1,
        expires_in: Duration::from_hours(1),
    };
    server
        .orchestrator
        .create_enrollment_token(&server.caller, wanted)
        .await
        .unwrap()
        .1
        .into_inner()
}

/// A request to enroll with a fresh key.
pub fn request(upn: &str, token: &str, dm_id: &str) -> RequestSecurityToken {
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    RequestSecurityToken {
        message_id: None,
        credential: Credential::Username {
            username: upn.to_owned(),
            password: Secret::new(token.to_owned()),
        },
        request: TokenRequest::Issue {
            pkcs10: csr.der().to_vec(),
            device_id: dm_id.to_owned(),
        },
        context: ContextItems::default(),
    }
}

impl TestDevice {
    /// Enrolls a new device.
    pub async fn enroll(server: &Server, upn: &str, dm_id: &str) -> Self {
        let token = token(server, upn).await;
        let document = server
            .orchestrator
            .enroll(&request(upn, &token, dm_id), None)
            .await
            .unwrap();
        Self {
            certificate: client_certificate(document.expose()),
            dm_id: dm_id.to_owned(),
            signed_in: "user",
            session: 0,
            apps: BTreeMap::new(),
            done: Vec::new(),
            refuse: Vec::new(),
            wire: Vec::new(),
            query: BTreeMap::new(),
        }
    }

    /// Package 1, with alerts of the device's own.
    pub fn first(&self, alerts: Vec<Alert>) -> Message {
        let login = Item {
            meta: Meta {
                media_type: Some("com.microsoft/MDM/LoginStatus".into()),
                ..Meta::default()
            },
            data: Some(self.signed_in.into()),
            ..Item::default()
        };
        let mut body = vec![
            Command::Alert(Alert {
                cmd_id: "2".into(),
                code: 1201,
                items: vec![],
            }),
            Command::Alert(Alert {
                cmd_id: "3".into(),
                code: 1224,
                items: vec![login],
            }),
        ];
        for (index, alert) in alerts.into_iter().enumerate() {
            body.push(Command::Alert(Alert {
                cmd_id: (4 + index).to_string(),
                ..alert
            }));
        }
        let man = Item {
            source: Some("./DevInfo/Man".into()),
            data: Some("Fabrik".into()),
            ..Item::default()
        };
        body.push(Command::Replace(Edit {
            cmd_id: "90".into(),
            items: vec![man],
            ..Edit::default()
        }));
        self.message(1, body)
    }

    /// A message of the present session.
    pub fn message(&self, msg_id: u32, body: Vec<Command>) -> Message {
        let header = Header {
            ver_dtd: "1.2".into(),
            ver_proto: "DM/1.2".into(),
            session_id: format!("{:X}", self.session),
            msg_id,
            target: "https://mdm.example.com:8444/ManagementServer/Manage.svc".into(),
            source: self.dm_id.clone(),
            ..Header::default()
        };
        Message {
            header,
            body,
            last: true,
        }
    }

    /// Sends bytes and reads the answer.
    pub async fn post(&self, server: &Server, message: &Message) -> Result<Message, CheckInError> {
        let bytes = qm_syncml::encode(Encoding::Xml, message);
        let answer = server
            .orchestrator
            .check_in(
                qm_pki::fingerprint(&self.certificate),
                Encoding::Xml,
                bytes.into(),
            )
            .await?;
        Ok(qm_syncml::decode(Encoding::Xml, &answer, &Limits::default()).unwrap())
    }

    /// A whole session; how many messages it took.
    pub async fn call(&mut self, server: &Server) -> usize {
        self.call_with(server, vec![]).await
    }

    /// A whole session that begins with alerts.
    pub async fn call_with(&mut self, server: &Server, alerts: Vec<Alert>) -> usize {
        self.session += 1;
        self.wire.clear();
        let mut message = self.first(alerts);
        loop {
            let reply = self.post(server, &message).await.unwrap();
            let next = self.carry_out(&reply);
            self.wire.push((message, reply));
            assert!(self.wire.len() < 20, "the session does not end");
            match next {
                Some(next) => message = next,
                None => return self.wire.len(),
            }
        }
    }

    /// Package 3 for a reply, or nothing where it has no commands.
    pub fn carry_out(&mut self, reply: &Message) -> Option<Message> {
        let msg_ref = reply.header.msg_id;
        let header = Status {
            cmd_id: "1".into(),
            msg_ref,
            cmd_ref: "0".into(),
            cmd: "SyncHdr".into(),
            code: StatusCode::OK,
            ..Status::default()
        };
        let mut body = vec![Command::Status(header)];
        for command in &reply.body {
            let (Command::Add(edit)
            | Command::Get(edit)
            | Command::Exec(edit)
            | Command::Replace(edit)
            | Command::Delete(edit)) = command
            else {
                continue;
            };
            let item = &edit.items[0];
            let (code, items) = self.act(
                command.name(),
                item.target.as_deref().unwrap(),
                item.data.as_deref().unwrap_or_default(),
            );
            let cmd_id = (body.len() + 1).to_string();
            let status = Status {
                cmd_id,
                msg_ref,
                cmd_ref: edit.cmd_id.clone(),
                cmd: command.name().to_owned(),
                code: StatusCode(code),
                ..Status::default()
            };
            body.push(Command::Status(status));
            if !items.is_empty() {
                let cmd_id = (body.len() + 1).to_string();
                let cmd_ref = Some(edit.cmd_id.clone());
                body.push(Command::Results(Results {
                    cmd_id,
                    msg_ref: Some(msg_ref),
                    cmd_ref,
                    items,
                    ..Results::default()
                }));
            }
        }
        (body.len() > 1).then(|| self.message(msg_ref + 1, body))
    }

    fn act(&mut self, verb: &str, uri: &str, data: &str) -> Answer {
        self.done.push((verb.to_owned(), uri.to_owned(), data.to_owned()));
        if let Some((_, status)) = self.refuse.iter().find(|(part, _)| uri.contains(part)) {
            return (*status, vec![]);
        }
        let context = if uri.starts_with("./User") {
            Context::User
        } else {
            Context::Device
        };
        match verb {
            "Get" => self.read(context, uri),
            "Replace" if uri.ends_with("/AppInventoryQuery") => {
                self.query.insert(context, data.to_owned());
                (200, vec![])
            }
            _ => (200, vec![]),
        }
    }

    fn read(&self, context: Context, uri: &str) -> Answer {
        let value = |text: &str| {
            vec![Item {
                source: Some(uri.to_owned()),
                data: Some(text.to_owned()),
                ..Item::default()
            }]
        };
        if uri.ends_with("/ProcessorArchitecture") {
            return (200, value("9"));
        }
        if uri.ends_with("/SwV") {
            return (200, value("10.0.26100.1"));
        }
        if !uri.ends_with("/AppInventoryResults") {
            return (404, vec![]);
        }
        let query = self.query.get(&context).map_or("", String::as_str);
        let rows: String = self
            .apps
            .iter()
            .filter(|((c, _), source)| *c == context && query.contains(&format!("Source=\"{source}\"")))
            .map(|((_, family), _)| row(family, context))
            .collect();
        (200, value(&format!("<Packages>{rows}</Packages>")))
    }

    /// The nodes of what was done since the last look, without the app inventory.
    pub fn taken(&mut self) -> Vec<(String, String)> {
        let done = std::mem::take(&mut self.done);
        let housekeeping = |uri: &str| {
            uri.contains("/AppInventory") || uri.contains("DevDetail") || uri.contains("DMClient")
        };
        let rest = done.into_iter().filter(|(_, uri, _)| !housekeeping(uri));
        rest.map(|(verb, uri, _)| (verb, uri.rsplit('/').next().unwrap_or_default().to_owned()))
            .collect()
    }
}

fn row(family: &str, context: Context) -> String {
    let (name, publisher) = family.split_once('_').unwrap();
    let provisioned = u8::from(context == Context::Device);
    format!(
        "<P PackageFamilyName=\"{family}\" PackageFullName=\"{name}_9.0.0.0_x64__{publisher}\" Version=\"9.0.0.0\" \
         IsProvisioned=\"{provisioned}\"/>"
    )
}

/// The last certificate of a provisioning document.
fn client_certificate(document: &[u8]) -> Vec<u8> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let text = std::str::from_utf8(document).unwrap();
    let encoded = text
        .rsplit("EncodedCertificate\" value=\"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    BASE64_STANDARD.decode(encoded).unwrap()
}
