//! Devices by the hundred thousand, as rows: enrolling them for real would take longer than what is measured.

use anyhow::{Context as _, Result};
use qm_core::{Clock, DeviceId, PageRequest, Rng, Sha256, device::Device};
use qm_db::{Db, certificates, devices, devices::DeviceFilter};
use quartermaster::config::Config;

/// The user of seeded devices.
pub const UPN: &str = "fleet@quartermaster.example";

/// Whose the devices are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// All of [`UPN`].
    One,
    /// Each of a user of its own.
    Each,
}

/// Adds devices like the one that enrolled last, each with a certificate; their ids. The server must not be running.
pub async fn devices(config: &Config, count: u64, users: Users) -> Result<Vec<DeviceId>> {
    let mut ids = Vec::new();
    let db = Db::connect(&config.database_url()).await?;
    let (device, certificate) = {
        let mut conn = db.read().await?;
        let page = devices::list(&mut conn, &DeviceFilter::default(), PageRequest::first(1)).await?;
        let device = page.items.into_iter().next().context("no device has enrolled")?;
        let certificate = certificates::newest_active(&mut conn, device.id).await?;
        (device, certificate.context("it has no certificate")?)
    };
    let (clock, rng) = (Clock::system(), Rng::system());
    for begun in (0..count).step_by(AT_ONCE) {
        let mut tx = db.begin("bench.seed").await?;
        for number in begun..count.min(begun + AT_ONCE as u64) {
            let id = DeviceId::new(clock.now(), &rng);
            let mut device = like(&device, id, &rng);
            if users == Users::Each {
                device.upn = format!("user{number}@quartermaster.example");
            }
            devices::insert(&mut tx, &device).await?;
            ids.push(id);
            let mut certificate = certificate.clone();
            certificate.device_id = id;
            certificate.fingerprint = Sha256(rng.bytes());
            certificate.public_key = Sha256(rng.bytes());
            certificates::insert(&mut tx, &certificate).await?;
        }
        tx.commit().await?;
    }
    db.close().await;
    Ok(ids)
}

fn like(device: &Device, id: DeviceId, rng: &Rng) -> Device {
    Device {
        id,
        dm_id: Sha256(rng.bytes()).to_string().to_uppercase()[..32].to_owned(),
        hardware_id: Sha256(rng.bytes()).to_string().to_uppercase(),
        name: format!("PC-{:06}", rng.below(1_000_000)),
        upn: UPN.to_owned(),
        ..device.clone()
    }
}

const AT_ONCE: usize = 2000;
