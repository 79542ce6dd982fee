//! What is installed: by query, and by walking the tree.

use super::{
    Apps, InstalledPackage, Outcome, Scope, Value, World, leaf,
    payload::{self, AppSource},
};
use crate::{Rule, tree::Call, xml::Writer};

/// `AppInventoryQuery`: it stays until it is replaced.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    text: String,
    details: bool,
    reinstall: bool,
    source: Option<AppSource>,
    types: Option<Vec<String>>,
    /// Substrings, not exact names.
    family: Option<String>,
    publisher: Option<String>,
}

impl Query {
    fn read(text: &str) -> Result<Self, String> {
        let root = payload::root(text, "Inventory")?;
        payload::only(
            &root,
            &[
                "Output",
                "Source",
                "PackageTypeFilter",
                "PackageFamilyName",
                "Publisher",
            ],
            &[],
        )?;
        let list = |name: &str, known: &[&str]| -> Result<Option<Vec<String>>, String> {
            let Some(value) = root.attribute(name) else {
                return Ok(None);
            };
            let values: Vec<_> = value.split('|').map(str::to_owned).collect();
            match values.iter().find(|value| !known.contains(&value.as_str())) {
                Some(unknown) => Err(format!("{name} `{unknown}`")),
                None => Ok(Some(values)),
            }
        };
        let output =
            list("Output", &["PackageNames", "PackageDetails", "RequiresReinstall"])?.unwrap_or_default();
        let source = match root.attribute("Source") {
            // Joining several is not documented.
            Some(source) => Some(AppSource::parse(source).ok_or_else(|| format!("Source `{source}`"))?),
            None => None,
        };
        Ok(Self {
            text: text.to_owned(),
            details: output.iter().any(|output| output == "PackageDetails"),
            reinstall: output.iter().any(|output| output == "RequiresReinstall"),
            source,
            types: list(
                "PackageTypeFilter",
                &["Main", "Bundle", "Framework", "Resource", "XAP", "All"],
            )?,
            family: root.attribute("PackageFamilyName").map(str::to_owned),
            publisher: root.attribute("Publisher").map(str::to_owned),
        })
    }

    fn takes(&self, package: &InstalledPackage) -> bool {
        let contains =
            |part: &Option<String>, text: &str| part.as_deref().is_none_or(|part| text.contains(part));
        let kind = match package {
            framework if framework.framework => "Framework",
            bundle if bundle.is_bundle() => "Bundle",
            _ => "Main",
        };
        self.source.is_none_or(|source| source == package.source)
            && self
                .types
                .as_ref()
                .is_none_or(|types| types.iter().any(|wanted| wanted == kind || wanted == "All"))
            && contains(&self.family, &package.family_name)
            && contains(&self.publisher, &package.publisher)
    }
}

impl Apps {
    pub(super) fn set_query(&mut self, call: Call<'_>, world: &mut World<'_>) -> Outcome {
        match Query::read(call.data) {
            Ok(query) => {
                self.queries.insert(call.address.scope, query);
                Outcome::OK
            }
            Err(problem) => {
                world
                    .watch
                    .note(Rule::Payload, format!("AppInventoryQuery: {problem}"));
                Outcome::FAILED
            }
        }
    }

    pub(super) fn query_text(&self, call: Call<'_>) -> Outcome {
        let text = self
            .queries
            .get(&call.address.scope)
            .map_or("", |query| query.text.as_str());
        Outcome::value(&call.address.text, "xml", text)
    }

    /// The document of `AppInventoryResults`. Its element names are unpublished; readers go by the attributes.
    pub(super) fn inventory(&self, scope: Scope) -> String {
        let default = Query::default();
        let query = self.queries.get(&scope).unwrap_or(&default);
        let mut xml = Writer::new();
        xml.element("AppInventory", &[], |xml| {
            for package in self
                .packages
                .iter()
                .filter(|package| package.visible(scope) && query.takes(package))
            {
                let mut attributes = vec![
                    ("PackageFamilyName", package.family_name.clone()),
                    ("PackageFullName", package.full_name.clone()),
                ];
                if query.details {
                    attributes.extend(
                        details(package, scope)
                            .into_iter()
                            .map(|(name, _, value)| (name, value)),
                    );
                }
                if query.reinstall {
                    attributes.push(("RequiresReinstall", "0".to_owned()));
                }
                let borrowed: Vec<_> = attributes
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                xml.empty("App", &borrowed);
            }
        });
        xml.finish()
    }

    /// `Get AppManagement[?list=StructData]`.
    pub(super) fn management_root(&self, call: Call<'_>) -> Outcome {
        let text = &call.address.text;
        if call.address.whole {
            let scope = call.address.scope;
            let values = self
                .packages
                .iter()
                .filter(|package| package.visible(scope))
                .flat_map(|package| {
                    let base = format!(
                        "{text}/{}/{}/{}",
                        package.source.as_str(),
                        package.family_name,
                        package.full_name
                    );
                    leaves(&base, package, scope)
                });
            return Outcome::values(values.collect());
        }
        let nodes = [
            "AppStore",
            "nonStore",
            "System",
            "UpdateScan",
            "LastScanError",
            "AppInventoryQuery",
            "AppInventoryResults",
        ];
        Outcome::children(text, nodes)
    }

    /// `Get AppManagement/{source}[/{PFN}[/{PFullN}[/{leaf}]]]`.
    pub(super) fn walk(&self, call: Call<'_>, source: AppSource, names: &[String]) -> Outcome {
        let (scope, text) = (call.address.scope, &call.address.text);
        let matching: Vec<_> = self
            .packages
            .iter()
            .filter(|package| package.visible(scope) && package.source == source)
            .filter(|package| {
                names
                    .first()
                    .is_none_or(|name| package.family_name.eq_ignore_ascii_case(name))
            })
            .filter(|package| {
                names
                    .get(1)
                    .is_none_or(|name| package.full_name.eq_ignore_ascii_case(name))
            })
            .collect();
        if matching.is_empty() && !names.is_empty() {
            return Outcome::NOT_FOUND;
        }
        let below = |package: &InstalledPackage| match names.len() {
            0 => format!("{text}/{}/{}", package.family_name, package.full_name),
            1 => format!("{text}/{}", package.full_name),
            _ => text.clone(),
        };
        if call.address.whole && names.len() < 3 {
            return Outcome::values(
                matching
                    .iter()
                    .flat_map(|p| leaves(&below(p), p, scope))
                    .collect(),
            );
        }
        match names.len() {
            0 => {
                let mut families: Vec<_> = matching.iter().map(|package| &package.family_name).collect();
                families.sort();
                families.dedup();
                Outcome::children(text, families)
            }
            1 => Outcome::children(text, matching.iter().map(|package| &package.full_name)),
            2 => Outcome::children(text, details(matching[0], scope).iter().map(|(name, _, _)| *name)),
            _ => {
                let wanted = details(matching[0], scope)
                    .into_iter()
                    .find(|(name, _, _)| name.eq_ignore_ascii_case(&names[2]));
                wanted.map_or(Outcome::NOT_FOUND, |(_, format, value)| {
                    Outcome::value(text, format, value)
                })
            }
        }
    }
}

fn leaves(base: &str, package: &InstalledPackage, scope: Scope) -> Vec<Value> {
    details(package, scope)
        .into_iter()
        .map(|(name, format, value)| leaf(base, name, format, value))
        .collect()
}

/// The leaves of a package: name, format, value.
fn details(package: &InstalledPackage, scope: Scope) -> Vec<(&'static str, &'static str, String)> {
    let flag = |flag: bool| u8::from(flag).to_string();
    let architecture = package.architecture.as_str();
    let capital = architecture[..1].to_ascii_uppercase() + &architecture[1..];
    let state = if package.user { 2 } else { 1 };
    let users = if package.user || scope == Scope::Device {
        format!("{USER}[{state}]")
    } else {
        String::new()
    };
    let (date, _) = package.installed_at.to_string().split_once('T').map_or_else(
        || (String::new(), String::new()),
        |(date, time)| (date.to_owned(), time.to_owned()),
    );
    vec![
        ("Name", "chr", package.name.clone()),
        ("Version", "chr", package.version.to_string()),
        ("Publisher", "chr", package.publisher.clone()),
        ("Architecture", "chr", capital),
        (
            "InstallLocation",
            "chr",
            format!("C:\\Program Files\\WindowsApps\\{}", package.full_name),
        ),
        ("InstallDate", "chr", date),
        ("ResourceID", "chr", package.resource_id.clone()),
        ("IsBundle", "int", flag(package.is_bundle())),
        ("IsFramework", "int", flag(package.framework)),
        ("IsProvisioned", "int", flag(package.provisioned)),
        ("IsStub", "int", flag(false)),
        ("PackageStatus", "int", "0".to_owned()),
        ("Users", "chr", users),
    ]
}

/// The enrolled user's SID.
const USER: &str = "S-1-12-1-2847120931-1193046251-3355443210-901223344";
