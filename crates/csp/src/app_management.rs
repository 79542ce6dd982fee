//! Packaged apps: the `EnterpriseModernAppManagement` CSP, its commands and its answers.
//!
//! A job runs in a slot, `AppInstallation/{PFN}`: [`add_slot`] first, each time, for the device drops the slot when
//! the job has succeeded. 418 on the Add is fine. 200 or 202 on the Exec mean *accepted*, never *installed*;
//! what proves an installation is the inventory ([`inventory_query`], [`inventory_results`], [`read_inventory`]).

mod alert;
mod inventory;
mod slot;
#[cfg(test)]
mod tests;

pub(crate) use alert::is_kind;
pub use alert::{AppAlert, read_alert};
pub use inventory::{ReadError, read_inventory};
pub use slot::{SlotStatus, read_slot};

use crate::{CspCommand, locuri::encode_segment, payload::Element};
use qm_core::{deployment::Context, text_enum};
use std::fmt;

text_enum! {
    /// Where a package's signature puts it; a Store app stays `AppStore` when it was installed from our content store.
    pub enum Source {
        /// Signed by the Store.
        AppStore = "AppStore",
        /// Line-of-business and developer apps.
        NonStore = "nonStore",
        /// Part of Windows; cannot be removed.
        System = "System",
    }
}

impl Source {
    /// Reads the name in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|source| source.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// The payload of [`hosted_install`]. `Debug` shows its links without their signatures.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct HostedInstall {
    /// Link to the package or bundle; the device must be able to read it in the context of the job.
    pub package_uri: String,
    /// Links to all frameworks it needs, for the architecture of the package that the device picks.
    pub dependencies: Vec<String>,
    /// Fail at once when a framework is missing. Device context, Windows 10 2004 (build 19041) and later.
    pub validate_dependencies: bool,
    /// Let a running app finish before its update takes its place. User context, build 19041 and later.
    pub defer_registration: bool,
}

impl fmt::Debug for HostedInstall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn path(link: &str) -> &str {
            link.split('?').next().unwrap_or_default()
        }
        f.debug_struct("HostedInstall")
            .field("package_uri", &path(&self.package_uri))
            .field(
                "dependencies",
                &self
                    .dependencies
                    .iter()
                    .map(|link| path(link))
                    .collect::<Vec<_>>(),
            )
            .field("validate_dependencies", &self.validate_dependencies)
            .field("defer_registration", &self.defer_registration)
            .finish()
    }
}

/// Creates the job slot of a family; it also makes Windows remove the app at unenrollment.
pub fn add_slot(context: Context, family_name: &str) -> CspCommand {
    CspCommand::add_node(slot_uri(context, family_name))
}

/// Installs from the Store for the signed-in user, whose seat is assigned already (`flags="0"`).
/// There is no device form: the Store serves users only.
pub fn store_install(family_name: &str, product_id: &str, sku_id: &str) -> CspCommand {
    let payload = Element::new("Application")
        .attribute("id", product_id)
        .attribute("flags", "0")
        .attribute("skuid", sku_id);
    exec(slot_uri(Context::User, family_name) + "/StoreInstall", &payload)
}

/// Installs (user) or provisions (device) from our content store.
/// `DeploymentOptions` is never sent: device context does not know it, and absence means its default, 0.
pub fn hosted_install(context: Context, family_name: &str, install: &HostedInstall) -> CspCommand {
    let (device, user) = (context == Context::Device, context == Context::User);
    let mut payload = Element::new("Application")
        .attribute("PackageUri", &install.package_uri)
        .attribute_if(
            device && install.validate_dependencies,
            "ValidateDependencies",
            "1",
        )
        .attribute_if(user && install.defer_registration, "DeferRegistration", "1");
    if !install.dependencies.is_empty() {
        let one = |uri| Element::new("Dependency").attribute("PackageUri", uri);
        let list = Element::new("Dependencies");
        payload = payload.child(
            install
                .dependencies
                .iter()
                .map(|uri| one(uri))
                .fold(list, Element::child),
        );
    }
    exec(slot_uri(context, family_name) + "/HostedInstall", &payload)
}

/// Gives the device an offline license: `blob` is the base64 text exactly as the Store returned it.
pub fn add_license(context: Context, content_id: &str, blob: &str) -> CspCommand {
    let payload = Element::new("License").attribute("Content", blob);
    exec(license_uri(context, content_id) + "/AddLicense", &payload)
}

/// Takes an offline license away. The app stays, but will not start.
pub fn delete_license(context: Context, content_id: &str) -> CspCommand {
    CspCommand::delete(license_uri(context, content_id))
}

/// Reads the state of a job. 404 means that the job succeeded, or never was: see the inventory.
pub fn poll_slot(context: Context, family_name: &str) -> CspCommand {
    CspCommand::get(slot_uri(context, family_name) + "?list=StructData")
}

/// Removes a job slot with its last error.
pub fn delete_slot(context: Context, family_name: &str) -> CspCommand {
    CspCommand::delete(slot_uri(context, family_name))
}

/// Stores the filter that governs the next [`inventory_results`]; send both in this order, for each source.
pub fn inventory_query(context: Context, source: Source) -> CspCommand {
    let payload = Element::new("Inventory")
        .attribute("Output", "PackageDetails")
        .attribute("Source", source.as_str())
        .attribute("PackageTypeFilter", "Main|Bundle");
    CspCommand::replace(apps_uri(context) + "/AppInventoryQuery", "xml", payload.to_text())
}

/// Runs the stored query. All sources share this address: match the answer by `CmdRef`.
pub fn inventory_results(context: Context) -> CspCommand {
    CspCommand::get(apps_uri(context) + "/AppInventoryResults")
}

/// Uninstalls for the user, or unprovisions: users who have the app then keep it. 404 means that it is gone.
pub fn uninstall(context: Context, source: Source, family_name: &str) -> CspCommand {
    CspCommand::delete(format!(
        "{}/{source}/{}",
        apps_uri(context),
        encode_segment(family_name)
    ))
}

fn exec(uri: String, payload: &Element<'_>) -> CspCommand {
    CspCommand::exec(uri, "xml", payload.to_text())
}

fn slot_uri(context: Context, family_name: &str) -> String {
    format!(
        "{}/AppInstallation/{}",
        root(context),
        encode_segment(family_name)
    )
}

fn license_uri(context: Context, content_id: &str) -> String {
    // Without the braces that some writers put around a GUID.
    let id = content_id.trim().trim_start_matches('{').trim_end_matches('}');
    format!(
        "{}/AppLicenses/StoreLicenses/{}",
        root(context),
        encode_segment(id)
    )
}

fn apps_uri(context: Context) -> String {
    format!("{}/AppManagement", root(context))
}

fn root(context: Context) -> &'static str {
    match context {
        Context::Device => "./Device/Vendor/MSFT/EnterpriseModernAppManagement",
        Context::User => "./User/Vendor/MSFT/EnterpriseModernAppManagement",
    }
}
