//! The next message of the server: statuses first, then as many due commands as fit.

use super::{AppsProgress, Purpose, Received, SOURCES, SUSPECT_ATTEMPTS, Sent, Session, Step};
use qm_core::{TargetId, command, deployment::Context};
use qm_csp::{CspCommand, app_management as csp, device_management};
use qm_syncml::{Alert, Command, Header, Message, Status};

/// What is due for a device at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Work {
    /// The device shall leave: nothing else is sent.
    pub unenroll: bool,
    /// Read the device inventory.
    pub inventory: bool,
    /// Settings to apply.
    pub settings: Vec<CspCommand>,
    /// Contexts whose app inventory is to be read; that of the user only while the user is there.
    pub apps: Vec<Context>,
    /// Administrators' commands, oldest first.
    pub custom: Vec<command::Command>,
    /// Steps of deployments, oldest first.
    pub targets: Vec<TargetOrder>,
}

/// Commands of one target that belong in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetOrder {
    /// The target.
    pub id: TargetId,
    /// Its scope.
    pub context: Context,
    /// What to send, in order.
    pub commands: Vec<(Purpose, CspCommand)>,
}

impl TargetOrder {
    /// Whether it only asks how a job stands.
    fn asks(&self) -> bool {
        self.commands
            .iter()
            .any(|(purpose, _)| matches!(purpose, Purpose::Target { step: Step::Poll, .. }))
    }
}

/// How much one message and one session may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Commands in a message.
    pub commands: usize,
    /// Bytes of payload and addresses in a message.
    pub bytes: usize,
    /// Messages with commands in a session; what is left waits for the next one.
    pub rounds: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            commands: 50,
            bytes: 256 * 1024,
            rounds: 40,
        }
    }
}

/// The message to send and what was told with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The session to remember.
    pub session: Session,
    /// The message.
    pub message: Message,
    /// Why each command was sent, in order. Empty: the device ends the session.
    pub told: Vec<Purpose>,
}

/// Builds the reply to a message with this header.
pub fn reply(request: &Header, received: Received, work: Work, budget: Budget) -> Reply {
    let Received {
        session,
        statuses,
        alert,
        may_command,
        ..
    } = received;
    let mut writer = Writer::new(session, request.msg_id, statuses);
    if let Some(code) = alert {
        let cmd_id = writer.next_id();
        writer.body.push(Command::Alert(Alert {
            cmd_id,
            code,
            items: Vec::new(),
        }));
    }
    if may_command && writer.session.rounds < budget.rounds {
        writer.fill(work, budget);
    }
    let Writer {
        session, body, told, ..
    } = writer;
    Reply {
        session,
        message: Message {
            header: answer_to(request),
            body,
            last: true,
        },
        told,
    }
}

/// The server's header: the request's with target and source exchanged.
fn answer_to(request: &Header) -> Header {
    Header {
        ver_dtd: "1.2".to_owned(),
        ver_proto: "DM/1.2".to_owned(),
        session_id: request.session_id.clone(),
        msg_id: request.msg_id,
        target: request.source.clone(),
        source: request.target.clone(),
        ..Header::default()
    }
}

struct Writer {
    session: Session,
    msg_id: u32,
    last_id: u32,
    body: Vec<Command>,
    told: Vec<Purpose>,
    bytes: usize,
    /// Nothing may join what is in the message.
    closed: bool,
}

impl Writer {
    fn new(session: Session, msg_id: u32, statuses: Vec<Status>) -> Self {
        let mut writer = Self {
            session,
            msg_id,
            last_id: 0,
            body: Vec::with_capacity(statuses.len() + 1),
            told: Vec::new(),
            bytes: 0,
            closed: false,
        };
        for status in statuses {
            let cmd_id = writer.next_id();
            writer.body.push(Command::Status(Status { cmd_id, ..status }));
        }
        writer
    }

    fn next_id(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }

    fn fill(&mut self, work: Work, budget: Budget) {
        if work.unenroll {
            // A device that refuses is asked again in its next session, not in its next message.
            if !std::mem::replace(&mut self.session.unenroll_asked, true) {
                self.send_group(vec![(Purpose::Unenroll, device_management::unenroll())], budget);
            }
        } else {
            self.fill_housekeeping(&work, budget);
            for order in work.targets {
                self.send_target(order, budget);
            }
            for command in work.custom {
                self.send_custom(command, budget);
            }
        }
        if !self.told.is_empty() {
            self.session.rounds += 1;
        }
    }

    /// One-shot reads and settings: once in a session, however often messages go back and forth.
    fn fill_housekeeping(&mut self, work: &Work, budget: Budget) {
        if work.inventory && !self.session.inventory_asked {
            let reads = device_management::inventory_reads();
            self.session.inventory_asked = self.send_group(tagged(&Purpose::Inventory, reads), budget);
        }
        if !work.settings.is_empty() && !self.session.settings_sent {
            let settings = tagged(&Purpose::Setting, work.settings.clone());
            self.session.settings_sent = self.send_group(settings, budget);
        }
        // The inventory is read once in a session: after the jobs were asked whether they have ended.
        if !self.session.apps_asked && !self.asks_something(work) {
            self.session.apps_asked = self.send_apps(&work.apps, budget);
        }
    }

    /// Whether at least one of the questions leaves with this message: those for an absent user do not.
    fn asks_something(&self, work: &Work) -> bool {
        let here = self.session.user_is_here();
        work.targets
            .iter()
            .any(|order| order.asks() && (here || order.context == Context::Device))
    }

    fn send_apps(&mut self, contexts: &[Context], budget: Budget) -> bool {
        let here = self.session.user_is_here();
        let readable = |context: &Context| here || *context == Context::Device;
        let contexts: Vec<_> = contexts.iter().copied().filter(readable).collect();
        let mut group = Vec::new();
        for (context, source) in contexts.iter().flat_map(|c| SOURCES.map(|s| (*c, s))) {
            let purpose = Purpose::Apps {
                context,
                source: source.as_str().to_owned(),
            };
            group.push((Purpose::AppQuery, csp::inventory_query(context, source)));
            group.push((purpose, csp::inventory_results(context)));
        }
        let sent = self.send_group(group, budget);
        if sent {
            for context in contexts {
                let waiting = u32::try_from(SOURCES.len()).unwrap_or(0);
                self.session.apps.insert(
                    context,
                    AppsProgress {
                        waiting,
                        ..AppsProgress::default()
                    },
                );
            }
        }
        sent
    }

    fn send_target(&mut self, order: TargetOrder, budget: Budget) {
        if order.context == Context::User && !self.session.user_is_here() {
            return;
        }
        if self.send_group(order.commands, budget) {
            self.session.touched.insert(order.id);
        }
    }

    fn send_custom(&mut self, command: command::Command, budget: Budget) {
        let for_user = command
            .uri
            .get(..6)
            .is_some_and(|s| s.eq_ignore_ascii_case("./user"));
        if for_user && !self.session.user_is_here() {
            return;
        }
        let (purpose, again) = (Purpose::Custom { id: command.id }, command.attempts > 0);
        let suspect = command.attempts >= SUSPECT_ATTEMPTS;
        if suspect && !self.told.is_empty() {
            return;
        }
        let csp = CspCommand {
            verb: command.verb,
            uri: command.uri,
            format: command.format,
            media_type: command.media_type,
            data: command.data,
        };
        if self.send_group(vec![(purpose, csp)], budget) {
            self.closed = suspect;
            if let Some(sent) = self.session.sent.last_mut() {
                sent.again = again;
            }
        }
    }

    /// Sends commands that belong together, or none where they do not fit. One that alone is larger than the
    /// budget goes in a message of its own.
    fn send_group(&mut self, group: Vec<(Purpose, CspCommand)>, budget: Budget) -> bool {
        let bytes: usize = group
            .iter()
            .map(|(_, c)| c.uri.len() + c.data.as_ref().map_or(0, String::len))
            .sum();
        let fits = self.told.len() + group.len() <= budget.commands && self.bytes + bytes <= budget.bytes;
        if self.closed || group.is_empty() || !(fits || self.told.is_empty()) {
            return false;
        }
        self.bytes += bytes;
        for (purpose, command) in group {
            self.send(purpose, command);
        }
        true
    }

    fn send(&mut self, purpose: Purpose, command: CspCommand) {
        let cmd = self.next_id();
        self.session.sent.push(Sent {
            msg: self.msg_id,
            cmd: cmd.clone(),
            verb: command.verb,
            uri: command.uri.clone(),
            purpose: purpose.clone(),
            status: None,
            original_error: None,
            results: Vec::new(),
            again: false,
        });
        self.told.push(purpose);
        self.body.push(command.into_syncml(cmd));
    }
}

fn tagged(purpose: &Purpose, commands: Vec<CspCommand>) -> Vec<(Purpose, CspCommand)> {
    commands
        .into_iter()
        .map(|command| (purpose.clone(), command))
        .collect()
}
