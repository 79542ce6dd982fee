//! How far a planned target can go at once.

use crate::materials::{Catalogue, license_for};
use qm_core::{
    PackageId,
    app::{App, LicenseKind, Package},
    deployment::{Intent, Target, TargetError, TargetState},
};
use qm_db::{Conn, DbError};
use qm_engine::{
    applicability::{Choice, DeviceProfile, NotApplicable, check_context, choose},
    deployment::{Action, Readiness, next},
};

/// What comes next for a planned target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays planned: an offer, or a device whose inventory is not known yet.
    Stays,
    /// This package, a framework of it or its license is not here yet.
    WaitsForContent(PackageId),
    /// It needs a seat; with the package that would be installed, where that is known.
    NeedsSeat,
    /// Ready for the device.
    Ready(Option<PackageId>),
    /// It does not fit.
    Refused(TargetError),
}

impl Verdict {
    /// The state that follows; `None` while it stays planned.
    pub fn state(&self) -> Option<TargetState> {
        match self {
            Self::Stays | Self::WaitsForContent(_) => None,
            Self::NeedsSeat => Some(TargetState::AwaitingSeat),
            Self::Ready(_) => Some(TargetState::Queued),
            Self::Refused(_) => Some(TargetState::NotApplicable),
        }
    }

    /// The target with what the verdict says of it.
    pub fn dress(&self, target: Target) -> Target {
        match self {
            Self::Ready(package) => Target {
                package_id: *package,
                error: None,
                ..target
            },
            Self::Refused(error) => Target {
                error: Some(error.clone()),
                ..target
            },
            _ => target,
        }
    }
}

/// Judges a target by its app, what is known of its device, and what is in the content store.
pub async fn verdict(
    conn: &mut Conn,
    catalogue: &mut Catalogue,
    app: &App,
    target: &Target,
    profile: Option<DeviceProfile>,
) -> Result<Verdict, DbError> {
    if let Err(reason) = check_context(app, target.intent, target.context) {
        return Ok(Verdict::Refused(reason.to_error()));
    }
    if app.package_family_name.is_none() {
        return Ok(Verdict::Stays);
    }
    match (target.intent, app.license) {
        (Intent::Available, _) => Ok(Verdict::Stays),
        (Intent::Uninstall, _) => Ok(Verdict::Ready(None)),
        (Intent::Required, LicenseKind::Online) => {
            Ok(online(catalogue.packages(conn, app.id).await?, profile))
        }
        (Intent::Required, LicenseKind::Offline | LicenseKind::None) => {
            hosted(conn, catalogue, app, target, profile).await
        }
    }
}

/// The Store chooses the package itself; what the catalogue knows of packages can only rule a device out.
fn online(packages: &[Package], profile: Option<DeviceProfile>) -> Verdict {
    let refusal = profile
        .filter(|_| !packages.is_empty())
        .and_then(|p| choose(packages, p).err());
    match refusal {
        Some(reason) if reason != NotApplicable::NoPackage => Verdict::Refused(reason.to_error()),
        _ => Verdict::NeedsSeat,
    }
}

async fn hosted(
    conn: &mut Conn,
    catalogue: &mut Catalogue,
    app: &App,
    target: &Target,
    profile: Option<DeviceProfile>,
) -> Result<Verdict, DbError> {
    let Some(profile) = profile else {
        return Ok(Verdict::Stays);
    };
    let licenses = catalogue.licenses(conn, app.id).await?.to_vec();
    let packages = catalogue.packages(conn, app.id).await?;
    let choice = match choose(packages, profile) {
        Ok(choice) => choice,
        Err(reason) => return Ok(Verdict::Refused(reason.to_error())),
    };
    let ready = Readiness {
        license: app.license,
        seat: None,
        license_present: license_for(choice.package, &licenses).is_some(),
        content_present: content_present(&choice),
    };
    Ok(match next(target, ready) {
        Action::Queue => Verdict::Ready(Some(choice.package.id)),
        Action::FetchContent => Verdict::WaitsForContent(choice.package.id),
        Action::AssignSeat => Verdict::NeedsSeat,
        Action::Nothing => Verdict::Stays,
    })
}

fn content_present(choice: &Choice<'_>) -> bool {
    choice.package.sha256.is_some()
        && choice
            .frameworks
            .iter()
            .all(|framework| framework.sha256.is_some())
}
