//! Seats of a product and of a user; get, assign and reclaim one.

use super::{Context, key_json, with_seats};
use crate::{
    catalogue::{DistributionPolicy, ProductKey},
    ids::service_date,
    journal::fold,
    ledger::SeatRecord,
    page::{self, List},
    refusal::{Item, Refusal},
    world::World,
};
use serde_json::{Value, json};

pub(super) fn of_product(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let key = context.call.key()?;
    with_seats(world, &key)?;
    let seats: Vec<_> = world.ledger.active_of(&key).cloned().collect();
    world.journal.looked(Some(&key), None);
    list(world, context, format!("seats of {key}"), seats)
}

pub(super) fn of_user(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let user = directory_user(world, context.call.user()?)?;
    let seats: Vec<_> = world.ledger.held_by(&user).cloned().collect();
    world.journal.looked(None, Some(&user));
    list(world, context, format!("seats of {}", fold(&user)), seats)
}

pub(super) fn show(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let (key, user) = (context.call.key()?, context.call.user()?);
    with_seats(world, &key)?;
    let user = directory_user(world, user)?;
    world.journal.looked(Some(&key), Some(&user));
    let seat = world.ledger.active(&key, &user);
    seat.map(render).ok_or_else(|| no_seat(&key, &user))
}

pub(super) fn assign(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let (key, user) = (context.call.key()?, context.call.user()?);
    give(world, &key, user, false).map(|seat| render(&seat))
}

pub(super) fn reclaim(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let (key, user) = (context.call.key()?, context.call.user()?);
    take(world, &key, user).map(|seat| render(&seat))
}

/// Gives the user a seat; whoever has one keeps it, also where none is left for others.
pub(crate) fn give(
    world: &mut World,
    key: &ProductKey,
    user: &str,
    claimed: bool,
) -> Result<SeatRecord, Refusal> {
    let product = &with_seats(world, key)?.product;
    let counted = product.policy == DistributionPolicy::Restricted;
    let exhausted = counted && world.available(product) == 0;
    let user = directory_user(world, user)?;
    if exhausted && world.ledger.active(key, &user).is_none() {
        return Err(Refusal::NoSeats(world.config.no_seats_status, key.to_string()));
    }
    let now = world.now();
    Ok(world.ledger.assign(key, &user, now, claimed).clone())
}

/// Takes the user's seat back.
pub(crate) fn take(world: &mut World, key: &ProductKey, user: &str) -> Result<SeatRecord, Refusal> {
    with_seats(world, key)?;
    let user = directory_user(world, user)?;
    let now = world.now();
    let seat = world.ledger.reclaim(key, &user, now);
    seat.cloned().ok_or_else(|| no_seat(key, &user))
}

/// A seat as the service writes it.
pub(super) fn render(seat: &SeatRecord) -> Value {
    json!({
        "assignedTo": seat.upn,
        "dateAssigned": service_date(seat.assigned_at),
        "state": seat.state.as_str(),
        "productKey": key_json(&seat.key),
    })
}

fn list(
    world: &mut World,
    context: &Context<'_>,
    walk: String,
    seats: Vec<SeatRecord>,
) -> Result<Value, Refusal> {
    let sorted = seats
        .into_iter()
        .map(|seat| (format!("{} {}", seat.key, fold(&seat.upn)), seat));
    let now = world.now();
    let list = List {
        call: context.call,
        walk,
        limit: LARGEST_PAGE,
        struck: context.struck,
        now,
        lifetime: world.config.continuation_lifetime,
        rng: &world.config.rng,
    };
    let page = page::cut(&mut world.cursors, &list, sorted.collect())?;
    Ok(page.answer("seats", |seat| render(&seat)))
}

fn directory_user(world: &World, user: &str) -> Result<String, Refusal> {
    let known = world.user(user);
    known.ok_or_else(|| Refusal::NotFound(Item::User, user.to_owned()))
}

fn no_seat(key: &ProductKey, user: &str) -> Refusal {
    Refusal::NotFound(Item::Seat, format!("{key}/{user}"))
}

const LARGEST_PAGE: usize = 100;
