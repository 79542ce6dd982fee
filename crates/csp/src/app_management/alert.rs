//! The generic alerts that report the end of an installation or removal (alert 1226).

use super::Source;
use crate::locuri::{node_names, scope_of};
use qm_core::{HResult, deployment::Context};
use qm_syncml::Item;

/// The end of a job. It proves nothing and may never come: verify it in the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppAlert {
    /// A hosted installation (user) or provisioning (device) has ended. Store installs send none.
    Installed {
        /// The scope of the job.
        context: Context,
        /// Whose.
        family_name: String,
        /// Success or the error.
        result: HResult,
    },
    /// A removal has ended.
    Uninstalled {
        /// The scope of the job.
        context: Context,
        /// Whose.
        family_name: String,
        /// Success or the error.
        result: HResult,
    },
}

/// Reads an alert's item. `None`: some other alert, or one that does not name an app and a result.
pub fn read_alert(item: &Item) -> Option<AppAlert> {
    let kind = item.meta.media_type.as_deref()?;
    let uri = item.source.as_deref().or(item.target.as_deref())?;
    let context = scope_of(uri);
    let result = || HResult::parse(item.data.as_deref()?);
    if is_kind(kind, "EnterpriseHostedAppInstall.result") {
        let family_name = family_below(uri, "AppInstallation")?;
        Some(AppAlert::Installed {
            context,
            family_name,
            result: result()?,
        })
    } else if is_kind(kind, "EnterpriseAppUninstall.result") {
        let family_name = family_below(uri, "AppManagement")?;
        Some(AppAlert::Uninstalled {
            context,
            family_name,
            result: result()?,
        })
    } else {
        None
    }
}

/// Whether an alert's Type is `name`, or ends with it after a dot, slash or colon; case does not count.
pub(crate) fn is_kind(kind: &str, name: &str) -> bool {
    let kind = kind.trim();
    let Some(start) = kind.len().checked_sub(name.len()) else {
        return false;
    };
    let ends_so = kind
        .get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(name));
    ends_so && (start == 0 || kind[..start].ends_with(['.', '/', ':']))
}

/// The family name below `branch`, whether or not the origin stands between them.
fn family_below(uri: &str, branch: &str) -> Option<String> {
    let mut names = node_names(uri)
        .skip_while(|name| !name.eq_ignore_ascii_case(branch))
        .skip(1);
    let first = names.next()?;
    let name = if Source::parse(&first).is_some() {
        names.next()?
    } else {
        first
    };
    let family = super::inventory::family_of(&name).unwrap_or_else(|| name.into_owned());
    Some(family).filter(|family| !family.trim().is_empty())
}
