//! Groups of devices.

use crate::{
    conn::Conn,
    db::Tx,
    error::DbError,
    paging,
    param::{Rows, params},
    row::Row,
    sql::sql,
};
use qm_core::{DeviceId, GroupId, Page, PageRequest, group::Group};
use std::collections::{BTreeSet, HashMap};

/// Stores a new group with its members. Another group of the same name is a [`DbError::Conflict`].
pub async fn create(tx: &mut Tx, group: &Group) -> Result<(), DbError> {
    tx.execute(&INSERT, params![group.id, &group.name]).await?;
    add_members(tx, group.id, &group.members).await
}

/// One group.
pub async fn find(conn: &mut Conn, id: GroupId) -> Result<Option<Group>, DbError> {
    let found = conn.optional(&FIND, params![id], read).await?;
    Ok(with_members(conn, found.into_iter().collect()).await?.pop())
}

/// All groups, newest first.
pub async fn list(conn: &mut Conn, page: PageRequest) -> Result<Page<Group>, DbError> {
    let groups = conn
        .all(&LIST, params![paging::before(page), paging::rows(page)], read)
        .await?;
    let mut page = paging::cut(groups, page, |group| group.id.0);
    page.items = with_members(conn, page.items).await?;
    Ok(page)
}

/// Makes the given devices the group's members. An unknown device is a [`DbError::MissingReference`].
pub async fn set_members(tx: &mut Tx, id: GroupId, devices: &[DeviceId]) -> Result<(), DbError> {
    tx.execute(&REMOVE_OTHERS, params![id, distinct(devices)]).await?;
    add_members(tx, id, devices).await
}

/// Removes a group; whether it existed.
pub async fn delete(tx: &mut Tx, id: GroupId) -> Result<bool, DbError> {
    Ok(tx.execute(&DELETE, params![id]).await? > 0)
}

/// The devices that are in at least one of the groups, each once.
pub async fn members(conn: &mut Conn, groups: &[GroupId]) -> Result<Vec<DeviceId>, DbError> {
    let groups = Rows::of(groups.iter().map(|id| (*id,)));
    conn.all(&MEMBERS, params![groups], |row| row.get("device_id"))
        .await
}

async fn add_members(tx: &mut Tx, id: GroupId, devices: &[DeviceId]) -> Result<(), DbError> {
    if devices.is_empty() {
        return Ok(());
    }
    tx.execute(&ADD_MEMBERS, params![id, distinct(devices)])
        .await
        .map(|_| ())
}

fn distinct(devices: &[DeviceId]) -> Rows<'static> {
    Rows::of(devices.iter().map(|id| (*id,)).collect::<BTreeSet<_>>())
}

async fn with_members(conn: &mut Conn, mut groups: Vec<Group>) -> Result<Vec<Group>, DbError> {
    if groups.is_empty() {
        return Ok(groups);
    }
    let ids = Rows::of(groups.iter().map(|group| (group.id,)));
    let pairs = conn
        .all(&MEMBERSHIPS, params![ids], |row| {
            Ok((row.get("group_id")?, row.get("device_id")?))
        })
        .await?;
    let mut members: HashMap<GroupId, Vec<DeviceId>> = HashMap::new();
    for (group, device) in pairs {
        members.entry(group).or_default().push(device);
    }
    for group in &mut groups {
        group.members = members.remove(&group.id).unwrap_or_default();
    }
    Ok(groups)
}

fn read(row: Row<'_>) -> Result<Group, DbError> {
    Ok(Group {
        id: row.get("id")?,
        name: row.get("name")?,
        members: Vec::new(),
    })
}

sql! {
    INSERT = "INSERT INTO device_groups (id, name) VALUES ($1, $2)";
    FIND = "SELECT id, name FROM device_groups WHERE id = $1";
    LIST = "SELECT id, name FROM device_groups WHERE id < $1 ORDER BY id DESC LIMIT $2";
    DELETE = "DELETE FROM device_groups WHERE id = $1";
    REMOVE_OTHERS = "DELETE FROM group_members WHERE group_id = $1 \
        AND device_id NOT IN (SELECT given.id FROM {rows $2 id blob})";
    ADD_MEMBERS = "INSERT INTO group_members (group_id, device_id) SELECT $1, given.id FROM {rows $2 id blob} \
        WHERE TRUE ON CONFLICT (group_id, device_id) DO NOTHING";
    MEMBERS = "SELECT DISTINCT m.device_id FROM group_members m \
        WHERE m.group_id IN (SELECT given.id FROM {rows $1 id blob})";
    MEMBERSHIPS = "SELECT m.group_id, m.device_id FROM group_members m \
        WHERE m.group_id IN (SELECT given.id FROM {rows $1 id blob}) ORDER BY m.group_id, m.device_id";
}
