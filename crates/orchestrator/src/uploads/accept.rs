//! Whether the files of an upload belong together.

use super::{Part, refused};
use crate::UseCaseError;
use qm_content::Stored;
use qm_core::Timestamp;
use qm_package::{Dependency, PackageFile, PackageFormat, PackageKind, license::LicenseFile};

/// A package that was looked into.
#[derive(Debug)]
pub(super) struct Inspected {
    /// The uploaded file's name.
    pub(super) file_name: String,
    /// Where its content is.
    pub(super) stored: Stored,
    /// What it is.
    pub(super) package: PackageFile,
    /// Whether it is signed.
    pub(super) signed: bool,
    /// When devices stop to install it.
    pub(super) lapses: Option<Timestamp>,
}

/// An upload whose files belong together.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The app.
    pub(super) main: Inspected,
    /// What goes with it; each package once.
    pub(super) dependencies: Vec<Inspected>,
    /// Its license.
    pub(super) license: Option<LicenseFile>,
}

impl Accepted {
    /// Checks each file; the license comes with its file's name.
    pub(super) fn check(
        main: Inspected,
        dependencies: Vec<Inspected>,
        license: Option<(String, LicenseFile)>,
    ) -> Result<Self, UseCaseError> {
        check_main(&main)?;
        let dependencies = distinct(dependencies)?;
        for dependency in &dependencies {
            check_dependency(dependency, &main, &dependencies)?;
        }
        let license = license
            .map(|(file, license)| check_license(&file, license, &main.package))
            .transpose()?;
        Ok(Self {
            main,
            dependencies,
            license,
        })
    }

    /// Dependencies that a manifest names and that are not in the upload.
    pub(super) fn missing(&self) -> Vec<&str> {
        let uploaded = |needed: &Dependency| {
            self.dependencies
                .iter()
                .any(|d| needed.is_met_by(&d.package.identity))
        };
        let files = std::iter::once(&self.main).chain(&self.dependencies);
        let needed = files.flat_map(|file| &file.package.dependencies);
        let mut missing: Vec<_> = needed
            .filter(|needed| !uploaded(needed))
            .map(|needed| needed.name.as_str())
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }
}

fn check_main(main: &Inspected) -> Result<(), UseCaseError> {
    let problem = if main.package.framework {
        "is a framework; upload it as `dependency` together with the app that needs it"
    } else if main.package.resource {
        "holds languages or images of an app only; upload the app's bundle"
    } else {
        return Ok(());
    };
    Err(refused(&main.file_name, problem))
}

/// The same file twice counts once; two builds of the same version are a mistake.
fn distinct(dependencies: Vec<Inspected>) -> Result<Vec<Inspected>, UseCaseError> {
    let mut kept: Vec<Inspected> = Vec::with_capacity(dependencies.len());
    for file in dependencies {
        match kept.iter().find(|known| {
            known
                .package
                .full_name
                .eq_ignore_ascii_case(&file.package.full_name)
        }) {
            None => kept.push(file),
            Some(known) if known.stored.sha256 == file.stored.sha256 => {}
            Some(known) => {
                let problem = format!(
                    "is the same version of the same package as `{}`, but another file",
                    known.file_name
                );
                return Err(refused(&file.file_name, &problem));
            }
        }
    }
    Ok(kept)
}

fn check_dependency(file: &Inspected, main: &Inspected, others: &[Inspected]) -> Result<(), UseCaseError> {
    if file
        .package
        .family_name
        .eq_ignore_ascii_case(&main.package.family_name)
    {
        return Err(refused(
            &file.file_name,
            "is another package of the app itself; upload it on its own, as `package`",
        ));
    }
    let asked_for = || {
        let files = std::iter::once(main).chain(others);
        files
            .flat_map(|other| &other.package.dependencies)
            .any(|needed| needed.is_met_by(&file.package.identity))
    };
    if file.package.framework || asked_for() {
        return Ok(());
    }
    let problem = format!(
        "is neither a framework nor a package that `{}` depends on",
        main.file_name
    );
    Err(refused(&file.file_name, &problem))
}

fn check_license(file: &str, license: LicenseFile, main: &PackageFile) -> Result<LicenseFile, UseCaseError> {
    if license.covers(&main.family_name) {
        return Ok(license);
    }
    let other = license.package_family_name.as_deref().unwrap_or_default();
    let problem = format!(
        "is a license for `{other}`, but the package is of `{}`",
        main.family_name
    );
    Err(refused(file, &problem))
}

/// A file's name as errors show it: the last part of a path, shortened, without control characters.
pub(super) fn shown_name(file_name: &str, part: Part) -> String {
    let name: String = base_name(file_name)
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_NAME)
        .collect();
    match (name.trim(), part) {
        ("", Part::Package) => "package".to_owned(),
        ("", Part::Dependency) => "dependency".to_owned(),
        ("", Part::License) => "license".to_owned(),
        (name, _) => name.to_owned(),
    }
}

/// The name that devices download under: safe in paths, with an extension that says what the content is, as devices
/// insist on it. The uploaded name is kept where it does.
pub(super) fn download_name(file_name: &str, package: &PackageFile) -> String {
    let base = base_name(file_name);
    let (stem, extension) = match PackageFormat::from_file_name(base) {
        Ok(format) if format.check(package).is_ok() => (
            base.rsplit_once('.').map_or(base, |(stem, _)| stem),
            format.extension(),
        ),
        _ => (
            package.full_name.as_str(),
            default_format(package.kind).extension(),
        ),
    };
    let stem: String = stem.chars().take(MAX_NAME).map(safe).collect();
    let stem = stem.trim_matches('.');
    let stem = if stem.is_empty() {
        package.full_name.as_str()
    } else {
        stem
    };
    format!("{stem}.{extension}")
}

fn default_format(kind: PackageKind) -> PackageFormat {
    match kind {
        PackageKind::Package => PackageFormat::Msix,
        PackageKind::Bundle => PackageFormat::MsixBundle,
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default().trim()
}

fn safe(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~' | '+') {
        c
    } else {
        '_'
    }
}

const MAX_NAME: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::{Architecture, Secret, Sha256, Version};
    use qm_package::Identity;

    fn package(name: &str, framework: bool, needs: &[&str]) -> PackageFile {
        let identity = Identity {
            name: name.to_owned(),
            publisher: "CN=Larch".to_owned(),
            version: Version([2, 0, 0, 0]),
            architecture: Architecture::X64,
            architecture_name: "x64".to_owned(),
            resource_id: String::new(),
        };
        let need = |name: &&str| Dependency {
            name: (*name).to_owned(),
            publisher: Some("CN=Larch".to_owned()),
            min_version: Version([1, 0, 0, 0]),
        };
        PackageFile {
            kind: PackageKind::Package,
            family_name: identity.family_name(),
            full_name: identity.full_name().to_string(),
            display_name: None,
            publisher_display_name: None,
            framework,
            resource: false,
            optional_for: None,
            families: Vec::new(),
            dependencies: needs.iter().map(need).collect(),
            architectures: vec![Architecture::X64],
            members: Vec::new(),
            identity,
        }
    }

    fn file(package: PackageFile, byte: u8) -> Inspected {
        let file_name = format!("{}.msix", package.identity.name);
        Inspected {
            file_name,
            stored: Stored {
                sha256: Sha256([byte; 32]),
                size: 7,
            },
            package,
            signed: true,
            lapses: None,
        }
    }

    fn license(family_name: Option<&str>) -> (String, LicenseFile) {
        let license = LicenseFile {
            content_id: "a-1".to_owned(),
            package_family_name: family_name.map(str::to_owned),
            product_id: None,
            instance_id: None,
            blob: Secret::new("AAAA".to_owned()),
        };
        ("license.xml".to_owned(), license)
    }

    fn refused_file(result: Result<Accepted, UseCaseError>) -> String {
        match result {
            Err(UseCaseError::Package { file, .. }) => file,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn takes_frameworks_and_what_is_depended_on() {
        let main = file(package("Larch.Notes", false, &["Larch.Engine", "Larch.Far"]), 1);
        let frameworks = vec![
            file(package("Larch.Ui", true, &[]), 2),
            file(package("Larch.Engine", false, &["Larch.Core"]), 3),
            file(package("Larch.Core", false, &[]), 4),
            file(package("Larch.Ui", true, &[]), 2),
        ];
        let accepted = Accepted::check(main, frameworks, None).unwrap();
        assert_eq!(accepted.dependencies.len(), 3);
        assert_eq!(accepted.missing(), ["Larch.Far"]);
    }

    #[test]
    fn refuses_files_that_do_not_belong_together() {
        let main = || file(package("Larch.Notes", false, &[]), 1);
        let check = |main, dependency| refused_file(Accepted::check(main, vec![dependency], None));
        let framework = file(package("Larch.Ui", true, &[]), 2);
        assert_eq!(
            refused_file(Accepted::check(framework, vec![], None)),
            "Larch.Ui.msix"
        );
        let resource = PackageFile {
            resource: true,
            ..package("Larch.Notes", false, &[])
        };
        assert_eq!(
            refused_file(Accepted::check(file(resource, 1), vec![], None)),
            "Larch.Notes.msix"
        );
        assert_eq!(
            check(main(), file(package("Larch.Other", false, &[]), 2)),
            "Larch.Other.msix"
        );
        assert_eq!(
            check(main(), file(package("Larch.Notes", false, &[]), 2)),
            "Larch.Notes.msix"
        );
        let twice = vec![
            file(package("Larch.Ui", true, &[]), 2),
            file(package("Larch.Ui", true, &[]), 3),
        ];
        assert_eq!(
            refused_file(Accepted::check(main(), twice, None)),
            "Larch.Ui.msix"
        );
    }

    #[test]
    fn a_license_is_for_the_app_or_for_any() {
        let main = || file(package("Larch.Notes", false, &[]), 1);
        let family = main().package.family_name.to_lowercase();
        for named in [None, Some(family.as_str())] {
            assert!(
                Accepted::check(main(), vec![], Some(license(named)))
                    .unwrap()
                    .license
                    .is_some()
            );
        }
        let other = Accepted::check(main(), vec![], Some(license(Some("larch.sketch_0000000000000"))));
        assert_eq!(refused_file(other), "license.xml");
    }

    #[test]
    fn the_content_decides_the_extension() {
        let single = package("Larch.Notes", false, &[]);
        let bundle = PackageFile {
            kind: PackageKind::Bundle,
            ..single.clone()
        };
        let full_name = single.full_name.clone();
        for (given, package, name) in [
            ("Notes 2.APPX", &single, "Notes_2.appx".to_owned()),
            ("C:\\fakepath\\notes.msix", &single, "notes.msix".to_owned()),
            (
                "../../etc/notes.msixbundle",
                &bundle,
                "notes.msixbundle".to_owned(),
            ),
            ("notes.msixbundle", &single, format!("{full_name}.msix")),
            ("notes.appx", &bundle, format!("{full_name}.msixbundle")),
            ("notes.zip", &single, format!("{full_name}.msix")),
            ("", &single, format!("{full_name}.msix")),
            ("..appx", &single, format!("{full_name}.appx")),
            ("mänty\u{0}.msix", &single, "m_nty_.msix".to_owned()),
        ] {
            assert_eq!(download_name(given, package), name, "{given:?}");
        }
        assert!(download_name(&format!("{}.msix", "n".repeat(500)), &single).len() <= MAX_NAME + 5);
    }

    #[test]
    fn names_in_errors_are_short_and_plain() {
        assert_eq!(shown_name("/tmp/notes\u{7}.msix", Part::Package), "notes.msix");
        assert_eq!(shown_name(" ", Part::License), "license");
        assert_eq!(shown_name(&"n".repeat(500), Part::Dependency).len(), MAX_NAME);
    }
}
