//! Devices: lists, inventory, and how administrators make them leave.

mod end;

pub(crate) use end::release_seat_reasons;

use crate::{Orchestrator, UseCaseError, access::Caller, audit, tokens::sought};
use qm_core::{
    DeviceId, Page, PageRequest,
    device::{Device, DeviceCertificate, DeviceState, EndReason, InstalledApp},
};
use qm_db::{certificates, device_apps, devices, devices::DeviceFilter, run};
use serde_json::json;
use std::collections::HashMap;
use uuid::Uuid;

/// Which devices a list shows; everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this user.
    pub upn: Option<String>,
    /// `enrolled` or `unenrolled`.
    pub state: Option<String>,
    /// With this text in name, user, hardware id or model.
    pub q: Option<String>,
}

/// A device and the certificate that lasts longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDetail {
    /// The device.
    pub device: Device,
    /// Its certificate.
    pub certificate: Option<DeviceCertificate>,
}

impl Orchestrator {
    /// The devices that match, newest enrollment first.
    pub async fn devices(
        &self,
        filter: Filter,
        page: PageRequest,
    ) -> Result<Page<DeviceDetail>, UseCaseError> {
        let filter = DeviceFilter {
            upn: sought("upn", filter.upn.as_deref())?.map(|upn| upn.to_lowercase()),
            enrolled: filter.state.as_deref().map(enrolled).transpose()?,
            q: sought("q", filter.q.as_deref())?,
        };
        let mut conn = self.db.read().await?;
        let found = devices::list(&mut conn, &filter, page).await?;
        let ids: Vec<_> = found.items.iter().map(|device| device.id).collect();
        let newest = certificates::newest_of(&mut conn, &ids).await?;
        let mut newest: HashMap<_, _> = newest.into_iter().map(|c| (c.device_id, c)).collect();
        Ok(found.map(|device| DeviceDetail {
            certificate: newest.remove(&device.id),
            device,
        }))
    }

    /// One device.
    pub async fn device(&self, id: DeviceId) -> Result<DeviceDetail, UseCaseError> {
        let mut conn = self.db.read().await?;
        let device = devices::find(&mut conn, id).await?.ok_or_else(|| not_found(id))?;
        let certificate = certificates::newest_of(&mut conn, &[id]).await?.pop();
        Ok(DeviceDetail { device, certificate })
    }

    /// Makes a device leave: it is told so when it calls next. With `force` its certificate opens nothing from now on,
    /// without asking the device.
    pub async fn remove_device(
        &self,
        caller: &Caller,
        id: DeviceId,
        force: bool,
    ) -> Result<(), UseCaseError> {
        let now = self.clock.now();
        let seats_due: Result<bool, UseCaseError> = run!(self.db, "device.remove", |tx| {
            let device = devices::find(tx, id).await?.ok_or_else(|| not_found(id))?;
            if !device.state.is_enrolled() {
                return Err(UseCaseError::Conflict("the device has left already".to_owned()));
            }
            let (action, seats_due) = if force {
                (
                    "device.revoke",
                    self.end_device(tx, &device, EndReason::Revoked, now).await?,
                )
            } else {
                devices::set_state(tx, id, DeviceState::Leaving).await?;
                ("device.unenroll", false)
            };
            let detail = json!({ "name": device.name, "upn": device.upn });
            audit::record(tx, now, &self.rng, caller, action, id, detail).await?;
            Ok(seats_due)
        });
        if seats_due? {
            self.wake.all();
        }
        Ok(())
    }

    /// A page of what a device reported to have installed, by package full name, and the cursor of the next one.
    pub async fn device_apps(
        &self,
        id: DeviceId,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<(Vec<InstalledApp>, Option<String>), UseCaseError> {
        let after = cursor.map(|cursor| {
            let problem = "must be the `next_cursor` of the page before";
            Uuid::parse_str(cursor).map_err(|_| UseCaseError::invalid("cursor", problem))
        });
        let page = PageRequest {
            limit,
            after: after.transpose()?,
        };
        let mut conn = self.db.read().await?;
        devices::find(&mut conn, id).await?.ok_or_else(|| not_found(id))?;
        let apps = device_apps::list(&mut conn, id, page).await?;
        Ok((apps.items, apps.next.map(|next| next.to_string())))
    }
}

fn enrolled(state: &str) -> Result<bool, UseCaseError> {
    match state {
        "enrolled" => Ok(true),
        "unenrolled" => Ok(false),
        _ => Err(UseCaseError::invalid(
            "state",
            "must be `enrolled` or `unenrolled`",
        )),
    }
}

fn not_found(id: DeviceId) -> UseCaseError {
    UseCaseError::not_found("device", id)
}
