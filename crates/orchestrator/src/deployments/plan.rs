//! The dry run of a deployment: reads, judges, changes nothing.

use super::{Request, create::find_app, rollout::Rollout};
use crate::{
    Orchestrator, UseCaseError,
    materials::{ASSUMED, Catalogue, license_for, profile},
};
use qm_core::{
    DeploymentId, DeviceId,
    app::{App, LicenseKind},
    command::Verb,
    deployment::{Context, Deployment, DeploymentState, Intent, Target},
    device::Device,
};
use qm_db::{
    Conn, DbError,
    selection::{self, Kind},
};
use qm_engine::{
    applicability::{DeviceProfile, choose},
    deployment::commands,
    session::Step,
};

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
        let deployment = Deployment {
            id: DeploymentId::new(now, &self.rng),
            app_id: app.id,
            intent: request.intent,
            context: request.context,
            state: DeploymentState::Active,
            created_at: now,
        };
        let rollout = self.rollout(&mut conn, &app, &deployment, &request).await?;
        let (bytes_per_device, commands) = self.example(&mut conn, &app, &rollout).await?;
        Ok(Plan {
            targets: rollout.fitting(),
            not_applicable: not_applicable(&mut conn, &rollout).await?,
            seats_needed: seats_needed(&mut conn, &app, &rollout).await?,
            seats_available: app.seats.and_then(|counts| counts.available),
            bytes_per_device,
            commands,
        })
    }

    /// What one of the devices that fit gets.
    async fn example(
        &self,
        conn: &mut Conn,
        app: &App,
        rollout: &Rollout,
    ) -> Result<(u64, Vec<PlannedCommand>), DbError> {
        let (kinds, busy) = left_out(rollout);
        let Some(device) = selection::example(conn, &rollout.selection, (&kinds, &busy)).await? else {
            return Ok((0, Vec::new()));
        };
        let kind = Kind {
            architecture: device.architecture,
            os_version: device.os_version,
        };
        let judged = rollout.kinds.iter().find(|(other, ..)| *other == kind);
        let target = Target {
            device_id: device.id,
            upn: device.upn.clone(),
            ..judged.map_or(&rollout.pattern, |(.., target)| target).clone()
        };
        self.for_one_device(conn, app, &target, &device).await
    }

    /// Bytes and commands for one device; a device that was never inventoried is taken for a usual one.
    async fn for_one_device(
        &self,
        conn: &mut Conn,
        app: &App,
        target: &Target,
        device: &Device,
    ) -> Result<(u64, Vec<PlannedCommand>), DbError> {
        let catalogue = &mut Catalogue::default();
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

/// The kinds and devices that a deployment does not reach.
fn left_out(rollout: &Rollout) -> (Vec<Kind>, Vec<DeviceId>) {
    (rollout.refused().into_keys().collect(), rollout.busy())
}

/// Users without a seat that is held or asked for.
async fn seats_needed(conn: &mut Conn, app: &App, rollout: &Rollout) -> Result<u64, DbError> {
    let installs = rollout.pattern.intent != Intent::Uninstall && rollout.pattern.context == Context::User;
    if app.license != LicenseKind::Online || !installs {
        return Ok(0);
    }
    let (kinds, busy) = left_out(rollout);
    let users = selection::users_without_seat(conn, &rollout.selection, app.id, (&kinds, &busy)).await?;
    Ok(u64::try_from(users).unwrap_or(0))
}

async fn not_applicable(conn: &mut Conn, rollout: &Rollout) -> Result<Vec<(DeviceId, String)>, DbError> {
    let refused = rollout.refused();
    let kinds: Vec<_> = refused.keys().copied().collect();
    let of_kinds = selection::devices_of(conn, &rollout.selection, &kinds).await?;
    let unfit = of_kinds
        .into_iter()
        .filter_map(|(device, kind)| Some((device, reason(refused.get(&kind)?))));
    let busy = rollout
        .doubles
        .iter()
        .map(|target| (target.device_id, reason(target)));
    Ok(unfit.chain(busy).collect())
}

fn reason(target: &Target) -> String {
    target
        .error
        .as_ref()
        .map(|error| error.text.clone())
        .unwrap_or_default()
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
