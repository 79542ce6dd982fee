//! The XML payloads of this CSP, read strictly.

use super::super::Scope;
use crate::{Rule, violation::Watch, xml::Element};
use qm_core::Version;
use url::Url;

/// Where a package's signature puts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum AppSource {
    AppStore,
    NonStore,
    System,
}

impl AppSource {
    pub(crate) const ALL: [Self; 3] = [Self::AppStore, Self::NonStore, Self::System];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AppStore => "AppStore",
            Self::NonStore => "nonStore",
            Self::System => "System",
        }
    }
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|source| source.as_str().eq_ignore_ascii_case(text))
    }
}

/// `Application` of `StoreInstall`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoreApplication {
    pub(super) product_id: String,
    pub(super) sku_id: String,
    /// `flags="1"`: take a free seat.
    pub(super) claims_seat: bool,
}

/// `Application` of `HostedInstall`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostedApplication {
    pub(crate) package: Url,
    pub(crate) dependencies: Vec<Url>,
    pub(crate) license: Option<Url>,
}

impl StoreApplication {
    /// `Err` is what is wrong, for people.
    pub(super) fn read(data: &str, family: &str) -> Result<Self, String> {
        let root = root(data, "Application")?;
        only(&root, &["id", "flags", "skuid"], &[])?;
        let value = |name| root.attribute(name).ok_or_else(|| format!("`{name}` is missing"));
        let (id, flags, sku) = (value("id")?, value("flags")?, value("skuid")?);
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("`{id}` is no product id"));
        }
        // A package family name in its place fails for good; a blank one is a template's.
        if sku.is_empty()
            || sku.eq_ignore_ascii_case(family)
            || !sku.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return Err(format!("`{sku}` is no SKU id"));
        }
        if !matches!(flags, "0" | "1") {
            return Err(format!("flags `{flags}`"));
        }
        Ok(Self {
            product_id: id.to_owned(),
            sku_id: sku.to_owned(),
            claims_seat: flags == "1",
        })
    }
}

impl HostedApplication {
    /// `Err` is what Windows refuses; what it tolerates is noted.
    pub(super) fn read(data: &str, scope: Scope, os: Version, watch: &mut Watch) -> Result<Self, String> {
        let root = root(data, "Application")?;
        only(&root, HOSTED_ATTRIBUTES, &["Dependencies", "OptionalPackages"])?;
        check_options(&root, scope, os, watch)?;
        let package = package_url(&root, watch)?;
        let mut dependencies = Vec::new();
        for list in root.all("Dependencies") {
            only(list, &[], &["Dependency"])?;
            for dependency in &list.children {
                only(dependency, &["PackageUri"], &[])?;
                dependencies.push(package_url(dependency, watch)?);
            }
        }
        let license = root
            .attribute("LicenseUri")
            .map(|uri| https(uri, watch))
            .transpose()?;
        Ok(Self {
            package,
            dependencies,
            license,
        })
    }
}

/// `Package` of `RemovePackage`: the full name.
pub(super) fn removed_package(data: &str) -> Result<String, String> {
    let root = root(data, "Package")?;
    only(&root, &["Name", "RemoveForAllUsers", "User"], &[])?;
    let name = root.attribute("Name").ok_or("`Name` is missing")?;
    if name.split('_').count() == 5 {
        Ok(name.to_owned())
    } else {
        Err(format!("`{name}` is no package full name"))
    }
}

/// The root of a payload: this element, in no namespace.
pub(super) fn root(data: &str, name: &str) -> Result<Element, String> {
    if data.trim_start().starts_with("&lt;") {
        return Err("the payload is escaped twice".to_owned());
    }
    let root = Element::parse(data.as_bytes()).map_err(|error| error.0)?;
    if root.is("", name) {
        Ok(root)
    } else {
        Err(format!("the root is `{}`", root.name))
    }
}

/// Refuses attributes, children and text that do not belong there.
pub(super) fn only(element: &Element, attributes: &[&str], children: &[&str]) -> Result<(), String> {
    let stray = element
        .attributes
        .iter()
        .find(|a| !a.namespace.is_empty() || !attributes.contains(&a.name.as_str()));
    if let Some(attribute) = stray {
        return Err(format!(
            "the attribute `{}` of `{}`",
            attribute.name, element.name
        ));
    }
    if let Some(child) = element
        .children
        .iter()
        .find(|child| !children.contains(&child.name.as_str()))
    {
        return Err(format!("`{}` in `{}`", child.name, element.name));
    }
    if element.text.trim().is_empty() {
        Ok(())
    } else {
        Err(format!("text in `{}`", element.name))
    }
}

fn check_options(root: &Element, scope: Scope, os: Version, watch: &mut Watch) -> Result<(), String> {
    if let Some(options) = root.attribute("DeploymentOptions") {
        let number: u8 = options
            .parse()
            .map_err(|_| format!("DeploymentOptions `{options}`"))?;
        watch.check(scope == Scope::User, Rule::DeploymentOptions, || {
            "in device context".to_owned()
        });
        // ForceApplicationShutdown, InstallAllResources, ForceTargetApplicationShutdown
        watch.check(number & !(1 | 32 | 64) == 0, Rule::DeploymentOptions, || {
            format!("{number}")
        });
    }
    for (name, only_in, build) in SWITCHES {
        let Some(value) = root.attribute(name) else {
            continue;
        };
        if value != "1" {
            return Err(format!("{name} `{value}`"));
        }
        watch.check(
            only_in.is_none_or(|wanted| wanted == scope),
            Rule::Payload,
            || format!("{name} in {scope:?} context"),
        );
        watch.check(os.build() >= *build, Rule::Capability, || {
            format!("{name} needs build {build}")
        });
    }
    Ok(())
}

fn package_url(element: &Element, watch: &mut Watch) -> Result<Url, String> {
    let text = element.attribute("PackageUri").ok_or("`PackageUri` is missing")?;
    let url = https(text, watch)?;
    let path = url.path().to_ascii_lowercase();
    let known = EXTENSIONS.iter().any(|extension| path.ends_with(extension));
    watch.check(known, Rule::Payload, || {
        format!("the path `{path}` has no package's extension")
    });
    Ok(url)
}

fn https(text: &str, watch: &mut Watch) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| format!("`{text}` is no address that can be fetched"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" => {
            watch.note(
                Rule::Url,
                format!(
                    "a package over plain HTTP from {}",
                    url.host_str().unwrap_or_default()
                ),
            );
            Ok(url)
        }
        other => Err(format!("the scheme `{other}`")),
    }
}

const HOSTED_ATTRIBUTES: &[&str] = &[
    "PackageUri",
    "DeploymentOptions",
    "LicenseUri",
    "StageOnly",
    "ExcludeAppFromLayoutModification",
    "DeferRegistration",
    "ValidateDependencies",
    "ForceUpdateToAnyVersion",
];
/// Attribute, its only context, the build it came with.
const SWITCHES: &[(&str, Option<Scope>, u16)] = &[
    ("StageOnly", None, 17134),
    ("ExcludeAppFromLayoutModification", Some(Scope::Device), 17763),
    ("DeferRegistration", Some(Scope::User), 19041),
    ("ValidateDependencies", Some(Scope::Device), 19041),
    ("ForceUpdateToAnyVersion", Some(Scope::User), 19041),
];
const EXTENSIONS: &[&str] = &[
    ".appx",
    ".msix",
    ".appxbundle",
    ".msixbundle",
    ".eappx",
    ".eappxbundle",
    ".emsix",
    ".emsixbundle",
];
