//! Groups of devices.

use crate::{Orchestrator, UseCaseError, access::Caller, audit, tokens::plain};
use qm_core::{DeviceId, GroupId, Page, PageRequest, group::Group};
use qm_db::{Conn, DbError, devices, groups, run};
use serde_json::json;
use std::collections::BTreeSet;

impl Orchestrator {
    /// Makes an empty group. Its name must not be taken.
    pub async fn create_group(&self, caller: &Caller, name: &str) -> Result<Group, UseCaseError> {
        let name = plain("name", name, MAX_NAME)?.to_owned();
        let now = self.clock.now();
        let group = Group {
            id: GroupId::new(now, &self.rng),
            name,
            members: Vec::new(),
        };
        let stored: Result<(), UseCaseError> = run!(self.db, "group.create", |tx| {
            groups::create(tx, &group)
                .await
                .map_err(|error| taken(error, &group.name))?;
            let detail = json!({ "name": group.name });
            audit::record(tx, now, &self.rng, caller, "group.create", group.id, detail).await?;
            Ok(())
        });
        stored.map(|()| group)
    }

    /// All groups with their members, newest first.
    pub async fn groups(&self, page: PageRequest) -> Result<Page<Group>, UseCaseError> {
        Ok(groups::list(&mut self.db.read().await?, page).await?)
    }

    /// Makes these devices the group's members. Each must be known; one that is named twice counts once.
    pub async fn set_members(
        &self,
        caller: &Caller,
        id: GroupId,
        members: Vec<DeviceId>,
    ) -> Result<Group, UseCaseError> {
        if members.len() > MAX_MEMBERS {
            let problem = format!("a group has at most {MAX_MEMBERS} devices");
            return Err(UseCaseError::invalid("device_ids", problem));
        }
        let members: Vec<_> = members.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let now = self.clock.now();
        run!(self.db, "group.members", |tx| {
            let group = groups::find(tx, id)
                .await?
                .ok_or_else(|| UseCaseError::not_found("group", id))?;
            refuse_unknown(tx, &members).await?;
            groups::set_members(tx, id, &members).await?;
            let detail = json!({ "before": group.members.len(), "members": members.len() });
            audit::record(tx, now, &self.rng, caller, "group.members", id, detail).await?;
            Ok(Group {
                members: members.clone(),
                ..group
            })
        })
    }
}

fn taken(error: DbError, name: &str) -> UseCaseError {
    match error {
        DbError::Conflict { .. } => UseCaseError::Conflict(format!(
            "there is a group named `{name}` already; choose another name"
        )),
        other => other.into(),
    }
}

/// Devices that have left stay members until they are taken out, so that a list that was read can be written back.
async fn refuse_unknown(conn: &mut Conn, ids: &[DeviceId]) -> Result<(), UseCaseError> {
    let enrolled: BTreeSet<_> = devices::by_ids(conn, ids)
        .await?
        .into_iter()
        .map(|device| device.id)
        .collect();
    let mut unknown = Vec::new();
    for id in ids.iter().filter(|id| !enrolled.contains(id)) {
        if devices::find(conn, *id).await?.is_none() {
            unknown.push(id.to_string());
        }
        if unknown.len() == MAX_LISTED {
            break;
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let more = if unknown.len() == MAX_LISTED { ", …" } else { "" };
    Err(UseCaseError::invalid(
        "device_ids",
        format!("unknown devices: {}{more}", unknown.join(", ")),
    ))
}

const MAX_NAME: usize = 100;
const MAX_MEMBERS: usize = 100_000;
/// Unknown devices that an error names.
const MAX_LISTED: usize = 20;
