//! The device itself: what is read and set in its first session, and the alerts that a session brings.
//!
//! Reads may fail with 404 or 406 on older builds and other editions; that only means *not available*.

mod alert;
mod facts;

pub use alert::{Login, SessionAlert, read_session_alert};
pub use facts::{DeviceFacts, read_inventory_item};

use crate::CspCommand;
use qm_core::DeviceId;

/// Our name among a device's management servers. Set at enrollment; needs no escaping.
pub const PROVIDER_ID: &str = "Quartermaster";

/// Reads what is worth knowing about a device: one Get for each node, so that one missing node costs only itself.
pub fn inventory_reads() -> Vec<CspCommand> {
    let provider = PROVIDER_READS.iter().map(|leaf| provider_uri(leaf));
    DEVICE_READS
        .iter()
        .map(|uri| (*uri).to_owned())
        .chain(provider)
        .map(CspCommand::get)
        .collect()
}

/// The settings of the management client. `max_sync_version` is what `MaxSyncApplicationVersion` told; without it
/// the protocol version is left alone, for it cannot be lowered again.
pub fn dmclient_settings(device_id: DeviceId, max_sync_version: Option<&str>) -> Vec<CspCommand> {
    let set =
        |(leaf, format, value): (&str, &str, &str)| CspCommand::replace(provider_uri(leaf), format, value);
    let id = device_id.to_string();
    let version = max_sync_version.and_then(sync_version);
    let mut settings = vec![set(("EntDMID", "chr", &id))];
    settings.extend(version.map(|version| set(("SyncApplicationVersion", "chr", &version))));
    settings.extend(SETTINGS.iter().copied().map(set));
    settings
}

/// Makes the device leave. Refused by devices that joined Entra ID.
pub fn unenroll() -> CspCommand {
    CspCommand::exec(provider_uri("Unenroll"), "chr", PROVIDER_ID)
}

fn provider_uri(leaf: &str) -> String {
    format!("./Device/Vendor/MSFT/DMClient/Provider/{PROVIDER_ID}/{leaf}")
}

/// The lower of the client's version and 4.0 (original error codes, user-agent origin); 5.0 is for multi-session Windows.
fn sync_version(max: &str) -> Option<String> {
    let (major, minor) = max.trim().split_once('.')?;
    let version: (u16, u16) = (major.parse().ok()?, minor.parse().ok()?);
    let (major, minor) = version.min((4, 0));
    Some(format!("{major}.{minor}"))
}

const DEVICE_READS: &[&str] = &[
    "./DevDetail/SwV",
    "./DevDetail/HwV",
    "./DevDetail/FwV",
    "./DevDetail/OEM",
    "./DevDetail/DevTyp",
    "./DevDetail/LrgObj",
    "./DevDetail/Ext/Microsoft/DeviceName",
    "./DevDetail/Ext/Microsoft/DNSComputerName",
    "./DevDetail/Ext/Microsoft/OSPlatform",
    "./DevDetail/Ext/Microsoft/ProcessorArchitecture",
    "./DevDetail/Ext/Microsoft/SMBIOSSerialNumber",
    "./DevDetail/Ext/Microsoft/TotalRAM",
    "./DevDetail/Ext/Microsoft/TotalStorage",
    "./Vendor/MSFT/DeviceStatus/OS/Edition",
];

const PROVIDER_READS: &[&str] = &[
    "AADDeviceID",
    "EnrollmentType",
    "HWDevID",
    "MaxSyncApplicationVersion",
    "Push/ChannelURI",
    "Push/Status",
];

/// Below the provider: leaf, format, value. Intervals are minutes; a count of 0 means for ever.
const SETTINGS: &[(&str, &str, &str)] = &[
    // Keep-alive alerts instead of HTTP timeouts while the device works on a slow request.
    ("EnableOmaDmKeepAliveMessage", "bool", "true"),
    // After enrollment every 3 minutes for a quarter of an hour, then every 15 minutes for two hours …
    ("Poll/IntervalForFirstSetOfRetries", "int", "3"),
    ("Poll/NumberOfFirstRetries", "int", "5"),
    ("Poll/IntervalForSecondSetOfRetries", "int", "15"),
    ("Poll/NumberOfSecondRetries", "int", "8"),
    // … then every eight hours: without a working push channel this is how work reaches the device.
    ("Poll/IntervalForRemainingScheduledRetries", "int", "480"),
    ("Poll/NumberOfRemainingScheduledRetries", "int", "0"),
    // User-scope work waits for the user: have a session when one signs in.
    ("Poll/PollOnLogin", "bool", "true"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::{Rng, Timestamp, command::Verb};

    fn settings(max: Option<&str>) -> Vec<(String, String)> {
        let id = DeviceId::new(Timestamp::from_millis(1_000), &Rng::seeded(7));
        let leaf = |c: &CspCommand| c.uri.split("/Quartermaster/").nth(1).unwrap().to_owned();
        let pair = |c: CspCommand| (leaf(&c), c.data.unwrap());
        dmclient_settings(id, max).into_iter().map(pair).collect()
    }

    #[test]
    fn the_protocol_version_is_the_lower_of_both_and_never_guessed() {
        let version = |max| {
            settings(max)
                .into_iter()
                .find(|(k, _)| k == "SyncApplicationVersion")
                .map(|(_, v)| v)
        };
        for (max, expected) in [
            (Some("5.0"), Some("4.0")),
            (Some(" 4.0 "), Some("4.0")),
            (Some("4.1"), Some("4.0")),
            (Some("10.0"), Some("4.0")),
            (Some("3.0"), Some("3.0")),
            (Some("new"), None),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(version(max).as_deref(), expected, "{max:?}");
        }
    }

    #[test]
    fn the_device_learns_its_id_and_one_endless_schedule() {
        let all = settings(None);
        assert_eq!(all[0].0, "EntDMID");
        assert_eq!(all[0].1.len(), 36);
        let value = |leaf: &str| all.iter().find(|(k, _)| k == leaf).unwrap().1.as_str();
        let endless = [
            "NumberOfFirstRetries",
            "NumberOfSecondRetries",
            "NumberOfRemainingScheduledRetries",
        ]
        .map(|leaf| value(&format!("Poll/{leaf}")) == "0");
        assert_eq!(endless, [false, false, true]);
    }

    #[test]
    fn nothing_is_read_twice() {
        let reads = inventory_reads();
        assert!(
            reads
                .iter()
                .all(|read| read.verb == Verb::Get && read.data.is_none())
        );
        let distinct: std::collections::HashSet<_> = reads.iter().map(|read| &read.uri).collect();
        assert_eq!(distinct.len(), reads.len());
    }

    #[test]
    fn unenrolling_names_the_provider() {
        let command = unenroll();
        assert_eq!(command.verb, Verb::Exec);
        assert_eq!(command.data.as_deref(), Some(PROVIDER_ID));
        assert!(
            command.uri.ends_with("/Provider/Quartermaster/Unenroll"),
            "{}",
            command.uri
        );
    }
}
