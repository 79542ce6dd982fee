//! What the demonstration does, one chapter after the other.

use super::{
    Demo,
    scene::Scene,
    screen::{self, Screen},
};
use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::try_join_all;
use qm_admin_api::types::{App, Deployment};
use qm_device_sim::Trigger;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// How often the devices call in before a chapter is given up.
const ROUNDS: usize = 12;
const PAUSE: Duration = Duration::from_millis(100);
/// How long the server may take for what it does by itself.
const PATIENCE: usize = 100;

/// What was done with an app.
struct Act {
    app: String,
    deployment: Uuid,
    removal: Option<Uuid>,
}

/// Tells the whole story; whether every app reached its devices.
pub async fn tell(scene: &Scene, demo: &Demo, screen: &Screen) -> Result<bool> {
    enroll(scene, screen).await?;
    let apps = synchronize(scene, screen).await?;
    let online = find(&apps, "online")?;
    let offline = find(&apps, "offline")?;
    let mut acts = vec![online_app(scene, screen, online).await?];
    acts.push(everywhere(scene, screen, offline).await?);
    if let Some(file) = &demo.package {
        let app = upload(scene, screen, file, &demo.dependency).await?;
        acts.push(everywhere(scene, screen, &app).await?);
    }
    seats(scene, screen).await?;
    conclude(scene, &acts).await
}

async fn enroll(scene: &Scene, screen: &Screen) -> Result<()> {
    screen::chapter("Enrollment (MS-MDE2): discovery, policy, certificate, first management session");
    let bar = screen::bar("enrolling", scene.devices.len() as u64);
    let enrolled = scene.devices.iter().map(|device| {
        let (device, bar) = (Arc::clone(device), bar.clone());
        async move {
            let mut device = device.lock().await;
            device.enroll().await.context("a device could not enroll")?;
            device.session(Trigger::PostEnrollment).await?;
            bar.inc(1);
            Ok::<_, anyhow::Error>(())
        }
    });
    try_join_all(enrolled).await?;
    bar.finish_and_clear();
    let devices = scene.api.devices().await?;
    ensure!(
        devices.len() == scene.devices.len(),
        "{} devices are listed",
        devices.len()
    );
    screen.step(&format!(
        "{} devices enrolled, inventory read, settings applied",
        devices.len()
    ));
    if let Some(device) = devices.last() {
        let os = device.os_version.as_deref().unwrap_or("?");
        screen::note(&format!("e.g. {} of {}, Windows {os}", device.name, device.upn));
    }
    Ok(())
}

async fn synchronize(scene: &Scene, screen: &Screen) -> Result<Vec<App>> {
    screen::chapter("The catalogue");
    scene.api.synchronize().await?;
    for _ in 0..PATIENCE {
        let status = scene.api.store_status().await?;
        if let Some(error) = status.last_error {
            bail!("the synchronization failed: {error}");
        }
        if status.state == "idle" && status.last_success_at.is_some() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let apps = scene.api.apps().await?;
    for app in &apps {
        let seats = app
            .seats
            .as_ref()
            .and_then(|seats| seats.total)
            .map(|n| format!(", {n} seats"))
            .unwrap_or_default();
        screen.step(&format!(
            "{} ({}-licensed{seats}, {} packages)",
            app.name,
            app.license,
            app.packages.len()
        ));
    }
    Ok(apps)
}

fn find<'a>(apps: &'a [App], license: &str) -> Result<&'a App> {
    apps.iter()
        .find(|app| app.license == license)
        .with_context(|| format!("the catalogue has no {license}-licensed app"))
}

/// One seat too few: all but one install; one gives its seat back; the last one gets it.
async fn online_app(scene: &Scene, screen: &Screen, app: &App) -> Result<Act> {
    screen::chapter(&format!(
        "{}: online-licensed, seat first, then the install",
        app.name
    ));
    let deployment = scene.api.deploy(app, "required", &scene.upns).await?;
    let seats = app
        .seats
        .as_ref()
        .and_then(|seats| seats.total)
        .unwrap_or_default();
    let waiting = scene.count() - seats;
    settle(scene, deployment.id, |d| {
        count(d, "queued") == seats && count(d, "awaiting_seat") == waiting
    })
    .await?;
    screen.step(&format!(
        "{seats} seats assigned at the Store; {waiting} user waits for one"
    ));
    installed_on(scene, deployment.id, seats).await?;
    screen.step(&format!(
        "{seats} devices installed it, proved by their inventory"
    ));
    let removal = if waiting > 0 {
        Some(hand_over(scene, screen, app, deployment.id).await?)
    } else {
        None
    };
    Ok(Act {
        app: app.name.clone(),
        deployment: deployment.id,
        removal,
    })
}

/// A seat goes from a user whose app is removed to the user who waits.
async fn hand_over(scene: &Scene, screen: &Screen, app: &App, deployment: Uuid) -> Result<Uuid> {
    let giver = holder(scene, deployment).await?;
    let removal = scene
        .api
        .deploy(app, "uninstall", std::slice::from_ref(&giver))
        .await?;
    rounds(scene, removal.id, |d| count(d, "removed") == 1).await?;
    screen.step(&format!("removed from {giver}; its seat goes back to the Store"));
    settle(scene, deployment, |d| count(d, "awaiting_seat") == 0).await?;
    screen.step("the waiting user has the seat now");
    installed_on(scene, deployment, scene.count()).await?;
    screen.step("the last device installed it with the seat that was given back");
    Ok(removal.id)
}

/// The devices call in until so many have installed it.
async fn installed_on(scene: &Scene, deployment: Uuid, devices: i64) -> Result<()> {
    let bar = screen::bar("installing", devices.unsigned_abs());
    rounds(scene, deployment, |d| {
        bar.set_position(count(d, "installed").unsigned_abs());
        count(d, "installed") == devices
    })
    .await?;
    bar.finish_and_clear();
    Ok(())
}

/// Somebody who has the app.
async fn holder(scene: &Scene, deployment: Uuid) -> Result<String> {
    let targets = scene.api.targets(deployment).await?;
    let installed = targets.into_iter().find(|target| target.state == "installed");
    Ok(installed.context("nobody has the app")?.upn)
}

/// An app from our own content store.
async fn everywhere(scene: &Scene, screen: &Screen, app: &App) -> Result<Act> {
    let how = if app.license == "offline" {
        "offline-licensed: license, package and frameworks"
    } else {
        "uploaded"
    };
    screen::chapter(&format!("{}: {how}", app.name));
    let deployment = scene.api.deploy(app, "required", &scene.upns).await?;
    let all = scene.count();
    settle(scene, deployment.id, |d| count(d, "planned") == 0).await?;
    screen.step("content is in the package store; the devices may have it");
    let bar = screen::bar("installing", all.unsigned_abs());
    rounds(scene, deployment.id, |d| {
        bar.set_position(count(d, "installed").unsigned_abs());
        d.state == "completed"
    })
    .await?;
    bar.finish_and_clear();
    let done = scene.api.deployment(deployment.id).await?;
    screen.step(&format!(
        "{} of {all} devices installed it, proved by their inventory",
        count(&done, "installed")
    ));
    explain(scene, screen, deployment.id).await?;
    Ok(Act {
        app: app.name.clone(),
        deployment: deployment.id,
        removal: None,
    })
}

async fn upload(scene: &Scene, screen: &Screen, file: &Path, dependencies: &[PathBuf]) -> Result<App> {
    screen::chapter(&format!("{}: a package file", file.display()));
    let app = scene.api.upload(file, dependencies).await?;
    let family = app.package_family_name.as_deref().unwrap_or("?");
    screen.step(&format!("uploaded: {} ({family})", app.name));
    for package in &app.packages {
        screen::note(&format!(
            "{} {} {}, {} bytes",
            package.file_name, package.version, package.architecture, package.size
        ));
    }
    Ok(app)
}

async fn seats(scene: &Scene, screen: &Screen) -> Result<()> {
    screen::chapter("The seat ledger");
    for seat in scene.api.seats().await? {
        screen.step(&format!("{:<22} {:<10} {}", seat.upn, seat.state, seat.reason));
    }
    Ok(())
}

/// Waits for what the server does by itself.
async fn settle(scene: &Scene, id: Uuid, done: impl Fn(&Deployment) -> bool) -> Result<()> {
    for _ in 0..PATIENCE {
        if done(&scene.api.deployment(id).await?) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let deployment = scene.api.deployment(id).await?;
    bail!("the server did not get on: {:?}", deployment.counts)
}

/// Lets all devices call in until the deployment is where it should be, or long enough to see that it will not.
async fn rounds(scene: &Scene, id: Uuid, done: impl Fn(&Deployment) -> bool) -> Result<()> {
    for _ in 0..ROUNDS {
        call_in(scene).await?;
        if done(&scene.api.deployment(id).await?) {
            return Ok(());
        }
    }
    Ok(())
}

/// What stands in the way of those who do not have the app.
async fn explain(scene: &Scene, screen: &Screen, deployment: Uuid) -> Result<()> {
    for target in scene.api.targets(deployment).await? {
        if let Some(error) = target.error {
            screen.step(&format!("{}: {} ({})", target.upn, target.state, error.code));
            screen::note(&error.text);
            screen::note(&error.advice);
        }
    }
    Ok(())
}

async fn call_in(scene: &Scene) -> Result<()> {
    let sessions = scene.devices.iter().map(|device| {
        let device = Arc::clone(device);
        async move { device.lock().await.session(Trigger::Schedule).await.map(|_| ()) }
    });
    try_join_all(sessions).await?;
    Ok(())
}

/// The final table; whether everything is where it should be, with no rule broken on the way.
async fn conclude(scene: &Scene, acts: &[Act]) -> Result<bool> {
    let mut header = vec!["user".to_owned()];
    let mut columns = Vec::new();
    for act in acts {
        header.push(act.app.clone());
        columns.push(column(scene, act).await?);
    }
    let row = |upn: &String| {
        let cells = columns
            .iter()
            .map(|states| states.get(upn).cloned().unwrap_or_default());
        std::iter::once(upn.clone()).chain(cells).collect::<Vec<_>>()
    };
    screen::table(header, scene.upns.iter().map(row).collect());
    let reached = |state: &String| state == "installed" || state == REMOVED;
    let complete = columns
        .iter()
        .all(|states| states.len() == scene.upns.len() && states.values().all(reached));
    Ok(complete & clean(scene).await)
}

/// The state of each user's device; what was installed and then removed says so.
async fn column(scene: &Scene, act: &Act) -> Result<BTreeMap<String, String>> {
    let targets = scene.api.targets(act.deployment).await?;
    let mut states: BTreeMap<_, _> = targets
        .into_iter()
        .map(|target| (target.upn, target.state))
        .collect();
    let removed = match act.removal {
        Some(removal) => scene.api.targets(removal).await?,
        None => Vec::new(),
    };
    for target in removed.into_iter().filter(|target| target.state == "removed") {
        states.insert(target.upn, REMOVED.to_owned());
    }
    Ok(states)
}

const REMOVED: &str = "installed, then removed";

/// The simulators judge the server: a broken rule fails the demonstration.
async fn clean(scene: &Scene) -> bool {
    let mut broken = Vec::new();
    for device in &scene.devices {
        broken.extend(
            device
                .lock()
                .await
                .violations()
                .iter()
                .map(|violation| format!("device: {violation:?}")),
        );
    }
    broken.extend(
        scene
            .store
            .violations()
            .iter()
            .map(|violation| format!("Store: {violation:?}")),
    );
    for line in &broken {
        crate::output::note(line);
    }
    broken.is_empty()
}

fn count(deployment: &Deployment, state: &str) -> i64 {
    deployment.counts.get(state).copied().unwrap_or(0)
}
