//! HRESULTs of packaged-app deployment, licensing and downloads.

use super::{
    Explanation,
    RetryClass::{Configuration, Permanent, RepairOnce, Satisfied, Transient},
    row,
};
use qm_core::HResult;

/// Explains a result code. Codes that nobody listed get an explanation that says so.
pub fn explain(code: HResult) -> Explanation {
    let listed = TABLE.iter().find(|(listed, _)| *listed == code.0);
    listed.map_or_else(|| family(code.0), |(_, explanation)| *explanation)
}

/// What the facility tells about a code without a row of its own.
fn family(code: u32) -> Explanation {
    let low = code & 0xFFFF;
    match code >> 16 {
        _ if HResult(code).is_success() => SUCCESS,
        0x8019 if (500..600).contains(&low) => HTTP_SERVER,
        0x8019 => HTTP_CLIENT,
        0x803F => LICENSING,
        0x8007 if (0x2EE0..0x2FFF).contains(&low) => NETWORK,
        0x8007 if (0x3CF0..0x3E00).contains(&low) => DEPLOYMENT,
        0x8008 if (0x0200..0x0300).contains(&low) => PACKAGING,
        0x800B => TRUST,
        _ => UNKNOWN,
    }
}

const SUCCESS: Explanation = row(Satisfied, "S_OK", "The device reports success.", "Nothing to do.");
const HTTP_SERVER: Explanation = row(
    Transient,
    "HTTP_E_STATUS_SERVER_ERROR",
    "The server that holds the package answered with a fault of its own (HTTP 5xx).",
    "Look at the content server; the device is sent the package again later.",
);
const HTTP_CLIENT: Explanation = row(
    Configuration,
    "HTTP_E_STATUS",
    "The package could not be downloaded: the server refused the request.",
    "Open the package's link from the device's network and see what answers.",
);
const LICENSING: Explanation = row(
    RepairOnce,
    "Store licensing",
    "The Store's licensing refused: no seat or entitlement, too many devices, a wrong clock, or the Store is out of reach.",
    "Check the user's seat and that the device reaches the Store and keeps the right time, then retry.",
);
const NETWORK: Explanation = row(
    Transient,
    "WinINet",
    "The network failed while the device was downloading.",
    "Nothing, if it passes; else check name resolution, proxy and firewall between device and content server.",
);
const DEPLOYMENT: Explanation = row(
    RepairOnce,
    "App deployment",
    "Windows refused the deployment with a code that this server has no text for.",
    "Look the code up in the AppXDeploymentServer event log of the device.",
);
const PACKAGING: Explanation = row(
    Permanent,
    "APPX_E",
    "The package file is not put together as Windows expects.",
    "Build or obtain the package again and upload it.",
);
const TRUST: Explanation = row(
    Configuration,
    "Trust",
    "The device does not trust the package's signature.",
    "Install the signing chain on the device and allow trusted apps, then retry.",
);
const UNKNOWN: Explanation = row(
    RepairOnce,
    "Unknown",
    "The device reported a code that this server does not know.",
    "Look the code up in the device's event logs (AppXDeploymentServer, AppxPackaging, Device Management).",
);

#[rustfmt::skip]
const TABLE: &[(u32, Explanation)] = &[
    (0x8007_3CF0, row(Configuration, "ERROR_INSTALL_OPEN_PACKAGE_FAILED",
        "The package could not be opened: link or share unreadable, file unsigned, or its publisher is not the signer.",
        "Open the link in the scope of the job (device scope reads as Local System) and check the signature.")),
    (0x8007_3CF1, row(Permanent, "ERROR_INSTALL_PACKAGE_NOT_FOUND",
        "The package is not on the device.",
        "For a removal that is the goal; for an installation, check the package.")),
    (0x8007_3CF2, row(Permanent, "ERROR_INSTALL_INVALID_PACKAGE",
        "The package is damaged or no valid package.",
        "Upload the package again.")),
    (0x8007_3CF3, row(RepairOnce, "ERROR_INSTALL_RESOLVE_DEPENDENCY_FAILED",
        "A framework is missing, too old or of the wrong architecture, or another package conflicts.",
        "Add the framework that the device names, for the architecture of the app's package.")),
    (0x8007_3CF4, row(Transient, "ERROR_INSTALL_OUT_OF_DISK_SPACE",
        "The device's disk is full.",
        "Free space on the device.")),
    (0x8007_3CF5, row(Transient, "ERROR_INSTALL_NETWORK_FAILURE",
        "The download broke off.",
        "Nothing, if it passes; else check the network between device and content server.")),
    (0x8007_3CF6, row(RepairOnce, "ERROR_INSTALL_REGISTRATION_FAILURE",
        "The app was copied but could not be registered for the user.",
        "If it fails again, look for a broken user profile or extension on the device.")),
    (0x8007_3CF7, row(Transient, "ERROR_INSTALL_DEREGISTRATION_FAILURE",
        "The app could not be taken away, most likely because it is running.",
        "Have the app closed.")),
    (0x8007_3CF8, row(Transient, "ERROR_INSTALL_CANCEL",
        "The user cancelled the job.",
        "Tell the user what the app is for.")),
    (0x8007_3CF9, row(RepairOnce, "ERROR_INSTALL_FAILED",
        "Windows gives no better reason; often the job was in the wrong scope.",
        "Check whether the app belongs to the user or the device, then read the AppXDeploymentServer event log.")),
    (0x8007_3CFA, row(Configuration, "ERROR_REMOVE_FAILED",
        "The app cannot be removed: it belongs to Windows or is marked as not removable.",
        "Clear the NonRemovable mark, if it was set.")),
    (0x8007_3CFB, row(Satisfied, "ERROR_PACKAGE_ALREADY_EXISTS",
        "The same version is installed, but from a different build or signature.",
        "If the new build is wanted, give it a higher version.")),
    (0x8007_3CFC, row(RepairOnce, "ERROR_NEEDS_REMEDIATION",
        "The installed package is damaged.",
        "It is installed anew.")),
    (0x8007_3CFD, row(Permanent, "ERROR_INSTALL_PREREQUISITE_FAILED",
        "The device does not meet the package's requirements; most often its Windows is too old.",
        "Update Windows or deploy a package for this version.")),
    (0x8007_3CFE, row(Permanent, "ERROR_PACKAGE_REPOSITORY_CORRUPTED",
        "The device's package database is damaged.",
        "Repair Windows on the device.")),
    (0x8007_3CFF, row(Configuration, "ERROR_INSTALL_POLICY_FAILURE",
        "Policy does not allow this package: sideloading is off, or its signature is not trusted.",
        "Set ApplicationManagement/AllowAllTrustedApps to 1 and install the signing certificate, then retry.")),
    (0x80CF_201C, row(Configuration, "INSTALL_POLICY_FAILURE (client)",
        "Policy does not allow this package: sideloading is off, or its signature is not trusted.",
        "Set ApplicationManagement/AllowAllTrustedApps to 1 and install the signing certificate, then retry.")),
    (0x8007_3D00, row(Transient, "ERROR_PACKAGE_UPDATING",
        "Another update of this app is running.",
        "Nothing: it is tried again later.")),
    (0x8007_3D01, row(Configuration, "ERROR_DEPLOYMENT_BLOCKED_BY_POLICY",
        "AppLocker, App Control or the kind of user profile (roaming, temporary) forbids the app.",
        "Allow the app's publisher in that policy.")),
    (0x8007_3D02, row(Transient, "ERROR_PACKAGES_IN_USE",
        "The app, or a framework it shares, is running.",
        "Have the apps closed, or let the update be registered when they close.")),
    (0x8007_3D05, row(Transient, "ERROR_DELETING_EXISTING_APPLICATIONDATA_STORE_FAILED",
        "Files of the app's old data are in use.",
        "Have the app closed or the device restarted.")),
    (0x8007_3D06, row(Satisfied, "ERROR_INSTALL_PACKAGE_DOWNGRADE",
        "A newer version is installed already.",
        "Nothing to do.")),
    (0x8007_3D0A, row(Configuration, "ERROR_INSTALL_FIREWALL_SERVICE_NOT_RUNNING",
        "The Windows firewall service is switched off; installing apps needs it.",
        "Start the service.")),
    (0x8007_3D10, row(Permanent, "ERROR_INSTALL_WRONG_PROCESSOR_ARCHITECTURE",
        "The package is for another processor architecture.",
        "Upload a package for this device's architecture.")),
    (0x8007_3D12, row(Configuration, "ERROR_INSTALL_OPTIONAL_PACKAGE_REQUIRES_MAIN_PACKAGE",
        "An optional package needs its main app, which is not installed.",
        "Deploy the main app first.")),
    (0x8007_3D19, row(Transient, "ERROR_DEPLOYMENT_BLOCKED_BY_USER_LOG_OFF",
        "The user signed out while the app was being installed.",
        "Nothing: it is tried again when the user is back.")),
    (0x8007_3D1A, row(Configuration, "ERROR_PROVISION_OPTIONAL_PACKAGE_REQUIRES_MAIN_PACKAGE_PROVISIONED",
        "An optional package was provisioned without its main app.",
        "Provision the main app first.")),
    (0x8007_3D21, row(Configuration, "BLOCKED_BY_VOLUME_POLICY",
        "Policy keeps apps on the system volume.",
        "See ApplicationManagement/RestrictAppToSystemVolume.")),
    (0x8008_0203, row(Permanent, "APPX_E_MISSING_REQUIRED_FILE",
        "A file that every package must have is missing.",
        "Build or obtain the package again and upload it.")),
    (0x8008_0204, row(Permanent, "APPX_E_INVALID_MANIFEST",
        "The package's manifest is not valid.",
        "Correct the manifest and upload the package again.")),
    (0x8008_0205, row(Permanent, "APPX_E_INVALID_BLOCKMAP",
        "The package's block map is not valid.",
        "Build or obtain the package again and upload it.")),
    (0x8008_0206, row(RepairOnce, "APPX_E_CORRUPT_CONTENT",
        "The package arrived damaged.",
        "If it fails again, look for a proxy that changes downloads, and upload the package again.")),
    (0x8008_0207, row(RepairOnce, "APPX_E_BLOCK_HASH_INVALID",
        "A part of the package does not match its hash.",
        "If it fails again, look for a proxy that changes downloads, and upload the package again.")),
    (0x8008_0208, row(Permanent, "APPX_E_REQUESTED_RANGE_TOO_LARGE",
        "The package is cut off, or names more data than it has.",
        "Upload the package again.")),
    (0x8008_0209, row(Permanent, "APPX_E_INVALID_SIP_CLIENT_DATA",
        "The package's signature cannot be processed.",
        "Sign the package again.")),
    (0x8007_0002, row(Configuration, "ERROR_FILE_NOT_FOUND",
        "The package is not where its link points.",
        "Check the link.")),
    (0x8007_0003, row(Configuration, "ERROR_PATH_NOT_FOUND",
        "The package is not where its link points.",
        "Check the link.")),
    (0x8007_0005, row(Configuration, "E_ACCESSDENIED",
        "Access was denied: to the package's share, or to installing at all.",
        "Let the computer account read the share; see ApplicationManagement/BlockNonAdminUserInstall.")),
    (0x8007_000B, row(Permanent, "ERROR_BAD_FORMAT",
        "The package is built wrongly, or its publisher is not the signer's subject.",
        "Build and sign the package again.")),
    (0x8007_0035, row(Configuration, "ERROR_BAD_NETPATH",
        "The server that holds the package was not found.",
        "Check the link's host name and that the computer account may read there.")),
    (0x8007_0043, row(Configuration, "ERROR_BAD_NET_NAME",
        "The share that holds the package was not found.",
        "Check the link's share name and that the computer account may read there.")),
    (0x8007_0057, row(Permanent, "E_INVALIDARG",
        "Windows cannot use a value of the manifest or of the command.",
        "Look for unusual characters in the manifest's texts.")),
    (0x8007_0070, row(Transient, "ERROR_DISK_FULL",
        "The device's disk is full.",
        "Free space on the device.")),
    (0x8007_0520, row(Transient, "ERROR_NO_SUCH_LOGON_SESSION",
        "The user is not signed in any more.",
        "Nothing: it is tried again when the user is back.")),
    (0x8007_2EE2, row(Transient, "ERROR_INTERNET_TIMEOUT",
        "The download timed out.",
        "Nothing, if it passes; else check the network between device and content server.")),
    (0x8007_2EE7, row(Transient, "ERROR_INTERNET_NAME_NOT_RESOLVED",
        "The device cannot resolve the host name of the package's link.",
        "Nothing, if it passes; else check name resolution and proxy.")),
    (0x8007_2EFD, row(Transient, "ERROR_INTERNET_CANNOT_CONNECT",
        "The device cannot connect to the content server.",
        "Nothing, if it passes; else check firewall and proxy.")),
    (0x8007_2EFE, row(Transient, "ERROR_INTERNET_CONNECTION_ABORTED",
        "The connection to the content server was cut.",
        "Nothing, if it passes; else check firewall and proxy.")),
    (0x8007_2F0D, row(Configuration, "ERROR_INTERNET_INVALID_CA",
        "The device does not know the authority that issued the content server's certificate.",
        "Install the root certificate on the device or use a public one on the server.")),
    (0x8007_2F8F, row(Configuration, "ERROR_INTERNET_DECODING_FAILED",
        "TLS to the content server failed: most often the device's clock or the server's chain is wrong.",
        "Check the clock, then the server's certificate chain.")),
    (0x8019_0191, row(Transient, "HTTP_E_STATUS_DENIED",
        "The content server did not accept the link (HTTP 401).",
        "Nothing: the device gets a fresh link.")),
    (0x8019_0193, row(Transient, "HTTP_E_STATUS_FORBIDDEN",
        "The link to the package has expired (HTTP 403).",
        "Nothing: the device gets a fresh link.")),
    (0x8019_0194, row(Configuration, "HTTP_E_STATUS_NOT_FOUND",
        "The package is not on the content server (HTTP 404).",
        "Upload the package again.")),
    (0x8019_01A0, row(Configuration, "HTTP_E_STATUS_RANGE_NOT_SATISFIABLE",
        "The content server, or a proxy before it, does not serve byte ranges (HTTP 416).",
        "Let range requests through.")),
    (0x800B_0100, row(Permanent, "TRUST_E_NOSIGNATURE",
        "The package is not signed.",
        "Sign the package and upload it again.")),
    (0x800B_0101, row(Permanent, "CERT_E_EXPIRED",
        "The signing certificate has expired and the signature has no time stamp.",
        "Sign the package again, with a time stamp.")),
    (0x800B_0109, row(Configuration, "CERT_E_UNTRUSTEDROOT",
        "The device does not trust the root of the signing certificate.",
        "Install the root (or, for a self-signed package, the signer) on the device, then retry.")),
    (0x800B_010A, row(Configuration, "CERT_E_CHAINING",
        "An intermediate certificate of the signature is missing on the device.",
        "Install the intermediate certificate, then retry.")),
    (0x8000_4005, row(RepairOnce, "E_FAIL",
        "The device reports a failure without a reason.",
        "Read the AppXDeploymentServer event log of the device.")),
    (0x8000_FFFF, row(RepairOnce, "E_UNEXPECTED",
        "Windows met something it did not expect.",
        "If it fails again, restart the device.")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::RetryClass;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn listed_codes_have_their_class() {
        for (code, class) in [
            ("-2147009296", Configuration),
            ("-2147009293", RepairOnce),
            ("-2147009281", Configuration),
            ("-2133909476", Configuration),
            ("-2147009278", Transient),
            ("-2147009274", Satisfied),
            ("-2147009264", Permanent),
            ("-2146762487", Configuration),
            ("-2147024784", Transient),
        ] {
            assert_eq!(explain(HResult::parse(code).unwrap()).class, class, "{code}");
        }
    }

    #[test]
    fn families_explain_what_has_no_row() {
        for (code, name, class) in [
            (0, "S_OK", Satisfied),
            (0x0019_0001, "S_OK", Satisfied),
            (0x8019_01F6, "HTTP_E_STATUS_SERVER_ERROR", Transient),
            (0x8019_01AD, "HTTP_E_STATUS", Configuration),
            (0x803F_8001, "Store licensing", RepairOnce),
            (0x8007_2EFF, "WinINet", Transient),
            (0x8007_3D7F, "App deployment", RepairOnce),
            (0x8008_0211, "APPX_E", Permanent),
            (0x800B_010C, "Trust", Configuration),
            (0x8765_4321, "Unknown", RepairOnce),
        ] {
            let explanation = explain(HResult(code));
            assert_eq!(
                (explanation.name, explanation.class),
                (name, class),
                "{code:#010x}"
            );
        }
    }

    #[test]
    fn every_row_is_an_error_listed_once_and_said_in_full_sentences() {
        let mut seen = HashSet::new();
        for (code, row) in TABLE {
            assert!(seen.insert(code), "{code:#010x} twice");
            assert!(!HResult(*code).is_success(), "{code:#010x}");
            assert!(
                row.text.ends_with('.') && row.advice.ends_with('.'),
                "{code:#010x}"
            );
        }
    }

    proptest! {
        #[test]
        fn only_success_and_two_reached_goals_are_satisfied(code: u32) {
            let satisfied = explain(HResult(code)).class == RetryClass::Satisfied;
            let reached = [0x8007_3CFB, 0x8007_3D06].contains(&code);
            prop_assert_eq!(satisfied, HResult(code).is_success() || reached);
        }
    }
}
