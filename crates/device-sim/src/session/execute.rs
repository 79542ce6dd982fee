//! Carries out a server's commands in their order, and answers each.

use super::Context;
use crate::{
    Executed, Rule,
    tree::{Address, Call, Outcome, Scope, Value},
};
use qm_core::command::Verb;
use qm_syncml::{Command, Edit, Group, Item, Message, Meta, Results, Status, StatusCode, alert};

/// What came of a message.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Statuses in the order of the commands, then results.
    pub(super) replies: Vec<Command>,
    pub(super) commands: Vec<Executed>,
}

/// Runs all commands of a message.
pub(super) fn run(message: &Message, context: &mut Context<'_>) -> Run {
    let mut runner = Runner {
        context,
        msg_ref: message.header.msg_id,
        statuses: Vec::new(),
        results: Vec::new(),
        commands: Vec::new(),
    };
    for command in &message.body {
        if !matches!(command, Command::Status(_)) {
            runner.run(command);
        }
        if runner.context.tree.unenrolling {
            break;
        }
    }
    let mut replies = runner.statuses;
    replies.extend(runner.results);
    Run {
        replies,
        commands: runner.commands,
    }
}

struct Runner<'c, 'a> {
    context: &'c mut Context<'a>,
    msg_ref: u32,
    statuses: Vec<Command>,
    results: Vec<Command>,
    commands: Vec<Executed>,
}

impl Runner<'_, '_> {
    /// Whether it went well.
    fn run(&mut self, command: &Command) -> bool {
        if command.cmd_id().is_empty() {
            // The answer cannot be correlated; nothing is done.
            self.answer(command, &Outcome::status(400), &[]);
            return false;
        }
        match command {
            Command::Add(edit) => self.edit(command, Verb::Add, edit),
            Command::Delete(edit) => self.edit(command, Verb::Delete, edit),
            Command::Exec(edit) => self.edit(command, Verb::Exec, edit),
            Command::Get(edit) => self.edit(command, Verb::Get, edit),
            Command::Replace(edit) => self.edit(command, Verb::Replace, edit),
            Command::Atomic(group) => self.atomic(command, group),
            Command::Sequence(group) => {
                self.answer(command, &Outcome::OK, &[]);
                group
                    .commands
                    .iter()
                    // A failure does not stop what follows.
                    .map(|child| self.run(child))
                    .collect::<Vec<_>>()
                    .iter()
                    .all(|well| *well)
            }
            Command::Alert(own) => {
                let known = own.code == alert::NEXT_MESSAGE;
                self.context
                    .watch
                    .check(known, Rule::Command, || format!("Alert {}", own.code));
                self.answer(command, &Outcome::OK, &[]);
                true
            }
            Command::Results(_) | Command::Status(_) => true,
            Command::Unknown { name, .. } => {
                self.context
                    .watch
                    .note(Rule::Command, format!("`{name}` is no command of OMA-DM"));
                self.answer(command, &Outcome::status(400), &[]);
                false
            }
        }
    }

    fn edit(&mut self, command: &Command, verb: Verb, edit: &Edit) -> bool {
        let single = verb != Verb::Exec || edit.items.len() == 1;
        self.context.watch.check(single, Rule::Structure, || {
            format!("Exec with {} items", edit.items.len())
        });
        let mut outcomes = Vec::new();
        for item in &edit.items {
            let meta = item.meta.or(&edit.meta);
            let outcome = self.call(verb, item, &meta);
            self.commands.push(Executed {
                verb: command.name().to_owned(),
                uri: item.target.clone().unwrap_or_default(),
                scope: address(item).ok().map(|address| address.scope),
                status: outcome.status,
            });
            outcomes.push((item.target.as_deref().unwrap_or_default(), outcome));
        }
        let same = outcomes
            .windows(2)
            .all(|pair| pair[0].1.status == pair[1].1.status);
        match outcomes.first() {
            // One status for all where they agree, else one for each item.
            Some((_, first)) if same => self.answer(command, first, &[]),
            Some(_) => {
                for (target, outcome) in &outcomes {
                    self.answer(command, outcome, &[target]);
                }
            }
            None => self.answer(command, &Outcome::status(400), &[]),
        }
        let well = !outcomes.is_empty() && outcomes.iter().all(|(_, outcome)| outcome.status < 300);
        for (_, outcome) in outcomes {
            self.keep_results(command, outcome.values);
        }
        well
    }

    fn call(&mut self, verb: Verb, item: &Item, meta: &Meta) -> Outcome {
        let address = match address(item) {
            Ok(address) => address,
            Err(problem) => {
                let uri = item.target.as_deref().unwrap_or_default();
                self.context
                    .watch
                    .note(Rule::LocUri, format!("`{uri}`: {problem}"));
                return Outcome::status(400);
            }
        };
        if item.more_data {
            // LrgObj is false.
            self.context
                .watch
                .note(Rule::Command, "a chunk, though the device takes no large objects");
            return Outcome::status(416);
        }
        let data = item.data.as_deref().unwrap_or_default();
        if verb == Verb::Exec {
            self.context.watch.executed(&address.text, data);
        }
        let call = Call {
            verb,
            address: &address,
            format: meta.format.as_deref(),
            data,
        };
        let (tree, mut world) = self.context.world();
        tree.perform(call, &mut world)
    }

    /// All or nothing (MS-MDM 2.2.7.1): what cannot be rolled back has no place in it.
    fn atomic(&mut self, command: &Command, group: &Group) -> bool {
        let at = self.statuses.len();
        let (commands_before, results_before) = (self.commands.len(), self.results.len());
        let before = self.context.tree.clone();
        let bad = forbidden(group);
        self.check_scopes(group);
        if let Some(problem) = bad {
            self.context.watch.note(Rule::Atomic, problem);
            self.answer(command, &Outcome::status(507), &[]);
            for child in &group.commands {
                let (code, inner) = match child {
                    Command::Get(_) | Command::Atomic(_) => (500, true),
                    _ => (215, false),
                };
                self.answer(
                    child,
                    &if inner {
                        Outcome::FAILED
                    } else {
                        Outcome::status(code)
                    },
                    &[],
                );
            }
            return false;
        }
        let failed = group.commands.iter().position(|child| !self.run(child));
        let Some(failed) = failed else {
            self.insert(at, command, &Outcome::OK);
            return true;
        };
        *self.context.tree = before;
        self.results.truncate(results_before);
        for done in &mut self.commands[commands_before..] {
            if done.status < 300 {
                done.status = 216;
            }
        }
        for status in &mut self.statuses[at..] {
            if let Command::Status(status) = status
                && status.code.is_success()
            {
                status.code = StatusCode(216);
            }
        }
        self.insert(at, command, &Outcome::status(507));
        for child in &group.commands[failed + 1..] {
            self.answer(child, &Outcome::status(215), &[]);
        }
        false
    }

    fn check_scopes(&mut self, group: &Group) {
        let scopes: Vec<Scope> = group
            .commands
            .iter()
            .flat_map(Command::items)
            .filter_map(|item| Some(address(item).ok()?.scope))
            .collect();
        let mixed = scopes.windows(2).any(|pair| pair[0] != pair[1]);
        self.context
            .watch
            .check(!mixed, Rule::Scope, || "user and device in one Atomic".to_owned());
    }

    fn keep_results(&mut self, command: &Command, values: Vec<Value>) {
        if values.is_empty() {
            return;
        }
        let item = |value: Value| Item {
            source: Some(value.uri),
            meta: Meta::format(value.format),
            data: Some(value.data),
            ..Item::default()
        };
        self.results.push(Command::Results(Results {
            msg_ref: Some(self.msg_ref),
            cmd_ref: Some(command.cmd_id().to_owned()),
            cmd: Some(command.name().to_owned()),
            items: values.into_iter().map(item).collect(),
            ..Results::default()
        }));
    }

    fn answer(&mut self, command: &Command, outcome: &Outcome, targets: &[&str]) {
        let status = self.status(command, outcome, targets);
        self.statuses.push(status);
    }

    fn insert(&mut self, at: usize, command: &Command, outcome: &Outcome) {
        let status = self.status(command, outcome, &[]);
        self.statuses.insert(at, status);
    }

    fn status(&self, command: &Command, outcome: &Outcome, targets: &[&str]) -> Command {
        Command::Status(Status {
            msg_ref: self.msg_ref,
            cmd_ref: command.cmd_id().to_owned(),
            cmd: command.name().to_owned(),
            target_refs: targets.iter().map(|target| (*target).to_owned()).collect(),
            code: StatusCode(outcome.status),
            original_error: outcome.error.map(|error| error.to_string()),
            ..Status::default()
        })
    }
}

fn address(item: &Item) -> Result<Address, String> {
    Address::parse(item.target.as_deref().ok_or("there is no Target")?)
}

/// What makes Windows refuse an Atomic as a whole.
fn forbidden(group: &Group) -> Option<String> {
    let mut added: Vec<&str> = Vec::new();
    for child in &group.commands {
        match child {
            Command::Atomic(_) => return Some("an Atomic in an Atomic".to_owned()),
            Command::Get(_) => return Some("a Get in an Atomic".to_owned()),
            Command::Exec(_) => return Some("an Exec in an Atomic, which cannot be rolled back".to_owned()),
            Command::Add(edit) => added.extend(edit.items.iter().filter_map(|item| item.target.as_deref())),
            Command::Replace(edit) => {
                let again = edit
                    .items
                    .iter()
                    .filter_map(|item| item.target.as_deref())
                    .find(|uri| added.contains(uri));
                if let Some(uri) = again {
                    return Some(format!("Add and Replace of `{uri}` in one Atomic"));
                }
            }
            _ => {}
        }
    }
    None
}
