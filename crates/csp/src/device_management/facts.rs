//! Values of the device inventory, by the node they came from.

use crate::locuri::Node;
use qm_core::{Architecture, Version};
use std::{collections::BTreeMap, sync::LazyLock};

/// What a device has told about itself; absent until it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceFacts {
    /// Windows version, from `./DevDetail/SwV`. A build of 22000 or more is Windows 11.
    pub os_version: Option<Version>,
    /// From `./DevDetail/Ext/Microsoft/ProcessorArchitecture`.
    pub architecture: Option<Architecture>,
    /// Computer name.
    pub name: Option<String>,
    /// From `./DevInfo/Man`.
    pub manufacturer: Option<String>,
    /// From `./DevInfo/Mod`.
    pub model: Option<String>,
    /// `HWDevID`. Clones share it.
    pub hardware_id: Option<String>,
    /// `MaxSyncApplicationVersion`, for [`super::dmclient_settings`].
    pub max_sync_version: Option<String>,
    /// All other values by LocURI as the device spells it; the address of the push channel is among them.
    pub details: BTreeMap<String, String>,
}

/// Takes one value. Empty ones, overlong ones and those past the limit are dropped; what a known node says
/// in a form that cannot be read is kept as a detail.
pub fn read_inventory_item(uri: &str, data: &str, facts: &mut DeviceFacts) {
    let (uri, value) = (uri.trim(), data.trim());
    if value.is_empty() || value.len() > MAX_VALUE || uri.len() > MAX_VALUE {
        return;
    }
    let named = Node::named(uri);
    let known = NODES
        .iter()
        .find(|(node, _)| node.is(named))
        .map(|(_, fact)| *fact);
    if known.is_some_and(|fact| facts.set(fact, value)) {
        return;
    }
    if facts.details.len() < MAX_DETAILS || facts.details.contains_key(uri) {
        facts.details.insert(uri.to_owned(), value.to_owned());
    }
}

#[derive(Clone, Copy)]
enum Fact {
    Architecture,
    HardwareId,
    Manufacturer,
    MaxSyncVersion,
    Model,
    Name,
    OsVersion,
}

impl DeviceFacts {
    /// Whether the value could be read.
    fn set(&mut self, fact: Fact, value: &str) -> bool {
        let text = || Some(value.to_owned());
        match fact {
            Fact::Architecture => match value.parse().ok().and_then(Architecture::from_win32) {
                Some(architecture) => self.architecture = Some(architecture),
                None => return false,
            },
            Fact::OsVersion => match value.parse() {
                Ok(version) => self.os_version = Some(version),
                Err(_) => return false,
            },
            Fact::HardwareId => self.hardware_id = text(),
            Fact::Manufacturer => self.manufacturer = text(),
            Fact::MaxSyncVersion => self.max_sync_version = text(),
            Fact::Model => self.model = text(),
            Fact::Name => self.name = text(),
        }
        true
    }
}

const KNOWN: &[(&str, Fact)] = &[
    ("./DevDetail/SwV", Fact::OsVersion),
    ("./DevDetail/Ext/Microsoft/DeviceName", Fact::Name),
    (
        "./DevDetail/Ext/Microsoft/ProcessorArchitecture",
        Fact::Architecture,
    ),
    ("./DevInfo/Man", Fact::Manufacturer),
    ("./DevInfo/Mod", Fact::Model),
    (
        "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/HWDevID",
        Fact::HardwareId,
    ),
    (
        "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/MaxSyncApplicationVersion",
        Fact::MaxSyncVersion,
    ),
];

static NODES: LazyLock<Vec<(Node<'static>, Fact)>> = LazyLock::new(|| {
    KNOWN
        .iter()
        .map(|(uri, fact)| (Node::named(uri), *fact))
        .collect()
});

/// Bytes of one value.
const MAX_VALUE: usize = 8 * 1024;
/// Values kept as details.
const MAX_DETAILS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn facts(items: &[(&str, &str)]) -> DeviceFacts {
        let mut facts = DeviceFacts::default();
        for (uri, data) in items {
            read_inventory_item(uri, data, &mut facts);
        }
        facts
    }

    #[test]
    fn known_nodes_become_facts_whatever_their_spelling() {
        let facts = facts(&[
            ("./DevDetail/SwV", "10.0.22631.3007"),
            ("./devdetail/Ext/Microsoft/ProcessorArchitecture", " 12\n"),
            ("./Device/DevDetail/Ext/Microsoft/DeviceName", "PIER-07"),
            ("./DevInfo/Man", "Kestrel"),
            ("./DevInfo/Mod", "K4"),
            ("./Vendor/MSFT/DMClient/Provider/quartermaster/HWDevID", "9F2C"),
            (
                "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/MaxSyncApplicationVersion",
                "5.0",
            ),
        ]);
        assert_eq!(facts.os_version.map(Version::build), Some(22631));
        assert_eq!(facts.architecture, Some(Architecture::Arm64));
        assert_eq!(facts.name.as_deref(), Some("PIER-07"));
        assert_eq!(
            (facts.manufacturer.as_deref(), facts.model.as_deref()),
            (Some("Kestrel"), Some("K4"))
        );
        assert_eq!(facts.hardware_id.as_deref(), Some("9F2C"));
        assert_eq!(facts.max_sync_version.as_deref(), Some("5.0"));
        assert!(facts.details.is_empty(), "{:?}", facts.details);
    }

    #[test]
    fn unknown_and_unreadable_values_survive_as_details() {
        let facts = facts(&[
            ("./DevDetail/Ext/Microsoft/ProcessorArchitecture", "riscv"),
            ("./Vendor/MSFT/DeviceStatus/OS/Edition", "48"),
            ("./DevDetail/OEM", ""),
        ]);
        assert_eq!(facts.architecture, None);
        assert_eq!(
            facts
                .details
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect::<Vec<_>>(),
            [
                ("./DevDetail/Ext/Microsoft/ProcessorArchitecture", "riscv"),
                ("./Vendor/MSFT/DeviceStatus/OS/Edition", "48")
            ]
        );
    }

    #[test]
    fn every_known_node_is_read_or_sent_by_the_device_itself() {
        let reads = crate::device_management::inventory_reads();
        for (node, _) in KNOWN {
            let read = reads.iter().any(|read| read.uri == *node);
            assert!(read || node.starts_with("./DevInfo/"), "{node}");
        }
    }

    #[test]
    fn a_flood_of_values_is_cut_off() {
        let mut facts = DeviceFacts::default();
        for number in 0..1_000 {
            read_inventory_item(&format!("./Vendor/X/{number}"), "1", &mut facts);
        }
        assert_eq!(facts.details.len(), MAX_DETAILS);
        read_inventory_item("./Vendor/X/0", "2", &mut facts);
        assert_eq!(facts.details["./Vendor/X/0"], "2");
        read_inventory_item("./DevInfo/Man", &"x".repeat(MAX_VALUE + 1), &mut facts);
        assert_eq!(facts.manufacturer, None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn no_value_makes_it_panic(uri in ".{0,40}", leaf in 0..KNOWN.len(), data in ".{0,40}") {
            let mut facts = DeviceFacts::default();
            read_inventory_item(&uri, &data, &mut facts);
            read_inventory_item(KNOWN[leaf].0, &data, &mut facts);
        }
    }
}
