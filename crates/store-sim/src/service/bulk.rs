//! Bulk assign and reclaim seats.

use super::{
    Context, key_json,
    seats::{give, render, take},
    with_seats,
};
use crate::{
    catalogue::ProductKey,
    fault::{Fault, Struck},
    journal::ViolationKind,
    ledger::SeatRecord,
    operation::is_upn,
    refusal::{Item, NO_SEATS, Refusal},
    world::World,
};
use serde_json::{Map, Value, json};

/// What a bulk request asks for.
#[derive(Debug)]
pub(crate) struct BulkRequest {
    pub(crate) usernames: Vec<String>,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Assign,
    Reclaim,
}

pub(super) fn run(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let key = context.call.key()?;
    let request = BulkRequest::read(context.body)?;
    check_size(world, context, request.usernames.len())?;
    with_seats(world, &key)?;
    check_doubts(world, context, &key, &request);
    Ok(carry_out(world, &key, &request, context.struck))
}

impl BulkRequest {
    /// Reads the body; names of fields and actions compare without case.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| Refusal::invalid("body", "not a JSON object"))?;
        let field = |name: &str| {
            let mut fields = fields.iter();
            fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
        };
        Ok(Self {
            usernames: usernames(field("usernames").ok_or(Refusal::Missing("usernames"))?)?,
            action: action(field("seatAction").ok_or(Refusal::Missing("seatAction"))?)?,
        })
    }
}

fn usernames(value: &Value) -> Result<Vec<String>, Refusal> {
    let names = value
        .as_array()
        .filter(|names| !names.is_empty())
        .ok_or(Refusal::Missing("usernames"))?;
    names
        .iter()
        .map(|name| {
            let name = name.as_str().filter(|name| !name.trim().is_empty());
            name.map(str::to_owned)
                .ok_or_else(|| Refusal::invalid("usernames", "blank"))
        })
        .collect()
}

fn action(value: &Value) -> Result<Action, Refusal> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("assign") => Ok(Action::Assign),
        Some("reclaim") => Ok(Action::Reclaim),
        _ => Err(Refusal::invalid("seatAction", value.to_string())),
    }
}

fn check_size(world: &mut World, context: &Context<'_>, users: usize) -> Result<(), Refusal> {
    if users <= LARGEST_BATCH {
        return Ok(());
    }
    let kind = ViolationKind::BulkTooLarge(users);
    world.journal.violation(context.number, kind);
    Err(Refusal::invalid(
        "usernames",
        format!("{users} of at most {LARGEST_BATCH}"),
    ))
}

/// Whoever does not know what became of a bulk request has to look before asking again.
fn check_doubts(world: &mut World, context: &Context<'_>, key: &ProductKey, request: &BulkRequest) {
    for user in &request.usernames {
        if world.journal.take_doubt(key, user) {
            let kind = ViolationKind::RepeatedBlindly(user.clone());
            world.journal.violation(context.number, kind);
        }
    }
}

fn carry_out(world: &mut World, key: &ProductKey, request: &BulkRequest, struck: &Struck) -> Value {
    let failing = count(struck, |fault| match fault {
        Fault::BulkFails(users) => Some(*users),
        _ => None,
    });
    let omitted = count(struck, |fault| match fault {
        Fault::BulkOmits(users) => Some(*users),
        _ => None,
    });
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (index, user) in request.usernames.iter().enumerate() {
        let outcome = if index < failing {
            Err("The request could not be processed".to_owned())
        } else {
            one(world, key, user, request.action).map_err(|refusal| failure_reason(&refusal))
        };
        match outcome {
            _ if index < omitted => {}
            Ok(seat) => done.push(render(&seat)),
            Err(reason) => failed.push(json!({
                "failureReason": reason,
                "productKey": key_json(key),
                "userName": user,
            })),
        }
    }
    json!({ "seatDetails": done, "failedSeatOperations": failed })
}

fn one(world: &mut World, key: &ProductKey, user: &str, action: Action) -> Result<SeatRecord, Refusal> {
    if !is_upn(user) {
        return Err(Refusal::invalid("username", user));
    }
    match action {
        Action::Assign => give(world, key, user, false),
        Action::Reclaim => take(world, key, user),
    }
}

fn failure_reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotFound(Item::User, _) => "User not found",
        Refusal::NotFound(..) => "Seat not found",
        Refusal::NoSeats(..) => NO_SEATS,
        _ => "Invalid user name",
    }
    .to_owned()
}

fn count(struck: &Struck, pick: impl FnMut(&Fault) -> Option<usize>) -> usize {
    struck.find(pick).unwrap_or(0)
}

const LARGEST_BATCH: usize = 25;
