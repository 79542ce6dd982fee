//! Get inventory.

use super::{Context, key_json};
use crate::{
    catalogue::LicenseType,
    config::Bound,
    ids::{parse_date, service_date},
    journal::ViolationKind,
    page::{self, List},
    refusal::Refusal,
    world::{Entry, Ownership, World},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

pub(super) fn list(world: &mut World, context: &Context<'_>) -> Result<Value, Refusal> {
    let filter = Filter::read(world, context)?;
    let now = world.now();
    let entries: Vec<_> = world
        .products
        .values()
        .filter(|entry| filter.includes(entry))
        .map(|entry| (entry.product.key.to_string(), entry))
        .collect();
    let page = page::cut(
        &mut world.cursors,
        &List {
            call: context.call,
            walk: filter.describe(),
            limit: world.config.inventory_page_limit,
            struck: context.struck,
            now,
            lifetime: world.config.continuation_lifetime,
            rng: &world.config.rng,
        },
        entries,
    )?;
    Ok(page.answer("inventoryEntries", |entry| {
        render(entry, world.available(&entry.product))
    }))
}

/// Which entries were asked for.
struct Filter {
    since: Option<OffsetDateTime>,
    bound: Bound,
    types: Vec<LicenseType>,
    removed: bool,
}

impl Filter {
    fn read(world: &mut World, context: &Context<'_>) -> Result<Self, Refusal> {
        let call = context.call;
        let since = call
            .parameter("modifiedsince")?
            .map(|text| parse_date(text).ok_or_else(|| Refusal::invalid("modifiedSince", text)));
        let joined = call.parameters("licensetypes").any(|text| text.contains(','));
        if joined {
            world
                .journal
                .violation(context.number, ViolationKind::JoinedCollection);
        }
        let types = call.parameters("licensetypes").map(license_type);
        let mut types = types.collect::<Result<Vec<_>, _>>()?;
        if types.is_empty() {
            types.extend(LicenseType::ALL);
        }
        types.sort_unstable();
        types.dedup();
        flag(context, "includesubscription")?;
        Ok(Self {
            since: since.transpose()?,
            bound: world.config.modified_since,
            types,
            removed: flag(context, "includeremoved")?.unwrap_or(true),
        })
    }

    fn includes(&self, entry: &Entry) -> bool {
        let modified = entry.last_modified.to_offset_date_time();
        let recent = self.since.is_none_or(|since| match self.bound {
            Bound::Inclusive => modified >= since,
            Bound::Exclusive => modified > since,
        });
        let shown = match entry.ownership {
            Ownership::Active => true,
            Ownership::Removed => self.removed,
            Ownership::NotOwned => false,
        };
        recent && shown && self.types.contains(&entry.product.license_type)
    }

    /// What a continuation token is bound to.
    fn describe(&self) -> String {
        let since = self.since.map(OffsetDateTime::unix_timestamp_nanos);
        format!("inventory?{since:?}&{:?}&{}", self.types, self.removed)
    }
}

fn license_type(text: &str) -> Result<LicenseType, Refusal> {
    LicenseType::ALL
        .iter()
        .find(|one| one.as_str().eq_ignore_ascii_case(text))
        .copied()
        .ok_or_else(|| Refusal::invalid("licenseTypes", text))
}

fn flag(context: &Context<'_>, name: &'static str) -> Result<Option<bool>, Refusal> {
    let Some(text) = context.call.parameter(name)? else {
        return Ok(None);
    };
    text.to_ascii_lowercase()
        .parse()
        .map(Some)
        .map_err(|_| Refusal::invalid(name, text))
}

fn render(entry: &Entry, available: u64) -> Value {
    let product = &entry.product;
    json!({
        "productKey": key_json(&product.key),
        "seatCapacity": product.seat_capacity,
        "availableSeats": available,
        "lastModified": service_date(entry.last_modified),
        "licenseType": product.license_type.as_str(),
        "distributionPolicy": product.policy.as_str(),
        "status": entry.ownership.as_str(),
    })
}
