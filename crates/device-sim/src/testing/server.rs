//! A small MDM server, written by hand: HTTP/1.1 over TLS, correct answers, and mistakes on request.

use super::{Authority, DEVICE_ID, envelope, provisioning_document, soap_answer};
use crate::{DeviceOptions, http::Answer, xml::Element};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::{Clock, Rng, Timestamp};
use rcgen::{KeyPair, SubjectPublicKeyInfo};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer as _};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) certificate: bool,
}

/// What the server does.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The commands of its next management messages; none when it is empty.
    pub(crate) commands: VecDeque<String>,
    /// Packages by path.
    pub(crate) files: HashMap<String, Vec<u8>>,
    pub(crate) without_ranges: bool,
    /// A repeated message gets another answer.
    pub(crate) forgetful: bool,
    /// Management is refused with this status.
    pub(crate) refusal: Option<u16>,
    pub(crate) seen: Vec<Seen>,
    /// Connections that were made.
    pub(crate) connections: usize,
    last: Option<(Vec<u8>, String)>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) script: Arc<Mutex<Script>>,
    authority: Arc<Authority>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let authority = Arc::new(Authority::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls(&authority)));
        let script = Arc::new(Mutex::new(Script::default()));
        let server = Self {
            address,
            script,
            authority,
        };
        let (script, authority) = (Arc::clone(&server.script), Arc::clone(&server.authority));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                script.lock().unwrap().connections += 1;
                let (acceptor, script, authority) =
                    (acceptor.clone(), Arc::clone(&script), Arc::clone(&authority));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, address, &script, &authority).await;
                    }
                });
            }
        });
        server
    }

    pub(crate) fn options(&self) -> DeviceOptions {
        let discovery = format!(
            "https://localhost:{}/EnrollmentServer/Discovery.svc",
            self.address.port()
        );
        let now = Timestamp::parse_rfc3339("2026-03-01T10:00:30Z").unwrap();
        DeviceOptions {
            clock: Clock::mock(now),
            resolve: vec![("localhost".to_owned(), self.address)],
            ..DeviceOptions::new(
                discovery,
                "ana@north.example",
                "qmt1.token",
                self.authority.0.pem(),
                Rng::seeded(3),
            )
        }
    }

    pub(crate) fn link(&self, path: &str) -> String {
        format!("https://localhost:{}{path}?sig=1", self.address.port())
    }
    pub(crate) fn will_say(&self, commands: &[&str]) {
        self.script
            .lock()
            .unwrap()
            .commands
            .extend(commands.iter().map(|text| (*text).to_owned()));
    }
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.script.lock().unwrap())
    }
    /// The management messages that arrived.
    pub(crate) fn messages(&self) -> Vec<Seen> {
        self.with(|script| {
            script
                .seen
                .iter()
                .filter(|seen| seen.target.starts_with("/ManagementServer"))
                .cloned()
                .collect()
        })
    }
}

fn tls(authority: &Authority) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = authority.server(&key);
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![certificate.into()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap()
}

async fn serve(
    mut stream: TlsStream<TcpStream>,
    address: SocketAddr,
    script: &Mutex<Script>,
    authority: &Authority,
) {
    while let Some(seen) = read(&mut stream).await {
        let head_only = seen.method == "HEAD";
        let reply = reply(&seen, address, &mut script.lock().unwrap(), authority);
        script.lock().unwrap().seen.push(seen);
        let Reply {
            status,
            headers,
            body,
        } = reply;
        let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        if !head_only {
            bytes.extend_from_slice(&body);
        }
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TlsStream<TcpStream>) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let mut lines = text.lines();
    let mut request = lines.next()?.split(' ').map(str::to_owned);
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let certificate = stream.get_ref().1.peer_certificates().is_some();
    Some(Seen {
        method: request.next()?,
        target: request.next()?,
        headers,
        body,
        certificate,
    })
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn reply(seen: &Seen, address: SocketAddr, script: &mut Script, authority: &Authority) -> Reply {
    let path = seen.target.split('?').next().unwrap();
    match (seen.method.as_str(), path) {
        ("GET", "/EnrollmentServer/Discovery.svc") => plain(200, Vec::new()),
        (_, "/EnrollmentServer/Discovery.svc") => soap(&discovery(seen, address)),
        (_, "/EnrollmentServer/Policy.svc") => soap(&policy(seen)),
        (_, "/EnrollmentServer/Enrollment.svc") => soap(&enrollment(seen, address, authority)),
        (_, "/ManagementServer/Manage.svc") => manage(seen, address, script),
        _ => content(seen, path, script),
    }
}

fn plain(status: u16, body: Vec<u8>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        body,
    }
}

fn soap(answer: &Answer) -> Reply {
    let content_type = answer.content_type.clone().unwrap();
    Reply {
        status: answer.status,
        headers: vec![("Content-Type", content_type)],
        body: answer.body.to_vec(),
    }
}

fn message_id(root: &Element) -> String {
    let header = root.child("Header").unwrap();
    header
        .child_in("http://www.w3.org/2005/08/addressing", "MessageID")
        .unwrap()
        .text
        .clone()
}

fn discovery(seen: &Seen, address: SocketAddr) -> Answer {
    let base = format!("https://localhost:{}/EnrollmentServer", address.port());
    let namespace = "http://schemas.microsoft.com/windows/management/2012/01/enrollment";
    let body = format!(
        "<DiscoverResponse xmlns='{namespace}'><DiscoverResult><AuthPolicy>OnPremise</AuthPolicy>\
         <EnrollmentVersion>5.0</EnrollmentVersion><EnrollmentPolicyServiceUrl>{base}/Policy.svc\
         </EnrollmentPolicyServiceUrl><EnrollmentServiceUrl>{base}/Enrollment.svc</EnrollmentServiceUrl>\
         </DiscoverResult></DiscoverResponse>"
    );
    let id = message_id(&Element::parse(&seen.body).unwrap());
    soap_answer(
        200,
        &envelope(
            &format!("{namespace}/IDiscoveryService/DiscoverResponse"),
            &id,
            "",
            &body,
        ),
    )
}

fn policy(seen: &Seen) -> Answer {
    let namespace = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy";
    let id = message_id(&Element::parse(&seen.body).unwrap());
    let body = include_str!("policy.xml");
    soap_answer(
        200,
        &envelope(&format!("{namespace}/IPolicy/GetPoliciesResponse"), &id, "", body),
    )
}

fn enrollment(seen: &Seen, address: SocketAddr, authority: &Authority) -> Answer {
    let root = Element::parse(&seen.body).unwrap();
    let request = &root.child("Body").unwrap().children[0];
    let token = request.all("BinarySecurityToken").next().unwrap();
    let text: String = token
        .text
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let der = BASE64_STANDARD.decode(text).unwrap();
    let (_, csr) = X509CertificationRequest::from_der(&der).unwrap();
    csr.verify_signature().unwrap();
    let key = SubjectPublicKeyInfo::from_der(csr.certification_request_info.subject_pki.raw).unwrap();
    let context = request.all("AdditionalContext").next().unwrap();
    let kind = context
        .all("ContextItem")
        .find(|item| item.attribute("Name") == Some("EnrollmentType"))
        .unwrap();
    let kind = match kind.children[0].text.as_str() {
        "Full" => crate::EnrollmentKind::Full,
        _ => crate::EnrollmentKind::Device,
    };
    let manage = format!("https://localhost:{}/ManagementServer/Manage.svc", address.port());
    let document = BASE64_STANDARD.encode(provisioning_document(authority, &key, kind, &manage));
    let body = include_str!("rstrc.xml").replace("{document}", &document);
    let security = include_str!("security.xml");
    let action = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment/RSTRC/wstep";
    soap_answer(200, &envelope(action, &message_id(&root), security, &body))
}

fn manage(seen: &Seen, address: SocketAddr, script: &mut Script) -> Reply {
    if !seen.certificate {
        return plain(403, Vec::new());
    }
    if let Some(status) = script.refusal {
        return Reply {
            headers: vec![("Retry-After", "60".to_owned())],
            ..plain(status, Vec::new())
        };
    }
    let media_type = vec![("Content-Type", "application/vnd.syncml.dm+xml".to_owned())];
    if let Some((body, reply)) = script
        .last
        .as_ref()
        .filter(|(body, _)| *body == seen.body && !script.forgetful)
    {
        assert!(!body.is_empty());
        return Reply {
            status: 200,
            headers: media_type,
            body: reply.clone().into_bytes(),
        };
    }
    let reply = management_reply(&Element::parse(&seen.body).unwrap(), address, script);
    script.last = Some((seen.body.clone(), reply.clone()));
    Reply {
        status: 200,
        headers: media_type,
        body: reply.into_bytes(),
    }
}

/// Statuses for what was sent, then the next commands of the script.
fn management_reply(root: &Element, address: SocketAddr, script: &mut Script) -> String {
    let (header, body) = (root.child("SyncHdr").unwrap(), root.child("SyncBody").unwrap());
    let message = header.value("MsgID").unwrap();
    let device = &header.at(&["Source", "LocURI"]).unwrap().text;
    assert!(device.len() == DEVICE_ID.len() || device == "THIEF");
    let status = |number: usize, cmd_ref: &str, cmd: &str| {
        format!(
            "<Status><CmdID>{number}</CmdID><MsgRef>{message}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd>\
             <Data>200</Data></Status>"
        )
    };
    let mut out = status(1, "0", "SyncHdr");
    let answered = body
        .children
        .iter()
        .filter(|command| matches!(command.name.as_str(), "Alert" | "Replace"));
    for (index, command) in answered.enumerate() {
        out += &status(index + 2, command.value("CmdID").unwrap_or("0"), &command.name);
    }
    out += &script.commands.pop_front().unwrap_or_default();
    let (session, port) = (header.value("SessionID").unwrap(), address.port());
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
         <SessionID>{session}</SessionID><MsgID>{message}</MsgID><Target><LocURI>{device}</LocURI></Target>\
         <Source><LocURI>https://localhost:{port}/ManagementServer/Manage.svc</LocURI></Source></SyncHdr>\
         <SyncBody>{out}<Final/></SyncBody></SyncML>"
    )
}

fn content(seen: &Seen, path: &str, script: &Script) -> Reply {
    let Some(file) = script.files.get(path) else {
        return plain(403, Vec::new());
    };
    let mut headers = vec![
        ("ETag", format!("\"{}\"", file.len())),
        ("Content-Type", "application/msix".to_owned()),
        (
            "Accept-Ranges",
            if script.without_ranges { "none" } else { "bytes" }.to_owned(),
        ),
    ];
    let range = seen
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    match range.filter(|_| !script.without_ranges) {
        Some((from, to)) => {
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            headers.push(("Content-Range", format!("bytes {from}-{to}/{}", file.len())));
            Reply {
                status: 206,
                headers,
                body: file[from..=to].to_vec(),
            }
        }
        None => Reply {
            status: 200,
            headers,
            body: file.clone(),
        },
    }
}
