//! After the chaos: lets everything come to its end, then compares server, Store and devices.

use crate::{
    administrator::{Administrator, Wishes},
    world::{PATIENCE, World, online, upns},
};
use anyhow::{Context as _, Result, bail, ensure};
use qm_admin_api::types::{Command, Deployment, Device, DeviceApp, List, Target};
use qm_core::{
    DeviceId,
    deployment::{Intent, TargetState},
    seat::SeatState,
};
use qm_db::{Db, apps, seats, targets};
use qm_device_sim::Trigger;
use reqwest::Method;
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Waits until nothing is under way, then judges. Everything that is wrong is in the error.
pub async fn calm_down_and_judge(
    world: World,
    mut administrator: Administrator,
    wishes: &Wishes,
) -> Result<()> {
    let _ = world.store.set_seat_total(&online(), 100);
    world.api.synchronize().await?;
    let facts = calm_down(&world, &mut administrator, wishes).await?;
    let mut wrong = facts.wrong(wishes);
    wrong.extend(wrong_with_execs(&world, &administrator).await?);
    wrong.extend(wrong_at_the_store(&world, wishes).await?);
    for device in &world.devices {
        wrong.extend(device.lock().await.violations().iter().map(ToString::to_string));
    }
    wrong.extend(world.store.violations().iter().map(ToString::to_string));
    world.server.signal("TERM")?;
    ensure!(
        world.server.ended().await?.success(),
        "the server did not stop well"
    );
    wrong.extend(wrong_in_the_database(&world, wishes).await?);
    if !wrong.is_empty() {
        bail!("{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
    Ok(())
}

/// What server and devices say in the end.
struct Facts {
    deployments: Vec<(Deployment, Vec<Target>)>,
    devices: Vec<Device>,
    /// Family names by device: what the server lists, and what the device has.
    listed: BTreeMap<uuid::Uuid, BTreeSet<String>>,
    present: BTreeMap<uuid::Uuid, BTreeSet<String>>,
}

/// Devices call in and the administrator retries until every deployment is over.
async fn calm_down(world: &World, administrator: &mut Administrator, wishes: &Wishes) -> Result<Facts> {
    for round in 0..ROUNDS {
        for device in &world.devices {
            let mut device = device.lock().await;
            device.set_patience(PATIENCE);
            device
                .session(Trigger::Schedule)
                .await
                .with_context(|| world.server.tail())?;
        }
        let facts = Facts::read(world).await?;
        let open: Vec<_> = facts.unfinished().collect();
        let failed = facts.failed();
        if open.is_empty() && failed.is_empty() && settled(world).await? {
            return Ok(facts);
        }
        // What waits for its next attempt waits no longer; what was given up is ordered anew.
        if round % 4 == 3 {
            for deployment in open {
                retry(world, deployment).await?;
            }
            for (app, upn) in failed {
                administrator.order_again(app, upn, wishes).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let facts = Facts::read(world).await?;
    let stuck: Vec<_> = facts
        .unfinished()
        .map(|deployment| (deployment, facts.targets(deployment.id)))
        .collect();
    bail!(
        "not everything came to an end: {stuck:#?}\n{:?}\n{}",
        world.api.seats().await?,
        world.server.tail()
    )
}

/// Seats and their calls come after the targets.
async fn settled(world: &World) -> Result<bool> {
    let seats = world.api.seats().await?;
    Ok(seats
        .iter()
        .all(|seat| !matches!(seat.state.as_str(), "assigning" | "reclaiming")))
}

async fn retry(world: &World, deployment: &Deployment) -> Result<()> {
    let path = format!("/deployments/{}/retry", deployment.id);
    let response = world.api.request(Method::POST, &path).send().await?;
    ensure!(
        response.status().is_success(),
        "{path}: {}",
        response.text().await?
    );
    Ok(())
}

async fn items<T: DeserializeOwned>(world: &World, path: &str) -> Result<Vec<T>> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let next = cursor
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let response = world
            .api
            .request(Method::GET, &format!("{path}?limit=200{next}"))
            .send()
            .await?;
        let page: List<T> = response.error_for_status()?.json().await?;
        found.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

impl Facts {
    async fn read(world: &World) -> Result<Self> {
        let mut deployments = Vec::new();
        for deployment in items::<Deployment>(world, "/deployments").await? {
            let targets = items(world, &format!("/deployments/{}/targets", deployment.id)).await?;
            deployments.push((deployment, targets));
        }
        deployments.sort_by_key(|(deployment, _)| deployment.id);
        let devices: Vec<Device> = items(world, "/devices").await?;
        let (mut listed, mut present) = (BTreeMap::new(), BTreeMap::new());
        for device in &devices {
            let apps: Vec<DeviceApp> = items(world, &format!("/devices/{}/apps", device.id)).await?;
            listed.insert(
                device.id,
                apps.into_iter().map(|app| app.package_family_name).collect(),
            );
        }
        for device in &world.devices {
            let device = device.lock().await;
            let id = device.enrollment_id().context("it is enrolled")?.parse()?;
            let packages = device
                .packages()
                .iter()
                .filter(|package| !package.framework && !package.family_name.starts_with("Microsoft."))
                .map(|package| package.family_name.clone())
                .collect();
            present.insert(id, packages);
        }
        Ok(Self {
            deployments,
            devices,
            listed,
            present,
        })
    }

    /// Deployments with targets on their way.
    fn unfinished(&self) -> impl Iterator<Item = &Deployment> {
        let open = |targets: &[Target]| {
            let live = |target: &Target| !FINAL.contains(&target.state.as_str());
            targets.iter().any(live)
        };
        self.deployments
            .iter()
            .filter(move |(_, targets)| open(targets))
            .map(|(deployment, _)| deployment)
    }

    /// App and user of what was given up and that nobody has ordered since.
    fn failed(&self) -> BTreeSet<(uuid::Uuid, String)> {
        let mut newest = BTreeMap::new();
        for (deployment, targets) in &self.deployments {
            for target in targets
                .iter()
                .filter(|target| !UNTOUCHED.contains(&target.state.as_str()))
            {
                newest.insert((deployment.app_id, target.device_id), target);
            }
        }
        let failed = newest.into_iter().filter(|(_, target)| target.state == "failed");
        failed
            .map(|((app, _), target)| (app, target.upn.clone()))
            .collect()
    }

    fn targets(&self, id: uuid::Uuid) -> Vec<&Target> {
        self.deployments
            .iter()
            .filter(|(deployment, _)| deployment.id == id)
            .flat_map(|(_, targets)| targets)
            .collect()
    }

    fn wrong(&self, wishes: &Wishes) -> Vec<String> {
        let mut wrong = self.wrong_counts();
        for device in &self.devices {
            let (listed, present) = (&self.listed[&device.id], &self.present[&device.id]);
            if listed != present {
                wrong.push(format!(
                    "{} has {present:?}, the server lists {listed:?}",
                    device.name
                ));
            }
            for ((family, upn), intent) in wishes.iter().filter(|((_, upn), _)| *upn == device.upn) {
                if present.contains(family) != (*intent == "required") {
                    wrong.push(format!(
                        "{} of {upn} shall have {family} {intent}: {present:?}",
                        device.name
                    ));
                }
            }
        }
        wrong
    }

    fn wrong_counts(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (deployment, targets) in &self.deployments {
            let mut counted = BTreeMap::<String, i64>::new();
            for target in targets {
                *counted.entry(target.state.clone()).or_default() += 1;
            }
            let told: BTreeMap<_, _> = deployment
                .counts
                .iter()
                .filter(|(_, count)| **count != 0)
                .map(|(state, count)| (state.clone(), *count))
                .collect();
            if told != counted {
                wrong.push(format!(
                    "deployment {} counts {told:?}, its targets are {counted:?}",
                    deployment.id
                ));
            }
            if deployment.state == "active" {
                wrong.push(format!(
                    "deployment {} is still active: {counted:?}",
                    deployment.id
                ));
            }
        }
        wrong
    }
}

/// Who shall hold a seat, by what was wished.
fn entitled(wishes: &Wishes, family: &str) -> BTreeSet<String> {
    wishes
        .iter()
        .filter(|((wished, _), intent)| wished == family && **intent == "required")
        .map(|((_, upn), _)| upn.clone())
        .collect()
}

/// Seats at the Store, in our ledger, and as wished.
async fn wrong_at_the_store(world: &World, wishes: &Wishes) -> Result<Vec<String>> {
    let family = online_family(world);
    let entitled = entitled(wishes, &family);
    let held: BTreeSet<_> = world
        .store
        .seat_holders(&online())
        .into_iter()
        .map(|upn| upn.to_lowercase())
        .collect();
    let ledger = world.api.seats().await?;
    let ours: BTreeSet<_> = ledger
        .iter()
        .filter(|seat| seat.state == "assigned")
        .map(|seat| seat.upn.clone())
        .collect();
    Ok(if held == ours && held == entitled {
        Vec::new()
    } else {
        vec![format!(
            "seats: wished {entitled:?}, at the Store {held:?}, in the ledger {ours:?}: {ledger:?}"
        )]
    })
}

fn online_family(world: &World) -> String {
    let products = world.store.products();
    let product = products.iter().find(|product| product.key == online());
    product
        .and_then(|product| product.family_name.clone())
        .unwrap_or_default()
}

/// Every `Exec` at most once; one that was answered, exactly once.
async fn wrong_with_execs(world: &World, administrator: &Administrator) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for device in &world.devices {
        let device = device.lock().await;
        let id: uuid::Uuid = device.enrollment_id().context("it is enrolled")?.parse()?;
        let mut runs = BTreeMap::<&str, u64>::new();
        for (uri, _) in device.execs() {
            *runs.entry(uri).or_default() += 1;
        }
        let commands: Vec<Command> = items(world, &format!("/devices/{id}/commands")).await?;
        for uri in administrator.execs.get(&id).into_iter().flatten() {
            let count = runs.get(uri.as_str()).copied().unwrap_or(0);
            let known: Vec<_> = commands.iter().filter(|command| command.uri == *uri).collect();
            let [command] = known.as_slice() else {
                wrong.push(format!(
                    "{} commands for {uri}, which was asked for once",
                    known.len()
                ));
                continue;
            };
            if count > 1 || (command.status.is_some() && count != 1) {
                wrong.push(format!("{uri} ran {count} times: {command:?}"));
            }
        }
    }
    Ok(wrong)
}

/// What only the database knows: jobs, and the reasons of seats.
async fn wrong_in_the_database(world: &World, wishes: &Wishes) -> Result<Vec<String>> {
    let db = Db::connect(&quartermaster::config::Config::load(&world.installation.config())?.database_url())
        .await?;
    let mut wrong = Vec::new();
    let stuck = db
        .execute_raw("UPDATE jobs SET attempts = attempts WHERE state IN ('running', 'dead')")
        .await?;
    if stuck > 0 {
        wrong.push(format!("{stuck} jobs are stuck"));
    }
    let family = online_family(world);
    let mut conn = db.read().await?;
    let app = apps::available_from_store(&mut conn)
        .await?
        .into_iter()
        .find(|app| app.package_family_name.as_ref() == Some(&family));
    let app = app.context("the online app is in the catalogue")?;
    let idle = seats::without_reason(&mut conn, app.id, 100).await?;
    if !idle.is_empty() {
        wrong.push(format!("seats without a reason: {idle:?}"));
    }
    for upn in upns() {
        let Some(seat) = seats::find(&mut conn, app.id, &upn).await? else {
            continue;
        };
        let reasons = seats::reasons_of(&mut conn, seat.id).await?;
        let mut devices = BTreeSet::<DeviceId>::new();
        for reason in &reasons {
            let target = targets::find(&mut conn, *reason)
                .await?
                .context("a reason is a target")?;
            devices.insert(target.device_id);
            if target.intent != Intent::Required || target.state != TargetState::Installed {
                wrong.push(format!("a seat is held for {target:?}"));
            }
        }
        let once: BTreeSet<_> = reasons.iter().map(|reason| reason.0).collect();
        if once.len() != reasons.len() {
            wrong.push(format!("a reason of {upn} is counted twice: {reasons:?}"));
        }
        let holds = seat.state == SeatState::Assigned;
        let entitled = wishes.get(&(family.clone(), upn.clone())) == Some(&"required");
        let owned = if upn == upns()[0] { 2 } else { 1 };
        if holds != entitled || devices.len() != if entitled { owned } else { 0 } {
            wrong.push(format!(
                "{upn}: seat {:?}, wished {entitled}, reasons {reasons:?}",
                seat.state
            ));
        }
    }
    drop(conn);
    db.close().await;
    Ok(wrong)
}

const FINAL: &[&str] = &["installed", "removed", "failed", "cancelled", "not_applicable"];
/// Final states that say nothing about the device.
const UNTOUCHED: &[&str] = &["cancelled", "not_applicable"];
/// Rounds until everything has to be over.
const ROUNDS: usize = 100;
