//! Which package of an app fits a device, and which frameworks must go with it.

use qm_core::{
    Architecture, Version,
    app::{App, LicenseKind, Package, PackageRole},
    deployment::{Context, Intent, TargetError},
};

/// What is known of a device when a package is chosen for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceProfile {
    /// Its own architecture.
    pub architecture: Architecture,
    /// Its version of Windows; unknown excludes nothing.
    pub os_version: Option<Version>,
}

/// A package chosen for a device, with what to send along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The package or bundle.
    pub package: &'a Package,
    /// The architecture that the device will pick from it.
    pub architecture: Architecture,
    /// The frameworks of that architecture, newest of each name.
    pub frameworks: Vec<&'a Package>,
}

/// Why an app does not fit a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplicable {
    /// Online-licensed apps have no device-wide installation.
    #[error("online-licensed apps can only be installed for a user")]
    OnlineNeedsUser,
    /// The app has no package at all.
    #[error("the catalogue holds no package of this app")]
    NoPackage,
    /// No package for the device's processor.
    #[error("no package runs on {device}; there are packages for {offered}")]
    Architecture {
        /// The device's architecture.
        device: Architecture,
        /// What there is.
        offered: String,
    },
    /// Every package that would run wants a newer Windows.
    #[error("needs Windows {needed} or later; the device has {device}")]
    OsVersion {
        /// The lowest version that any package takes.
        needed: Version,
        /// What the device has.
        device: Version,
    },
    /// The package was made for other kinds of devices.
    #[error("made for {families}, not for desktop Windows")]
    DeviceFamily {
        /// The families it lists.
        families: String,
    },
}

impl NotApplicable {
    /// As the error of a target.
    pub fn to_error(&self) -> TargetError {
        let (code, advice) = match self {
            Self::OnlineNeedsUser => (
                "online_needs_user",
                "Deploy it in user context, or license it offline.",
            ),
            Self::NoPackage => ("no_package", "Synchronize the catalogue or upload a package."),
            Self::Architecture { .. } => (
                "wrong_architecture",
                "Upload or license a package for this architecture.",
            ),
            Self::OsVersion { .. } => (
                "os_too_old",
                "Update Windows on the device, or deploy an older package.",
            ),
            Self::DeviceFamily { .. } => ("wrong_device_family", "Use a package made for desktop Windows."),
        };
        TargetError {
            code: code.to_owned(),
            text: self.to_string(),
            advice: advice.to_owned(),
        }
    }
}

/// Whether an app can be deployed at all with this license, intent and context.
pub fn check_context(app: &App, intent: Intent, context: Context) -> Result<(), NotApplicable> {
    let online = app.license == LicenseKind::Online;
    if online && context == Context::Device && intent != Intent::Uninstall {
        return Err(NotApplicable::OnlineNeedsUser);
    }
    Ok(())
}

/// Chooses the package that fits a device best: device family and minimum OS filter, then exact
/// architecture, highest version, bundle before single package, the Store's rank.
pub fn choose(packages: &[Package], device: DeviceProfile) -> Result<Choice<'_>, NotApplicable> {
    let mains: Vec<_> = packages.iter().filter(|p| p.role == PackageRole::Main).collect();
    if mains.is_empty() {
        return Err(NotApplicable::NoPackage);
    }
    let runnable: Vec<_> = mains
        .iter()
        .filter_map(|p| best_architecture(p, device).map(|rank| (*p, rank)))
        .collect();
    if runnable.is_empty() {
        return Err(wrong_architecture(&mains, device));
    }
    let best = runnable
        .iter()
        .filter(|(package, _)| family_fits(package, device.os_version))
        .min_by_key(|(package, rank)| {
            use std::cmp::Reverse;
            (
                *rank,
                Reverse(package.version),
                !package.bundle,
                Reverse(package.rank),
            )
        });
    let Some(&(package, rank)) = best else {
        return Err(family_mismatch(&runnable, device.os_version));
    };
    let architecture = runs(device)[rank];
    Ok(Choice {
        package,
        architecture,
        frameworks: frameworks(package, architecture, packages, device),
    })
}

/// The frameworks of a package for one architecture: linked to it, fitting, newest of each name.
fn frameworks<'a>(
    package: &Package,
    architecture: Architecture,
    packages: &'a [Package],
    device: DeviceProfile,
) -> Vec<&'a Package> {
    let linked = packages.iter().filter(|p| package.frameworks.contains(&p.id));
    let mut chosen: Vec<(usize, &Package)> = Vec::new();
    for framework in linked {
        let Some(rank) = framework_rank(framework, architecture, device) else {
            continue;
        };
        match chosen
            .iter_mut()
            .find(|(_, other)| name(other) == name(framework))
        {
            Some(slot)
                if (rank, std::cmp::Reverse(framework.version))
                    < (slot.0, std::cmp::Reverse(slot.1.version)) =>
            {
                *slot = (rank, framework);
            }
            Some(_) => {}
            None => chosen.push((rank, framework)),
        }
    }
    chosen.into_iter().map(|(_, framework)| framework).collect()
}

/// A neutral app takes its frameworks in the best architecture the device runs; any other app in its own.
fn framework_rank(framework: &Package, app: Architecture, device: DeviceProfile) -> Option<usize> {
    if framework.architectures.is_empty() || framework.architectures.contains(&Architecture::Neutral) {
        return Some(0);
    }
    if app == Architecture::Neutral {
        return best_architecture(framework, device);
    }
    framework.architectures.contains(&app).then_some(0)
}

fn name(package: &Package) -> &str {
    package.full_name.split('_').next().unwrap_or_default()
}

/// The position of the package's best architecture in what the device runs; lower is better.
fn best_architecture(package: &Package, device: DeviceProfile) -> Option<usize> {
    let runs = runs(device);
    if package.architectures.is_empty() {
        return runs.iter().position(|a| *a == Architecture::Neutral);
    }
    package
        .architectures
        .iter()
        .filter_map(|a| runs.iter().position(|r| r == a))
        .min()
}

/// What a device runs, best first. Windows 11 (build 22000) on ARM64 also emulates x64.
fn runs(device: DeviceProfile) -> &'static [Architecture] {
    use Architecture::{Arm, Arm64, Neutral, X64, X86};
    let build = device.os_version.map_or(0, Version::build);
    match device.architecture {
        X86 => &[X86, Neutral],
        X64 => &[X64, X86, Neutral],
        Arm => &[Arm, Neutral],
        Arm64 if build >= 26100 => &[Arm64, X64, X86, Neutral],
        Arm64 if build >= 22000 => &[Arm64, X64, Arm, X86, Neutral],
        Arm64 => &[Arm64, Arm, X86, Neutral],
        Neutral => &[Neutral],
    }
}

fn family_fits(package: &Package, os: Option<Version>) -> bool {
    package.families.is_empty()
        || package
            .families
            .iter()
            .any(|f| is_desktop(&f.name) && os.is_none_or(|os| f.min_version <= os))
}

fn is_desktop(family: &str) -> bool {
    family.eq_ignore_ascii_case("Windows.Universal") || family.eq_ignore_ascii_case("Windows.Desktop")
}

fn wrong_architecture(mains: &[&Package], device: DeviceProfile) -> NotApplicable {
    let mut offered: Vec<_> = mains
        .iter()
        .flat_map(|p| p.architectures.iter().map(|a| a.as_str()))
        .collect();
    offered.sort_unstable();
    offered.dedup();
    NotApplicable::Architecture {
        device: device.architecture,
        offered: offered.join(", "),
    }
}

fn family_mismatch(runnable: &[(&Package, usize)], os: Option<Version>) -> NotApplicable {
    let families = || runnable.iter().flat_map(|(p, _)| &p.families);
    let needed = families()
        .filter(|f| is_desktop(&f.name))
        .map(|f| f.min_version)
        .min();
    if let (Some(needed), Some(device)) = (needed, os) {
        return NotApplicable::OsVersion { needed, device };
    }
    let names: Vec<_> = families().map(|f| f.name.as_str()).collect();
    NotApplicable::DeviceFamily {
        families: names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::{AppId, PackageId, Rng, Timestamp, app::DeviceFamily};

    fn package(name: &str, version: &str, architectures: &[Architecture]) -> Package {
        let rng = Rng::seeded(u64::try_from(name.len() + version.len()).unwrap());
        let at = Timestamp::from_millis(1);
        Package {
            id: PackageId(qm_core::id::uuid_v7(
                at,
                &Rng::seeded(seed(name, version, architectures)),
            )),
            app_id: AppId::new(at, &rng),
            role: PackageRole::Main,
            store_package_id: None,
            content_id: None,
            full_name: format!("{name}_{version}_x_y_z"),
            file_name: format!("{name}.appx"),
            version: version.parse().unwrap(),
            architectures: architectures.to_vec(),
            bundle: false,
            families: vec![],
            rank: 0,
            size: 1,
            sha256: None,
            frameworks: vec![],
        }
    }

    fn seed(name: &str, version: &str, architectures: &[Architecture]) -> u64 {
        format!("{name}{version}{architectures:?}")
            .bytes()
            .fold(7, |h, b| h.wrapping_mul(31).wrapping_add(b.into()))
    }

    fn device(architecture: Architecture, os: &str) -> DeviceProfile {
        DeviceProfile {
            architecture,
            os_version: Some(os.parse().unwrap()),
        }
    }

    use Architecture::{Arm64, Neutral, X64, X86};

    #[test]
    fn prefers_exact_architecture_then_version_then_bundle() {
        let mut bundle = package("App", "1.0.0.0", &[X64, X86]);
        bundle.bundle = true;
        let packages = [
            package("App", "9.0.0.0", &[X86]),
            package("App", "2.0.0.0", &[X64]),
            package("App", "3.0.0.0", &[X64]),
            bundle,
            package("App", "9.9.0.0", &[Neutral]),
        ];
        let choice = choose(&packages, device(X64, "10.0.19045.0")).unwrap();
        assert_eq!(choice.package.version.to_string(), "3.0.0.0");
        assert_eq!(choice.architecture, X64);
    }

    #[test]
    fn arm64_emulates_x64_only_from_windows_11_on() {
        let packages = [package("App", "1.0.0.0", &[X64])];
        assert!(choose(&packages, device(Arm64, "10.0.22631.0")).is_ok());
        let refused = choose(&packages, device(Arm64, "10.0.19045.0")).unwrap_err();
        assert_eq!(refused.to_error().code, "wrong_architecture");
    }

    #[test]
    fn minimum_os_and_family_are_told_apart() {
        let mut packages = [package("App", "1.0.0.0", &[Neutral])];
        let family = |name: &str| {
            vec![DeviceFamily {
                name: name.into(),
                min_version: "10.0.22000.0".parse().unwrap(),
            }]
        };
        packages[0].families = family("Windows.Desktop");
        let refused = choose(&packages, device(X64, "10.0.19045.0")).unwrap_err();
        assert_eq!(refused.to_error().code, "os_too_old");
        packages[0].families = family("Windows.Xbox");
        let refused = choose(&packages, device(X64, "10.0.22000.0")).unwrap_err();
        assert_eq!(refused.to_error().code, "wrong_device_family");
        assert_eq!(
            choose(&[], device(X64, "10.0.1.1")).unwrap_err().to_error().code,
            "no_package"
        );
    }

    #[test]
    fn frameworks_follow_the_package_that_was_chosen() {
        let framework = |version: &str, a| Package {
            role: PackageRole::Framework,
            ..package("VCLibs", version, &[a])
        };
        let frameworks = [
            framework("14.0.1.0", X86),
            framework("14.0.1.0", X64),
            framework("14.0.2.0", X86),
        ];
        let mut main = package("App", "1.0.0.0", &[X86]);
        main.frameworks = frameworks.iter().map(|f| f.id).collect();
        let mut packages = vec![main];
        packages.extend(frameworks);
        let choice = choose(&packages, device(X64, "10.0.19045.0")).unwrap();
        let sent: Vec<_> = choice
            .frameworks
            .iter()
            .map(|f| (f.version.to_string(), f.architectures[0]))
            .collect();
        assert_eq!(sent, [("14.0.2.0".to_owned(), X86)]);

        packages[0].architectures = vec![Neutral];
        let choice = choose(&packages, device(X64, "10.0.19045.0")).unwrap();
        assert_eq!(
            choice.frameworks[0].architectures,
            [X64],
            "a neutral app takes the device's own"
        );
    }
}
