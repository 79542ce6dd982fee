//! The twelve operations, each a function of the state and the call.

mod bulk;
mod inventory;
mod packages;
mod products;
pub(crate) mod seats;

pub(crate) use bulk::BulkRequest;

use crate::{
    Operation,
    catalogue::{LicenseType, ProductKey},
    fault::Struck,
    journal::ViolationKind,
    operation::Call,
    refusal::{Item, Reason, Refusal},
    world::{Entry, Ownership, World},
};
use serde_json::{Value, json};

/// A call on its way through the service.
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) body: &'a [u8],
    pub(crate) struck: &'a Struck,
    /// The number of the request in the journal.
    pub(crate) number: usize,
}

/// Carries out one of the twelve operations.
pub(crate) fn perform(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    check_query(world, context)?;
    match context.call.operation {
        Operation::Inventory => inventory::list(world, context),
        Operation::ProductDetails => products::details(world, context),
        Operation::LocalizedDetails => products::localized(world, context),
        Operation::OfflineLicense => packages::license(world, context),
        Operation::Packages => packages::set(world, context),
        Operation::Package => packages::one(world, context),
        Operation::Seats => seats::of_product(world, context),
        Operation::UserSeats => seats::of_user(world, context),
        Operation::Seat => seats::show(world, context),
        Operation::AssignSeat => seats::assign(world, context),
        Operation::ReclaimSeat => seats::reclaim(world, context),
        Operation::BulkSeats => bulk::run(world, context),
        Operation::Token | Operation::Content | Operation::Image => Err(Refusal::NotFound(
            Item::Unnamed,
            context.call.operation.to_string(),
        )),
    }
}

/// Judges the query parameters; the operations read those that they know.
fn check_query(world: &mut World, context: &Context<'_>) -> Result<(), Refusal> {
    let known = context.call.operation.parameters();
    for (name, value) in &context.call.query {
        if !known.contains(&name.as_str()) {
            let kind = ViolationKind::UnknownParameter(name.clone());
            world.journal.violation(context.number, kind);
        } else if value.is_empty() {
            let kind = ViolationKind::EmptyParameter(name.clone());
            world.journal.violation(context.number, kind);
            return Err(Refusal::invalid("query", name));
        }
    }
    Ok(())
}

/// A product that the Store knows, whether the organization has it or not.
fn known<'a>(world: &'a World, key: &ProductKey, item: Item) -> Result<&'a Entry, Refusal> {
    world
        .products
        .get(key)
        .ok_or_else(|| Refusal::NotFound(item, key.to_string()))
}

/// A product that the organization has.
fn owned<'a>(world: &'a World, key: &ProductKey, item: Item) -> Result<&'a Entry, Refusal> {
    let entry = known(world, key, item)?;
    if entry.ownership == Ownership::Active {
        Ok(entry)
    } else {
        Err(Refusal::Conflict(Reason::Unowned, key.to_string()))
    }
}

/// An entry of the inventory that has seats.
fn with_seats<'a>(world: &'a World, key: &ProductKey) -> Result<&'a Entry, Refusal> {
    let absent = || Refusal::NotFound(Item::Inventory, key.to_string());
    let entry = known(world, key, Item::Inventory)?;
    if entry.ownership != Ownership::Active {
        return Err(absent());
    }
    if entry.product.license_type == LicenseType::Online {
        Ok(entry)
    } else {
        Err(Refusal::Conflict(Reason::OfflineLicensed, key.to_string()))
    }
}

fn key_json(key: &ProductKey) -> Value {
    json!({ "productId": key.product_id, "skuId": key.sku_id })
}
