//! What a device says of itself, and its record.

use qm_core::device::Device;
use qm_csp::device_management::{DeviceFacts, read_inventory_item};

/// Whether a value is what the device record says already: [`learn`] would change nothing.
pub fn knows(device: &Device, uri: &str, value: &str) -> bool {
    let mut facts = DeviceFacts::default();
    read_inventory_item(uri, value, &mut facts);
    let detail = |key: &str| device.details.get(key);
    let same = |said: &Option<String>, known: &Option<String>| said.is_none() || said == known;
    (facts.os_version.is_none() || facts.os_version == device.os_version)
        && (facts.architecture.is_none() || facts.architecture == device.architecture)
        && same(&facts.manufacturer, &device.manufacturer)
        && same(&facts.model, &device.model)
        && facts
            .name
            .is_none_or(|name| name.is_empty() || name == device.name)
        && facts
            .max_sync_version
            .is_none_or(|version| detail(MAX_SYNC_VERSION) == Some(&version))
        && facts
            .details
            .iter()
            .all(|(key, value)| detail(key) == Some(value))
}

/// Notes a value of the device inventory.
pub fn learn(device: &mut Device, uri: &str, value: &str) {
    let mut facts = DeviceFacts::default();
    read_inventory_item(uri, value, &mut facts);
    let DeviceFacts {
        os_version,
        architecture,
        name,
        manufacturer,
        model,
        max_sync_version,
        details,
        ..
    } = facts;
    device.os_version = os_version.or(device.os_version);
    device.architecture = architecture.or(device.architecture);
    device.manufacturer = manufacturer.or_else(|| device.manufacturer.take());
    device.model = model.or_else(|| device.model.take());
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        device.name = name;
    }
    if let Some(version) = max_sync_version {
        device.details.insert(MAX_SYNC_VERSION.to_owned(), version);
    }
    device.details.extend(details);
}

/// The key of `MaxSyncApplicationVersion` in a device's details.
pub const MAX_SYNC_VERSION: &str = "MaxSyncApplicationVersion";

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::{
        Architecture, DeviceId, Timestamp,
        device::{DeviceState, EnrollmentKind},
    };
    use std::collections::BTreeMap;

    fn device() -> Device {
        Device {
            id: DeviceId(uuid::Uuid::nil()),
            state: DeviceState::Active,
            end_reason: None,
            dm_id: String::new(),
            hardware_id: String::new(),
            name: "DESK-17".to_owned(),
            upn: String::new(),
            kind: EnrollmentKind::Full,
            enrolled_at: Timestamp::from_millis(0),
            ended_at: None,
            os_version: "10.0.19045.1".parse().ok(),
            manufacturer: Some("Fabrikam".to_owned()),
            model: None,
            architecture: Some(Architecture::X64),
            last_seen_at: None,
            inventory_at: None,
            settings_at: None,
            apps_read_at: None,
            user_apps_read_at: None,
            apps_due: false,
            details: BTreeMap::from([
                ("./DevInfo/Lang".to_owned(), "en-US".to_owned()),
                (MAX_SYNC_VERSION.to_owned(), "4.0".to_owned()),
            ]),
        }
    }

    #[test]
    fn a_value_is_known_where_learning_it_changes_nothing() {
        let mut news = 0;
        for uri in [
            "./DevDetail/SwV",
            "./DevDetail/Ext/Microsoft/DeviceName",
            "./DevDetail/Ext/Microsoft/ProcessorArchitecture",
            "./DevInfo/Man",
            "./devinfo/mod",
            "./DevInfo/Lang",
            "./DevInfo/DmV",
            "./Vendor/MSFT/DMClient/Provider/QM/MaxSyncApplicationVersion",
        ] {
            for value in [
                "",
                "10.0.19045.1",
                "10.0.26100.1",
                "DESK-17",
                "9",
                "12",
                "Fabrikam",
                "en-US",
                "4.0",
                "5.0",
            ] {
                let mut learned = device();
                learn(&mut learned, uri, value);
                assert_eq!(knows(&device(), uri, value), learned == device(), "{uri} {value}");
                news += usize::from(learned != device());
            }
        }
        assert!(news > 40, "{news}");
    }
}
