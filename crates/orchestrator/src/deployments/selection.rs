//! The devices that a request means.

use super::Request;
use crate::UseCaseError;
use qm_core::{DeviceId, device::Device};
use qm_db::{Conn, devices, groups};
use std::collections::{BTreeMap, BTreeSet};

/// Every enrolled device that the request names, once. What cannot be found is told by name, all of it at once.
pub async fn select(conn: &mut Conn, request: &Request) -> Result<Vec<Device>, UseCaseError> {
    let mut selected = BTreeMap::new();
    let mut unknown = Vec::new();
    add_devices(conn, request, &mut selected, &mut unknown).await?;
    add_groups(conn, request, &mut selected, &mut unknown).await?;
    add_users(conn, request, &mut selected, &mut unknown).await?;
    if !unknown.is_empty() {
        return Err(UseCaseError::invalid(
            "targets",
            format!("not found: {}", unknown.join(", ")),
        ));
    }
    if selected.is_empty() {
        return Err(UseCaseError::invalid(
            "targets",
            "name at least one enrolled device, group with members, or user",
        ));
    }
    Ok(selected.into_values().collect())
}

type Selected = BTreeMap<DeviceId, Device>;

async fn add_devices(
    conn: &mut Conn,
    request: &Request,
    selected: &mut Selected,
    unknown: &mut Vec<String>,
) -> Result<(), UseCaseError> {
    if request.device_ids.is_empty() {
        return Ok(());
    }
    selected.extend(
        devices::by_ids(conn, &request.device_ids)
            .await?
            .into_iter()
            .map(|d| (d.id, d)),
    );
    let missing = request.device_ids.iter().filter(|id| !selected.contains_key(id));
    unknown.extend(missing.map(|id| format!("enrolled device {id}")));
    Ok(())
}

async fn add_groups(
    conn: &mut Conn,
    request: &Request,
    selected: &mut Selected,
    unknown: &mut Vec<String>,
) -> Result<(), UseCaseError> {
    let mut members = BTreeSet::new();
    for id in &request.group_ids {
        match groups::find(conn, *id).await? {
            Some(group) => members.extend(group.members),
            None => unknown.push(format!("group {id}")),
        }
    }
    let members: Vec<_> = members.into_iter().collect();
    selected.extend(
        devices::by_ids(conn, &members)
            .await?
            .into_iter()
            .map(|d| (d.id, d)),
    );
    Ok(())
}

async fn add_users(
    conn: &mut Conn,
    request: &Request,
    selected: &mut Selected,
    unknown: &mut Vec<String>,
) -> Result<(), UseCaseError> {
    let upns: BTreeSet<String> = request.upns.iter().map(|upn| upn.trim().to_lowercase()).collect();
    let upns: Vec<_> = upns.into_iter().collect();
    let found = devices::by_upns(conn, &upns).await?;
    let with_device: BTreeSet<&str> = found.iter().map(|device| device.upn.as_str()).collect();
    let without = upns.iter().filter(|upn| !with_device.contains(upn.as_str()));
    unknown.extend(without.map(|upn| format!("enrolled device of {upn}")));
    selected.extend(found.into_iter().map(|d| (d.id, d)));
    Ok(())
}
