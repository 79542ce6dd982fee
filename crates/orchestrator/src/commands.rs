//! Commands that administrators queue for a device.

use crate::{Orchestrator, UseCaseError, access::Caller, audit};
use qm_core::{
    CommandId, DeviceId, Page, PageRequest, Timestamp,
    command::{Command, CommandState, Verb},
};
use qm_csp::LocUri;
use qm_db::{Conn, commands, devices, run};
use serde_json::json;
use std::{str::FromStr as _, time::Duration};

/// A command as it was asked for, nothing checked yet.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `get`, `add`, `replace`, `delete` or `exec`.
    pub verb: String,
    /// The node: a LocURI.
    pub uri: String,
    /// `Meta/Format`.
    pub format: Option<String>,
    /// `Meta/Type`.
    pub media_type: Option<String>,
    /// The payload, unescaped.
    pub data: Option<String>,
}

/// The payload may be a password.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("verb", &self.verb)
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

impl Orchestrator {
    /// Queues a command for an enrolled device; it leaves when the device calls next.
    pub async fn queue_command(
        &self,
        caller: &Caller,
        device: DeviceId,
        request: Request,
    ) -> Result<Command, UseCaseError> {
        let now = self.clock.now();
        let command = Checked::read(request)?.command(CommandId::new(now, &self.rng), device, now);
        let detail = json!({ "device": device, "verb": command.verb, "uri": command.uri });
        let stored: Result<(), UseCaseError> = run!(self.db, "command.create", |tx| {
            check_room(tx, device).await?;
            commands::insert(tx, &command).await?;
            audit::record(
                tx,
                now,
                &self.rng,
                caller,
                "command.create",
                command.id,
                detail.clone(),
            )
            .await?;
            Ok(())
        });
        stored.map(|()| command)
    }

    /// A device's commands, newest first.
    pub async fn commands(&self, device: DeviceId, page: PageRequest) -> Result<Page<Command>, UseCaseError> {
        let mut conn = self.db.read().await?;
        devices::find(&mut conn, device)
            .await?
            .ok_or_else(|| UseCaseError::not_found("device", device))?;
        Ok(commands::list(&mut conn, device, page).await?)
    }

    /// One command of a device.
    pub async fn command(&self, device: DeviceId, id: CommandId) -> Result<Command, UseCaseError> {
        let found = commands::find(&mut self.db.read().await?, id).await?;
        found
            .filter(|command| command.device_id == device)
            .ok_or_else(|| UseCaseError::not_found("command", id))
    }
}

/// Only enrolled devices take commands, and not without bound.
async fn check_room(conn: &mut Conn, id: DeviceId) -> Result<(), UseCaseError> {
    let device = devices::find(conn, id)
        .await?
        .ok_or_else(|| UseCaseError::not_found("device", id))?;
    if !device.state.is_enrolled() {
        return Err(UseCaseError::Conflict(
            "the device is not enrolled any more; it takes no commands".to_owned(),
        ));
    }
    if commands::count_queued(conn, id).await? >= MAX_QUEUED {
        let problem = format!("{MAX_QUEUED} commands wait for this device already; wait until it has called");
        return Err(UseCaseError::Conflict(problem));
    }
    Ok(())
}

/// A request that a device could be sent.
#[derive(Debug)]
struct Checked {
    verb: Verb,
    uri: LocUri,
    format: Option<String>,
    media_type: Option<String>,
    data: Option<String>,
}

impl Checked {
    fn read(request: Request) -> Result<Self, UseCaseError> {
        let Request {
            verb,
            uri,
            format,
            media_type,
            data,
        } = request;
        let verb =
            Verb::from_str(verb.trim()).map_err(|error| UseCaseError::invalid("verb", error.to_string()))?;
        let uri =
            LocUri::parse(uri.trim()).map_err(|error| UseCaseError::invalid("uri", error.to_string()))?;
        let format = format.map(|format| known_format(&format)).transpose()?;
        if !media_type.as_deref().is_none_or(is_media_type) {
            return Err(UseCaseError::invalid(
                "type",
                "must be a media type such as `text/plain`",
            ));
        }
        if uri.is_struct_data() && verb != Verb::Get {
            return Err(UseCaseError::invalid(
                "uri",
                "`?list=StructData` is for `get` only",
            ));
        }
        check_data(verb, format.as_deref(), data.as_deref())?;
        Ok(Self {
            verb,
            uri,
            format,
            media_type,
            data,
        })
    }

    fn command(self, id: CommandId, device_id: DeviceId, now: Timestamp) -> Command {
        Command {
            id,
            device_id,
            verb: self.verb,
            uri: self.uri.to_string(),
            format: self.format,
            media_type: self.media_type,
            data: self.data,
            state: CommandState::Queued,
            status: None,
            results: Vec::new(),
            created_at: now,
            attempts: 0,
            sent_at: None,
            finished_at: None,
            expires_at: now + LIFE,
        }
    }
}

fn known_format(format: &str) -> Result<String, UseCaseError> {
    let format = format.trim().to_ascii_lowercase();
    if FORMATS.contains(&format.as_str()) {
        Ok(format)
    } else {
        Err(UseCaseError::invalid(
            "format",
            format!("must be one of {}", FORMATS.join(", ")),
        ))
    }
}

fn is_media_type(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn check_data(verb: Verb, format: Option<&str>, data: Option<&str>) -> Result<(), UseCaseError> {
    let invalid = |problem: String| Err(UseCaseError::invalid("data", problem));
    let valueless = matches!(format, Some("node" | "null"));
    match (verb, data) {
        (Verb::Get | Verb::Delete, Some(_)) => invalid(format!("`{verb}` takes none")),
        (Verb::Add | Verb::Replace, None) if !valueless => invalid(format!(
            "`{verb}` needs the node's value, or the format `node` or `null`"
        )),
        (_, Some(data)) if valueless && !data.is_empty() => {
            invalid("the formats `node` and `null` have no value".to_owned())
        }
        (_, Some(data)) if data.len() > MAX_DATA => invalid(format!("has more than {MAX_DATA} bytes")),
        (_, Some(data)) => match data.chars().find(|c| !is_xml_char(*c)) {
            Some(c) => invalid(format!(
                "contains {c:?}, which XML cannot carry; send it as `b64`"
            )),
            None => Ok(()),
        },
        (_, None) => Ok(()),
    }
}

/// `Char` of XML 1.0, production 2.
const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// The formats of OMA-DM (Meta Information 1.2, section 5.2).
const FORMATS: [&str; 11] = [
    "chr", "int", "bool", "b64", "bin", "xml", "node", "null", "float", "date", "time",
];
/// In bytes: what a Windows client takes in one object.
const MAX_DATA: usize = 512 * 1024;
const MAX_QUEUED: i64 = 1000;
const LIFE: Duration = Duration::from_hours(30 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str, format: Option<&str>, data: Option<&str>) -> Request {
        Request {
            verb: verb.to_owned(),
            uri: "./Vendor/MSFT/Policy/Config/Camera/AllowCamera".to_owned(),
            format: format.map(str::to_owned),
            media_type: None,
            data: data.map(str::to_owned),
        }
    }

    fn refused(request: Request) -> &'static str {
        match Checked::read(request) {
            Err(UseCaseError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn accepts_what_a_device_can_be_sent() {
        for (verb, format, data) in [
            ("get", None, None),
            ("delete", None, None),
            ("exec", None, None),
            ("exec", Some("xml"), Some("<a b='\u{9}'/>")),
            ("add", Some("node"), None),
            ("replace", Some("NULL"), None),
            ("replace", Some("chr"), Some("")),
            ("replace", Some("int"), Some("0")),
        ] {
            let checked = Checked::read(request(verb, format, data)).unwrap();
            assert_eq!(checked.verb.as_str(), verb);
            assert_eq!(checked.format, format.map(str::to_lowercase));
        }
    }

    #[test]
    fn refuses_data_where_it_makes_no_sense() {
        let large = "x".repeat(MAX_DATA + 1);
        for (verb, format, data) in [
            ("get", None, Some("1")),
            ("delete", None, Some("1")),
            ("add", None, None),
            ("replace", Some("chr"), None),
            ("add", Some("node"), Some("1")),
            ("replace", Some("chr"), Some("a\u{0}b")),
            ("replace", Some("chr"), Some("\u{FFFE}")),
            ("exec", None, Some(large.as_str())),
        ] {
            assert_eq!(refused(request(verb, format, data)), "data", "{verb} {format:?}");
        }
    }

    #[test]
    fn refuses_words_that_are_unknown() {
        let get = request("get", None, None);
        assert_eq!(
            refused(Request {
                verb: "read".to_owned(),
                ..get.clone()
            }),
            "verb"
        );
        assert_eq!(
            refused(Request {
                format: Some("text".to_owned()),
                ..get.clone()
            }),
            "format"
        );
        assert_eq!(
            refused(Request {
                media_type: Some("a\u{0}".to_owned()),
                ..get.clone()
            }),
            "type"
        );
        for uri in ["", "/Vendor", "./Vendor//MSFT", "./a b", "./Vendor/*"] {
            assert_eq!(
                refused(Request {
                    uri: uri.to_owned(),
                    ..get.clone()
                }),
                "uri",
                "{uri}"
            );
        }
        let tree = Request {
            uri: "./Vendor/MSFT/X?list=StructData".to_owned(),
            ..get
        };
        assert!(Checked::read(tree.clone()).is_ok());
        assert_eq!(
            refused(Request {
                verb: "delete".to_owned(),
                ..tree
            }),
            "uri"
        );
    }

    #[test]
    fn debug_output_hides_the_payload() {
        assert!(!format!("{:?}", request("exec", None, Some("gorse"))).contains("gorse"));
    }
}
