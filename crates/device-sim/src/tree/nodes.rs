//! The plain nodes: device information, the DM client's settings, policies. Names compare without case.

use super::{Address, Call, Outcome, Scope, Value, address::encode};
use crate::{DeviceOptions, account::Account, enroll::Hardware, xml::Writer};
use qm_core::{Architecture, command::Verb, device::EnrollmentKind};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(super) struct Nodes {
    leaves: BTreeMap<Key, Leaf>,
    provider_id: String,
}

/// Scope and names in lower case.
type Key = (Scope, Vec<String>);

#[derive(Debug, Clone)]
struct Leaf {
    /// As it is spelled.
    names: Vec<String>,
    format: &'static str,
    value: String,
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Get.
    Read,
    /// Get, Replace.
    Write,
    /// Everything but Exec.
    Free,
}

impl Nodes {
    pub(super) fn new(options: &DeviceOptions, hardware: &Hardware, account: &Account) -> Self {
        let mut nodes = Self {
            leaves: BTreeMap::new(),
            provider_id: account.provider_id.clone(),
        };
        nodes.fill_device(options, hardware);
        nodes.fill_provider(hardware, account);
        nodes
    }

    /// A setting of the provider.
    pub(super) fn provider_value(&self, provider_id: &str, name: &str) -> Option<&str> {
        let path = format!("Vendor/MSFT/DMClient/Provider/{provider_id}/{name}");
        Some(
            self.leaves
                .get(&key(Scope::Device, &split(&path)))?
                .value
                .as_str(),
        )
    }

    /// `ApplicationManagement/AllowAllTrustedApps`, where it is set at all.
    pub(super) fn allows_trusted_apps(&self) -> Option<bool> {
        let path = split("Vendor/MSFT/Policy/Config/ApplicationManagement/AllowAllTrustedApps");
        match self.leaves.get(&key(Scope::Device, &path))?.value.as_str() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }

    pub(super) fn perform(&mut self, call: Call<'_>) -> Outcome {
        let address = call.address;
        if address
            .below(&["Vendor", "MSFT", "DeclaredConfiguration"])
            .is_some()
        {
            return Outcome::UNSUPPORTED;
        }
        match call.verb {
            Verb::Get => self.get(address),
            Verb::Add => self.add(call),
            Verb::Replace => self.replace(call),
            Verb::Delete => self.delete(address),
            Verb::Exec if self.exists(address) => Outcome::NOT_ALLOWED,
            Verb::Exec => Outcome::NOT_FOUND,
        }
    }

    fn get(&self, address: &Address) -> Outcome {
        let key = effective(address);
        if let Some(leaf) = self.leaves.get(&key) {
            return Outcome::value(&address.text, leaf.format, &leaf.value);
        }
        let below: Vec<_> = self.below(&key).collect();
        if below.is_empty() {
            return Outcome::NOT_FOUND;
        }
        let depth = key.1.len();
        if address.whole {
            let path = |leaf: &Leaf| {
                leaf.names[depth..]
                    .iter()
                    .map(|name| encode(name))
                    .collect::<Vec<_>>()
                    .join("/")
            };
            let value = |leaf: &&Leaf| {
                Value::new(
                    format!("{}/{}", address.text, path(leaf)),
                    leaf.format,
                    &leaf.value,
                )
            };
            return Outcome::values(below.iter().map(value).collect());
        }
        let mut names: Vec<_> = below.iter().map(|leaf| leaf.names[depth].as_str()).collect();
        names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        Outcome::children(&address.text, names)
    }

    fn add(&mut self, call: Call<'_>) -> Outcome {
        if self.exists(call.address) {
            return Outcome::EXISTS;
        }
        match self.area(call.address) {
            Area::Policy | Area::Addable => self.create(call),
            Area::Closed if self.parent_exists(call.address) => Outcome::NOT_ALLOWED,
            Area::Closed => Outcome::NOT_FOUND,
        }
    }

    fn replace(&mut self, call: Call<'_>) -> Outcome {
        let key = key(call.address.scope, &call.address.names);
        if let Some(leaf) = self.leaves.get_mut(&key) {
            if leaf.access == Access::Read {
                return Outcome::NOT_ALLOWED;
            }
            if !fits(leaf.format, call) {
                return Outcome::WRONG_FORMAT;
            }
            if is_version(&key) && lowers(&leaf.value, call.data) {
                return Outcome::FAILED;
            }
            call.data.clone_into(&mut leaf.value);
            self.follow_push(&key);
            return Outcome::OK;
        }
        match self.area(call.address) {
            // The Policy CSP takes Replace as create-or-update.
            Area::Policy => self.create(call),
            Area::Addable => Outcome::NOT_ALLOWED,
            Area::Closed if self.exists(call.address) => Outcome::NOT_ALLOWED,
            Area::Closed => Outcome::NOT_FOUND,
        }
    }

    fn delete(&mut self, address: &Address) -> Outcome {
        let key = key(address.scope, &address.names);
        let found: Vec<Key> = if self.leaves.contains_key(&key) {
            vec![key]
        } else {
            self.leaves
                .keys()
                .filter(|other| is_below(other, &key))
                .cloned()
                .collect()
        };
        if found.is_empty() {
            return Outcome::NOT_FOUND;
        }
        if found.iter().any(|key| self.leaves[key].access != Access::Free) {
            return Outcome::NOT_ALLOWED;
        }
        for key in found {
            self.leaves.remove(&key);
        }
        Outcome::OK
    }

    fn create(&mut self, call: Call<'_>) -> Outcome {
        let format = FORMATS
            .iter()
            .find(|known| call.format.unwrap_or("chr") == **known);
        let Some(format) = format else {
            return Outcome::WRONG_FORMAT;
        };
        if *format != "node" && !fits(format, call) {
            return Outcome::WRONG_FORMAT;
        }
        let address = call.address;
        let leaf = Leaf {
            names: address.names.clone(),
            format,
            value: call.data.to_owned(),
            access: Access::Free,
        };
        self.leaves.insert(key(address.scope, &address.names), leaf);
        Outcome::OK
    }

    fn area(&self, address: &Address) -> Area {
        let long = |path: &[&str], least: usize| address.below(path).is_some_and(|rest| rest.len() >= least);
        let provider = [
            "Vendor",
            "MSFT",
            "DMClient",
            "Provider",
            &self.provider_id,
            "FirstSyncStatus",
        ];
        if long(&["Vendor", "MSFT", "Policy", "Config"], 2) {
            Area::Policy
        } else if long(&provider, 1) || long(&["Vendor", "MSFT", "RootCATrustedCertificates"], 3) {
            Area::Addable
        } else {
            Area::Closed
        }
    }

    fn exists(&self, address: &Address) -> bool {
        let key = key(address.scope, &address.names);
        self.leaves.contains_key(&key) || self.below(&key).next().is_some()
    }

    fn parent_exists(&self, address: &Address) -> bool {
        let parent = &address.names[..address.names.len().saturating_sub(1)];
        self.below(&key(address.scope, parent)).next().is_some()
    }

    fn below<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Leaf> {
        self.leaves
            .iter()
            .filter(move |(other, _)| is_below(other, key))
            .map(|(_, leaf)| leaf)
    }

    /// A push channel comes with a package family name, and goes with it.
    fn follow_push(&mut self, changed: &Key) {
        if !changed.1.ends_with(&["push".to_owned(), "pfn".to_owned()]) {
            return;
        }
        let base = format!("Vendor/MSFT/DMClient/Provider/{}/Push", self.provider_id);
        let set = self.leaves[changed].value.contains('_');
        let status = if set { "0" } else { "1" };
        self.put(&format!("{base}/Status"), "int", status, Access::Read);
        if set {
            self.put(&format!("{base}/ChannelURI"), "chr", CHANNEL, Access::Read);
        }
    }

    fn put(&mut self, path: &str, format: &'static str, value: &str, access: Access) {
        let names = split(path);
        let leaf = Leaf {
            names: names.clone(),
            format,
            value: value.to_owned(),
            access,
        };
        self.leaves.insert(key(Scope::Device, &names), leaf);
    }

    fn fill_device(&mut self, options: &DeviceOptions, hardware: &Hardware) {
        let version = options.os_version.to_string();
        let architecture = win32_architecture(options.architecture).to_string();
        let serial = format!("SN-{}", &hardware.device_id[..8]);
        let (maker, model) = &options.make;
        let texts: [(&str, &str); 25] = [
            ("DevInfo/DevId", &hardware.device_id),
            ("DevInfo/Man", maker),
            ("DevInfo/Mod", model),
            ("DevInfo/DmV", "1.3"),
            ("DevInfo/Lang", "en-US"),
            ("DevDetail/SwV", &version),
            ("DevDetail/HwV", "1.0"),
            ("DevDetail/FwV", "2.14"),
            ("DevDetail/OEM", maker),
            ("DevDetail/DevTyp", "Desktop"),
            ("DevDetail/Ext/Microsoft/DeviceName", &options.name),
            ("DevDetail/Ext/Microsoft/DNSComputerName", &options.name),
            ("DevDetail/Ext/Microsoft/OSPlatform", "Windows 10 Enterprise"),
            ("DevDetail/Ext/Microsoft/SMBIOSSerialNumber", &serial),
            ("DevDetail/Ext/WLANMACAddress", "A45D360E117C"),
            ("Vendor/MSFT/DeviceStatus/DomainName", "WORKGROUP"),
            ("Vendor/MSFT/DeviceStatus/TPM/SpecificationVersion", "2.0"),
            ("Vendor/MSFT/DeviceStatus/OS/Edition", "4"),
            ("Vendor/MSFT/DeviceStatus/OS/Mode", "0"),
            ("DevDetail/URI/MaxDepth", "0"),
            ("DevDetail/URI/MaxTotLen", "0"),
            ("DevDetail/URI/MaxSegLen", "0"),
            ("DevDetail/Ext/Microsoft/TotalRAM", "16384"),
            ("DevDetail/Ext/Microsoft/TotalStorage", "476000"),
            ("DevDetail/Ext/Microsoft/ProcessorArchitecture", &architecture),
        ];
        for (index, (path, value)) in texts.into_iter().enumerate() {
            let format = if index >= FIRST_NUMBER { "int" } else { "chr" };
            self.put(path, format, value, Access::Read);
        }
        for (path, value) in NUMBERS {
            self.put(path, "int", value, Access::Read);
        }
        self.put("DevDetail/LrgObj", "bool", "false", Access::Read);
        self.put(
            "Vendor/MSFT/DeviceManageability/Capabilities/CSPVersions",
            "xml",
            &csp_versions(),
            Access::Read,
        );
    }

    fn fill_provider(&mut self, hardware: &Hardware, account: &Account) {
        let base = format!("Vendor/MSFT/DMClient/Provider/{}", account.provider_id);
        let kind = match account.kind {
            EnrollmentKind::Full => "Full",
            EnrollmentKind::Device => "Device",
        };
        for (name, value) in [
            ("EnrollmentType", kind),
            ("HWDevID", &hardware.hardware_id),
            ("MaxSyncApplicationVersion", "5.0"),
            ("PublisherDeviceID", ""),
        ] {
            self.put(&format!("{base}/{name}"), "chr", value, Access::Read);
        }
        self.put(&format!("{base}/Push/Status"), "int", "4", Access::Read);
        for (name, format, value) in PROVIDER_SETTINGS {
            self.put(&format!("{base}/{name}"), format, value, Access::Write);
        }
        self.put(
            &format!("{base}/ManagementServiceAddress"),
            "chr",
            &account.address,
            Access::Write,
        );
        for (path, value) in &account.settings {
            let path = format!("{base}/{path}");
            let known = self.leaves.get(&key(Scope::Device, &split(&path)));
            let format = known.map_or("chr", |leaf| leaf.format);
            self.put(&path, format, value, Access::Write);
        }
    }
}

/// What may be created at an address.
enum Area {
    /// By Add and Replace.
    Policy,
    /// By Add alone.
    Addable,
    Closed,
}

/// `Policy/Result` shows what `Policy/Config` set.
fn effective(address: &Address) -> Key {
    let mut key = key(address.scope, &address.names);
    if address.below(&["Vendor", "MSFT", "Policy", "Result"]).is_some() {
        "config".clone_into(&mut key.1[3]);
    }
    key
}

fn fits(format: &str, call: Call<'_>) -> bool {
    let named = call
        .format
        .is_none_or(|given| given == format || (given == "chr" && format == "xml"));
    named
        && match format {
            "int" => call.data.trim().parse::<i64>().is_ok(),
            "bool" => matches!(call.data.trim(), "true" | "false"),
            _ => true,
        }
}

fn is_version(key: &Key) -> bool {
    key.1.last().is_some_and(|name| name == "syncapplicationversion")
}

/// Once raised to 2.0 the version cannot be lowered again (DMClient CSP); nor is there one above the highest.
fn lowers(old: &str, new: &str) -> bool {
    let number = |text: &str| text.parse::<f32>().unwrap_or(0.0);
    (number(old) >= 2.0 && number(new) < number(old)) || number(new) > 5.0 || number(new) < 1.0
}

const fn win32_architecture(architecture: Architecture) -> u8 {
    match architecture {
        Architecture::X86 => 0,
        Architecture::Arm => 5,
        Architecture::X64 | Architecture::Neutral => 9,
        Architecture::Arm64 => 12,
    }
}

/// A large document, as on real devices.
fn csp_versions() -> String {
    let mut xml = Writer::new();
    xml.element("CSPVersions", &[], |xml| {
        for number in 0..200 {
            let (node, version) = (
                format!("./Device/Vendor/MSFT/Example{number:03}"),
                format!("1.{number}"),
            );
            xml.empty("CSP", &[("Node", &node), ("Version", &version)]);
        }
    });
    xml.finish()
}

fn key(scope: Scope, names: &[String]) -> Key {
    (
        scope,
        names.iter().map(|name| name.to_ascii_lowercase()).collect(),
    )
}

fn split(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

fn is_below(key: &Key, parent: &Key) -> bool {
    key.0 == parent.0 && key.1.len() > parent.1.len() && key.1.starts_with(&parent.1)
}

/// Index in the table of texts from which on the values are numbers.
const FIRST_NUMBER: usize = 19;
const NUMBERS: &[(&str, &str)] = &[
    ("Vendor/MSFT/DeviceStatus/SecureBootState", "1"),
    ("Vendor/MSFT/DeviceStatus/Compliance/EncryptionCompliance", "0"),
    ("Vendor/MSFT/DeviceStatus/Antivirus/Status", "0"),
    ("Vendor/MSFT/DeviceStatus/Antivirus/SignatureStatus", "1"),
    ("Vendor/MSFT/DeviceStatus/Firewall/Status", "0"),
    ("Vendor/MSFT/DeviceStatus/UAC/Status", "1"),
];
const PROVIDER_SETTINGS: &[(&str, &str, &str)] = &[
    ("SyncApplicationVersion", "chr", "1.0"),
    ("EnableOmaDmKeepAliveMessage", "bool", "false"),
    ("RequireMessageSigning", "bool", "false"),
    ("ForceAadToken", "bool", "false"),
    ("ManagementServerAddressList", "chr", ""),
    ("NumberOfDaysAfterLostContactToUnenroll", "int", "0"),
    ("HelpPhoneNumber", "chr", ""),
    ("HelpWebsite", "chr", ""),
    ("HelpEmailAddress", "chr", ""),
    ("Push/PFN", "chr", ""),
    ("Poll/NumberOfFirstRetries", "int", "10"),
    ("Poll/IntervalForFirstSetOfRetries", "int", "15"),
    ("Poll/NumberOfSecondRetries", "int", "0"),
    ("Poll/IntervalForSecondSetOfRetries", "int", "0"),
    ("Poll/NumberOfRemainingScheduledRetries", "int", "0"),
    ("Poll/IntervalForRemainingScheduledRetries", "int", "0"),
    ("Poll/PollOnLogin", "bool", "false"),
    ("Poll/AllUsersPollOnFirstLogin", "bool", "false"),
];
const FORMATS: &[&str] = &["chr", "int", "bool", "b64", "xml", "node", "null"];
const CHANNEL: &str = "https://sim.notify.windows.com/?token=AwYAAAC5simulated";
