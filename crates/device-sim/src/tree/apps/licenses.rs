//! `AppLicenses/StoreLicenses`: offline licenses.

use super::{Apps, Outcome, Scope, World, leaf, payload};
use crate::{Rule, tree::Call, xml::Element};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::command::Verb;

/// A license on the device.
#[derive(Debug, Clone)]
pub(super) struct License {
    scope: Scope,
    /// As the server spelled it.
    id: String,
    /// The family it is bound to; one without is good for any.
    family: Option<String>,
    /// The node was added, the license itself was not.
    empty: bool,
}

impl Apps {
    pub(super) fn perform_license(
        &mut self,
        call: Call<'_>,
        names: &[String],
        lower: &[&str],
        world: &mut World<'_>,
    ) -> Outcome {
        let scope = call.address.scope;
        // The machine's view holds the licenses of all users.
        let visible = |license: &&License| scope == Scope::Device || license.scope == scope;
        match (lower, call.verb) {
            ([], Verb::Get) => {
                let seen = self.licenses.iter().filter(visible);
                if call.address.whole {
                    let base = |license: &License| format!("{}/{}", call.address.text, license.id);
                    return Outcome::values(seen.flat_map(|license| values(&base(license))).collect());
                }
                Outcome::children(&call.address.text, seen.map(|license| &license.id))
            }
            ([_], Verb::Add) => self.add_license_node(scope, &names[0]),
            ([id], Verb::Delete) => {
                let before = self.licenses.len();
                self.licenses
                    .retain(|license| license.scope != scope || !license.id.eq_ignore_ascii_case(id));
                if self.licenses.len() < before {
                    Outcome::OK
                } else {
                    Outcome::NOT_FOUND
                }
            }
            ([_, "addlicense"], Verb::Exec) => self.add_license(scope, &names[0], call.data, world),
            ([id, rest @ ..], Verb::Get) => {
                if !self
                    .licenses
                    .iter()
                    .filter(visible)
                    .any(|license| license.id.eq_ignore_ascii_case(id))
                {
                    return Outcome::NOT_FOUND;
                }
                read(call, rest)
            }
            _ => Outcome::NOT_ALLOWED,
        }
    }

    /// Whether a license for this family is in place.
    pub(super) fn is_licensed(&self, scope: Scope, family: &str) -> bool {
        self.licenses.iter().any(|license| {
            let covers = license
                .family
                .as_deref()
                .is_none_or(|bound| bound.eq_ignore_ascii_case(family));
            license.scope == scope && !license.empty && covers
        })
    }

    /// A license file fetched beside a package (`LicenseUri`).
    pub(super) fn add_license_file(&mut self, scope: Scope, bytes: &[u8], world: &mut World<'_>) {
        let license = Element::parse(bytes).ok().filter(|root| root.name == "License");
        let Some(license) = license else {
            world.watch.note(Rule::Payload, "LicenseUri leads to no license");
            return;
        };
        let id = license
            .attribute("LicenseID")
            .or(license.attribute("ContentID"))
            .unwrap_or_default();
        self.store_license(scope, id, bound_family(&license));
    }

    fn add_license_node(&mut self, scope: Scope, id: &str) -> Outcome {
        if self
            .licenses
            .iter()
            .any(|license| license.scope == scope && license.id.eq_ignore_ascii_case(id))
        {
            return Outcome::EXISTS;
        }
        self.licenses.push(License {
            scope,
            id: id.to_owned(),
            family: None,
            empty: true,
        });
        Outcome::OK
    }

    fn add_license(&mut self, scope: Scope, id: &str, data: &str, world: &mut World<'_>) -> Outcome {
        match license_family(id, data) {
            Ok(family) => {
                self.store_license(scope, id, family);
                Outcome::OK
            }
            Err(problem) => {
                world.watch.note(Rule::Payload, format!("AddLicense: {problem}"));
                Outcome::FAILED
            }
        }
    }

    fn store_license(&mut self, scope: Scope, id: &str, family: Option<String>) {
        self.licenses
            .retain(|license| license.scope != scope || !license.id.eq_ignore_ascii_case(id));
        self.licenses.push(License {
            scope,
            id: id.to_owned(),
            family,
            empty: false,
        });
    }
}

/// Reads `<License Content="base64"/>`: the license has to carry the id of its node.
fn license_family(id: &str, data: &str) -> Result<Option<String>, String> {
    if !is_guid(id) {
        return Err(format!("the node `{id}` is no content id"));
    }
    let root = payload::root(data, "License")?;
    payload::only(&root, &["Content"], &[])?;
    let content = root.attribute("Content").unwrap_or_default();
    let bytes = BASE64_STANDARD
        .decode(content)
        .map_err(|_| "Content is not base64 in one piece")?;
    if bytes.is_empty() {
        return Err("Content is empty".to_owned());
    }
    let license = Element::parse(&bytes).map_err(|_| "Content is no license document")?;
    if license.name != "License" {
        return Err(format!("Content holds a `{}`", license.name));
    }
    let ids: Vec<_> = ["LicenseID", "ContentID"]
        .iter()
        .filter_map(|name| license.attribute(name))
        .collect();
    let own = ids.iter().any(|own| bare(own).eq_ignore_ascii_case(id));
    if own {
        Ok(bound_family(&license))
    } else {
        Err(format!("the license is for {ids:?}, the node is `{id}`"))
    }
}

/// `Binding/PFM`: the package family, in lower case.
fn bound_family(license: &Element) -> Option<String> {
    let bound = license.at(&["Binding", "PFM"])?.text.trim();
    (!bound.is_empty()).then(|| bound.to_owned())
}

fn read(call: Call<'_>, leaf: &[&str]) -> Outcome {
    let text = &call.address.text;
    match leaf {
        [] if call.address.whole => Outcome::values(values(text)),
        [] => Outcome::children(text, ["LicenseCategory", "LicenseUsage", "RequesterID"]),
        [name] => {
            let base = text.rsplit_once('/').map_or("", |(base, _)| base);
            let wanted = values(base).into_iter().find(|value| {
                value
                    .uri
                    .rsplit('/')
                    .next()
                    .is_some_and(|leaf| leaf.eq_ignore_ascii_case(name))
            });
            wanted.map_or(Outcome::NOT_FOUND, |value| Outcome::values(vec![value]))
        }
        _ => Outcome::NOT_FOUND,
    }
}

fn values(base: &str) -> Vec<super::Value> {
    vec![
        leaf(base, "LicenseCategory", "chr", "Enterprise"),
        leaf(base, "LicenseUsage", "chr", "Offline"),
        leaf(base, "RequesterID", "chr", "0"),
    ]
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::parse_str(text).is_ok()
}

fn bare(guid: &str) -> &str {
    guid.trim_start_matches('{').trim_end_matches('}')
}
