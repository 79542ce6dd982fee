//! The dry run of a deployment: reads, judges, changes nothing.

use super::{
    Request,
    create::{find_app, refuse_doubles},
    selection::select,
};
use crate::{
    Orchestrator, UseCaseError,
    materials::{ASSUMED, Catalogue, license_for, profile},
};
use qm_core::{
    DeploymentId, DeviceId,
    app::{App, LicenseKind},
    command::Verb,
    deployment::{Context, Deployment, DeploymentState, Intent, Target, TargetState},
    device::Device,
    seat::SeatState,
};
use qm_db::{Conn, DbError, seats};
use qm_engine::{
    applicability::{DeviceProfile, choose},
    deployment::commands,
    session::Step,
};
use std::collections::{BTreeSet, HashMap};

/// What a deployment would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Devices it reaches.
    pub targets: u64,
    /// Devices it does not fit, with the reason.
    pub not_applicable: Vec<(DeviceId, String)>,
    /// Users who would need a new seat.
    pub seats_needed: u64,
    /// Seats that are free.
    pub seats_available: Option<i64>,
    /// Package, frameworks and license for one device.
    pub bytes_per_device: u64,
    /// The commands for one of the devices.
    pub commands: Vec<PlannedCommand>,
}

/// A command of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCommand {
    /// What to do.
    pub verb: Verb,
    /// The node.
    pub uri: String,
    /// The payload; license blobs are masked.
    pub data: Option<String>,
}

impl Orchestrator {
    /// Judges every device as a real deployment would.
    pub async fn plan_deployment(&self, request: Request) -> Result<Plan, UseCaseError> {
        let mut conn = self.db.read().await?;
        let now = self.clock.now();
        let app = find_app(&mut conn, &request).await?;
        let devices = select(&mut conn, &request).await?;
        let deployment = Deployment {
            id: DeploymentId::new(now, &self.rng),
            app_id: app.id,
            intent: request.intent,
            context: request.context,
            state: DeploymentState::Active,
            created_at: now,
        };
        let mut judged = self.judged(&mut conn, &app, &deployment, &devices, now).await?;
        refuse_doubles(&mut conn, &mut judged, now).await?;
        let (refused, fitting): (Vec<_>, Vec<_>) = judged
            .into_iter()
            .partition(|target| target.state == TargetState::NotApplicable);
        let by_id: HashMap<_, _> = devices.iter().map(|device| (device.id, device)).collect();
        let example = fitting
            .first()
            .and_then(|target| Some((target, *by_id.get(&target.device_id)?)));
        let mut catalogue = Catalogue::default();
        let (bytes_per_device, commands) = match example {
            Some((target, device)) => {
                self.example(&mut conn, &mut catalogue, &app, target, device)
                    .await?
            }
            None => (0, Vec::new()),
        };
        Ok(Plan {
            targets: fitting.len() as u64,
            not_applicable: refused.into_iter().map(reason).collect(),
            seats_needed: seats_needed(&mut conn, &app, &fitting).await?,
            seats_available: app.seats.and_then(|counts| counts.available),
            bytes_per_device,
            commands,
        })
    }

    /// Bytes and commands for one device; a device that was never inventoried is taken for a usual one.
    async fn example(
        &self,
        conn: &mut Conn,
        catalogue: &mut Catalogue,
        app: &App,
        target: &Target,
        device: &Device,
    ) -> Result<(u64, Vec<PlannedCommand>), DbError> {
        let device = Device {
            architecture: device.architecture.or(Some(ASSUMED)),
            ..device.clone()
        };
        let bytes = bytes_per_device(conn, catalogue, app, target, &device).await?;
        catalogue.assume_content(conn, app).await?;
        let Some(with) = self.materials(conn, catalogue, &device, target).await? else {
            return Ok((bytes, Vec::new()));
        };
        let steps: &[Step] = match target.intent {
            Intent::Uninstall => &[Step::Remove],
            Intent::Required | Intent::Available => &[Step::License, Step::Install],
        };
        let planned = steps
            .iter()
            .flat_map(|step| commands(target.id, target.context, *step, &with));
        Ok((bytes, planned.map(|(_, command)| shown(command)).collect()))
    }
}

async fn bytes_per_device(
    conn: &mut Conn,
    catalogue: &mut Catalogue,
    app: &App,
    target: &Target,
    device: &Device,
) -> Result<u64, DbError> {
    if target.intent == Intent::Uninstall || app.license == LicenseKind::Online {
        return Ok(0);
    }
    let licenses = catalogue.licenses(conn, app.id).await?.to_vec();
    let packages = catalogue.packages(conn, app.id).await?;
    let profile = profile(device).unwrap_or(DeviceProfile {
        architecture: ASSUMED,
        os_version: device.os_version,
    });
    let Ok(choice) = choose(packages, profile) else {
        return Ok(0);
    };
    let files = choice.package.size
        + choice
            .frameworks
            .iter()
            .map(|framework| framework.size)
            .sum::<i64>();
    let license = license_for(choice.package, &licenses).map_or(0, |license| license.blob.expose().len());
    Ok(u64::try_from(files).unwrap_or(0) + license as u64)
}

/// Users without a seat that is held or asked for.
async fn seats_needed(conn: &mut Conn, app: &App, fitting: &[Target]) -> Result<u64, DbError> {
    let installs = fitting
        .iter()
        .filter(|t| t.intent != Intent::Uninstall && t.context == Context::User);
    let users: BTreeSet<_> = installs.map(|target| target.upn.clone()).collect();
    if app.license != LicenseKind::Online || users.is_empty() {
        return Ok(0);
    }
    let users: Vec<_> = users.into_iter().collect();
    let held = seats::find_many(conn, app.id, &users).await?;
    let holding = held
        .iter()
        .filter(|s| matches!(s.state, SeatState::Assigned | SeatState::Assigning))
        .count();
    Ok((users.len() - holding.min(users.len())) as u64)
}

fn reason(target: Target) -> (DeviceId, String) {
    (
        target.device_id,
        target.error.map(|error| error.text).unwrap_or_default(),
    )
}

/// License blobs are an organization's property, and links open packages to whoever has them: a plan shows neither.
fn shown(command: qm_csp::CspCommand) -> PlannedCommand {
    let license = command.uri.ends_with("/AddLicense");
    let data = command.data.map(|data| {
        if license {
            "<License Content=\"***\"/>".to_owned()
        } else {
            unsigned(&data)
        }
    });
    PlannedCommand {
        verb: command.verb,
        uri: command.uri,
        data,
    }
}

/// The payload with the queries of its links left out.
fn unsigned(payload: &str) -> String {
    let mut links = payload.split("?exp=");
    let mut shown = links.next().unwrap_or_default().to_owned();
    for rest in links {
        shown.push_str("?***");
        shown.push_str(rest.find('"').map_or("", |end| &rest[end..]));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::unsigned;

    #[test]
    fn a_plan_shows_no_signatures() {
        let payload = r#"<Application PackageUri="https://h/content/ab/a.msix?exp=1&amp;sig=2"><D U="https://h/b?exp=3&amp;sig=4"/>"#;
        let shown = r#"<Application PackageUri="https://h/content/ab/a.msix?***"><D U="https://h/b?***"/>"#;
        assert_eq!(unsigned(payload), shown);
        assert_eq!(unsigned("<Inventory/>"), "<Inventory/>");
    }
}
