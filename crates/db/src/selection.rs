//! The devices that a deployment is for, worked on where they are: a hundred thousand of them are a few statements, and
//! what the server gets to see is how they differ, not each of them.

use crate::{
    conn::Conn,
    devices,
    error::DbError,
    param::{Rows, params},
    row::Row,
    sql::sql,
    targets,
};
use qm_core::{AppId, Architecture, DeviceId, GroupId, Version, deployment::Target, device::Device};

/// Enrolled devices, each once: named one by one, by their groups, and by their users (lower case).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Devices.
    pub devices: Vec<DeviceId>,
    /// Groups of devices.
    pub groups: Vec<GroupId>,
    /// Users: all their devices.
    pub users: Vec<String>,
}

impl Selection {
    /// The first three parameters of every statement with `{selected}`.
    pub(crate) fn rows(&self) -> (Rows<'_>, Rows<'_>, Rows<'_>) {
        (
            Rows::of(self.devices.iter().map(|id| (*id,))),
            Rows::of(self.groups.iter().map(|id| (*id,))),
            Rows::of(self.users.iter().map(|upn| (upn,))),
        )
    }
}

/// What the choice of a package depends on. Devices of one kind get the same verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// Unknown until the first session.
    pub architecture: Option<Architecture>,
    /// Four parts.
    pub os_version: Option<Version>,
}

impl Kind {
    /// As the statements write it.
    pub(crate) fn key(self) -> String {
        let architecture = self.architecture.map_or("", Architecture::as_str);
        let version = self.os_version.map(|version| version.to_string());
        format!("{architecture} {}", version.unwrap_or_default())
    }
}

/// What a selection names that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// No enrolled device.
    pub devices: Vec<DeviceId>,
    /// No group.
    pub groups: Vec<GroupId>,
    /// Users without an enrolled device.
    pub users: Vec<String>,
}

/// What is named and cannot be found.
pub async fn missing(conn: &mut Conn, selection: &Selection) -> Result<Missing, DbError> {
    let (devices, groups, users) = selection.rows();
    let mut missing = Missing::default();
    if !selection.devices.is_empty() {
        missing.devices = conn
            .all(&MISSING_DEVICES, params![devices], |row| row.get("id"))
            .await?;
    }
    if !selection.groups.is_empty() {
        missing.groups = conn
            .all(&MISSING_GROUPS, params![groups], |row| row.get("id"))
            .await?;
    }
    if !selection.users.is_empty() {
        missing.users = conn
            .all(&MISSING_USERS, params![users], |row| row.get("upn"))
            .await?;
    }
    Ok(missing)
}

/// The kinds of the selected devices, with how many there are of each.
pub async fn kinds(conn: &mut Conn, selection: &Selection) -> Result<Vec<(Kind, i64)>, DbError> {
    let (devices, groups, users) = selection.rows();
    conn.all(&KINDS, params![devices, groups, users], |row| {
        Ok((read_kind(row)?, row.get("n")?))
    })
    .await
}

/// The live targets of an app on the selected devices, at most one for each, with the kinds of their devices.
pub async fn live_of_app(
    conn: &mut Conn,
    selection: &Selection,
    app: AppId,
) -> Result<Vec<(Target, Kind)>, DbError> {
    let (devices, groups, users) = selection.rows();
    conn.all(&LIVE_OF_APP, params![devices, groups, users, app], |row| {
        Ok((targets::read(row)?, read_kind(row)?))
    })
    .await
}

/// The selected devices of some kinds.
pub async fn devices_of(
    conn: &mut Conn,
    selection: &Selection,
    kinds: &[Kind],
) -> Result<Vec<(DeviceId, Kind)>, DbError> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let (devices, groups, users) = selection.rows();
    let keys = keys(kinds);
    conn.all(&DEVICES_OF, params![devices, groups, users, keys], |row| {
        Ok((row.get("id")?, read_kind(row)?))
    })
    .await
}

/// One of the selected devices, neither of these kinds nor one of these.
pub async fn example(
    conn: &mut Conn,
    selection: &Selection,
    except: (&[Kind], &[DeviceId]),
) -> Result<Option<Device>, DbError> {
    let (devices, groups, users) = selection.rows();
    let (kinds, others) = (keys(except.0), Rows::of(except.1.iter().map(|id| (*id,))));
    let params = params![devices, groups, users, kinds, others];
    conn.optional(&EXAMPLE, params, devices::read).await
}

/// How many users of selected devices hold no seat of an app and are not about to; without devices of these kinds and
/// without these.
pub async fn users_without_seat(
    conn: &mut Conn,
    selection: &Selection,
    app: AppId,
    except: (&[Kind], &[DeviceId]),
) -> Result<i64, DbError> {
    let (devices, groups, users) = selection.rows();
    let (kinds, others) = (keys(except.0), Rows::of(except.1.iter().map(|id| (*id,))));
    let params = params![devices, groups, users, kinds, others, app];
    conn.one(&USERS_WITHOUT_SEAT, params, |row| row.get("n")).await
}

fn keys(kinds: &[Kind]) -> Rows<'_> {
    Rows::of(kinds.iter().map(|kind| (kind.key(),)))
}

fn read_kind(row: Row<'_>) -> Result<Kind, DbError> {
    Ok(Kind {
        architecture: row.optional("architecture")?,
        os_version: row.optional("os_version")?,
    })
}

sql! {
    columns devices::COLUMNS;
    MISSING_DEVICES = "SELECT given.id FROM {rows $1 id blob} \
        WHERE given.id NOT IN (SELECT id FROM devices WHERE state <> 'ended' AND id = given.id)";
    MISSING_GROUPS = "SELECT given.id FROM {rows $1 id blob} \
        WHERE given.id NOT IN (SELECT id FROM device_groups WHERE id = given.id)";
    MISSING_USERS = "SELECT given.upn FROM {rows $1 upn text} \
        WHERE given.upn NOT IN (SELECT upn FROM devices WHERE upn = given.upn AND state <> 'ended')";
    KINDS = "SELECT d.architecture, d.os_version, count(*) AS n \
        FROM {selected} JOIN devices d ON d.id = selected.id WHERE d.state <> 'ended' \
        GROUP BY d.architecture, d.os_version ORDER BY n DESC";
    LIVE_OF_APP = "SELECT t.id, t.deployment_id, t.app_id, t.intent, t.context, t.device_id, t.upn, t.state, \
          t.attempts, t.error, t.package_id, t.license_accepted, t.not_before, t.deadline, t.updated_at, \
          d.architecture, d.os_version \
        FROM {selected} JOIN targets t ON t.device_id = selected.id AND t.app_id = $4 AND t.open \
        JOIN devices d ON d.id = t.device_id WHERE d.state <> 'ended'";
    DEVICES_OF = "SELECT d.id, d.architecture, d.os_version FROM {selected} JOIN devices d ON d.id = selected.id \
        WHERE d.state <> 'ended' AND {kind d} IN (SELECT given.kind FROM {rows $4 kind text})";
    EXAMPLE = "SELECT {columns d} FROM {selected} JOIN devices d ON d.id = selected.id WHERE d.state <> 'ended' \
        AND {kind d} NOT IN (SELECT given.kind FROM {rows $4 kind text}) \
        AND d.id NOT IN (SELECT given.id FROM {rows $5 id blob}) LIMIT 1";
    USERS_WITHOUT_SEAT = "SELECT count(DISTINCT d.upn) AS n FROM {selected} JOIN devices d ON d.id = selected.id \
        WHERE d.state <> 'ended' AND {kind d} NOT IN (SELECT given.kind FROM {rows $4 kind text}) \
        AND d.id NOT IN (SELECT given.id FROM {rows $5 id blob}) \
        AND NOT EXISTS (SELECT 1 FROM seats s WHERE s.app_id = $6 AND s.upn = d.upn \
          AND s.state IN ('assigned', 'assigning'))";
}
