use super::{
    apps::{Download, Fetched},
    *,
};
use crate::testing::{account, bundle, framework, hardware, needs, options, package};
use crate::{Seat, StorePackage};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use qm_core::{Architecture, Sha256, Version};
use qm_syncml::Encoding;
use std::sync::Arc;

/// A tree with its world.
struct Bench {
    options: DeviceOptions,
    tree: Tree,
    watch: Watch,
}

impl Bench {
    fn new() -> Self {
        Self::with(options())
    }

    fn with(options: DeviceOptions) -> Self {
        let tree = Tree::new(&options, &hardware(), &account(Encoding::Xml));
        Self {
            options,
            tree,
            watch: Watch::default(),
        }
    }

    /// `PFN` and `EMAM` stand for the app's family and the CSP's root.
    fn call(&mut self, verb: Verb, uri: &str, format: Option<&str>, data: &str) -> Outcome {
        let address = Address::parse(&full(uri)).unwrap();
        let call = Call {
            verb,
            address: &address,
            format,
            data,
        };
        self.tree.perform(
            call,
            &mut World {
                options: &self.options,
                watch: &mut self.watch,
            },
        )
    }
    fn get(&mut self, uri: &str) -> Outcome {
        self.call(Verb::Get, uri, None, "")
    }
    fn read(&mut self, uri: &str) -> String {
        let outcome = self.get(uri);
        assert_eq!(outcome.status, 200, "{uri}");
        outcome.values[0].data.clone()
    }
    fn add(&mut self, uri: &str) -> u16 {
        self.call(Verb::Add, uri, Some("node"), "").status
    }
    fn exec(&mut self, uri: &str, data: &str) -> u16 {
        self.call(Verb::Exec, uri, Some("xml"), data).status
    }
    fn replace(&mut self, uri: &str, format: &str, data: &str) -> u16 {
        self.call(Verb::Replace, uri, Some(format), data).status
    }
    fn delete(&mut self, uri: &str) -> u16 {
        self.call(Verb::Delete, uri, None, "").status
    }

    /// Time passes; hosted jobs get these files.
    fn tick(&mut self, files: &[Vec<u8>]) {
        let signed_in = self.tree.login() == Login::User;
        let mut world = World {
            options: &self.options,
            watch: &mut self.watch,
        };
        for job in self.tree.apps.tick(signed_in, &mut world) {
            let fetched = files.iter().map(|bytes| fetched(bytes)).collect();
            self.tree.apps.finish(&job, Ok(fetched), None, &mut world);
        }
    }

    /// Adds the slot, executes the install, lets it happen; the alerts' codes.
    fn host(&mut self, scope: &str, files: &[Vec<u8>]) -> Vec<u32> {
        self.add(&format!("./{scope}/EMAM/AppInstallation/PFN"));
        assert_eq!(
            self.exec(
                &format!("./{scope}/EMAM/AppInstallation/PFN/HostedInstall"),
                HOSTED
            ),
            202
        );
        self.tick(files);
        self.alerts()
    }

    fn alerts(&mut self) -> Vec<u32> {
        self.tree
            .apps
            .take_alerts()
            .iter()
            .map(|alert| alert.code.0)
            .collect()
    }

    fn inventory(&mut self, scope: &str, query: &str) -> String {
        let base = format!("./{scope}/EMAM/AppManagement");
        assert_eq!(
            self.replace(&format!("{base}/AppInventoryQuery"), "xml", query),
            200
        );
        self.read(&format!("{base}/AppInventoryResults"))
    }

    fn rules(&self) -> Vec<Rule> {
        self.watch.rules()
    }
}

fn full(uri: &str) -> String {
    uri.replace("EMAM", "Vendor/MSFT/EnterpriseModernAppManagement")
        .replace("PFN", FAMILY)
}

fn fetched(bytes: &[u8]) -> Fetched {
    let (family_name, url) = (FAMILY.to_owned(), "https://cdn.north.example/p.msix".to_owned());
    let download = Download {
        family_name,
        url,
        sha256: Sha256([0; 32]),
        size: 1,
    };
    Fetched {
        download,
        bytes: bytes::Bytes::copy_from_slice(bytes),
    }
}

fn app(version: &str, architecture: &str) -> Vec<u8> {
    package("Quay.Log", version, architecture, "")
}

const FAMILY: &str = "Quay.Log_z1enpheh36ccm";
const HOSTED: &str = "<Application PackageUri=\"https://cdn.north.example/p/quay.msix?t=1&amp;u=2\"/>";
const STORE: &str = "<Application id=\"9P4LNTRN7K2M\" flags=\"0\" skuid=\"0010\"/>";
const CONTENT_ID: &str = "5d0c8a41-7be2-4f6e-9b13-c2f08e77a3d6";
const SLOT: &str = "./User/EMAM/AppInstallation/PFN";

fn license(id: &str) -> String {
    let document = format!(
        "<License LicenseID='{id}' xmlns='urn:schemas-microsoft-com:windows:store:licensing:ls'>\
         <Binding><PFM>{}</PFM></Binding></License>",
        FAMILY.to_lowercase()
    );
    format!("<License Content=\"{}\"/>", BASE64_STANDARD.encode(document))
}

// Plain nodes

#[test]
fn leaves_are_read_whatever_their_case() {
    let mut bench = Bench::new();
    assert_eq!(bench.read("./DevInfo/DevID"), hardware().device_id);
    assert_eq!(bench.read("./devdetail/swv"), "10.0.26100.2314");
    assert_eq!(bench.read("./DevDetail/Ext/Microsoft/ProcessorArchitecture"), "9");
    assert_eq!(
        bench.read("./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/EnrollmentType"),
        "Full"
    );
    assert_eq!(bench.get("./DevDetail/LrgObj").values[0].format, "bool");
    assert_eq!(bench.get("./DevDetail/URI/MaxDepth").values[0].format, "int");
    assert_eq!(
        bench.get("./DevDetail/Ext/Microsoft/OSPlatform").values[0].format,
        "chr"
    );
}

#[test]
fn interior_nodes_list_their_children() {
    let mut bench = Bench::new();
    let outcome = bench.get("./DevInfo");
    assert_eq!(
        (outcome.values[0].format, outcome.values[0].data.as_str()),
        ("node", "DevId/DmV/Lang/Man/Mod")
    );
    let all = bench.get("./DevInfo?list=StructData").values;
    assert_eq!(all.len(), 5);
    assert_eq!(all[0].uri, "./DevInfo/DevId");
}

#[test]
fn unknown_nodes_are_404_and_foreign_enrollments_406() {
    let mut bench = Bench::new();
    for verb in [Verb::Get, Verb::Add, Verb::Replace, Verb::Delete, Verb::Exec] {
        assert_eq!(
            bench.call(verb, "./Vendor/MSFT/Nowhere/X", None, "").status,
            404,
            "{verb}"
        );
    }
    assert_eq!(
        bench
            .get("./Device/Vendor/MSFT/DeclaredConfiguration/Host")
            .status,
        406
    );
}

#[test]
fn read_only_leaves_refuse_to_be_written() {
    let mut bench = Bench::new();
    assert_eq!(bench.replace("./DevDetail/SwV", "chr", "1"), 405);
    assert_eq!(bench.delete("./DevInfo/Man"), 405);
    assert_eq!(bench.exec("./DevInfo/Man", ""), 405);
    assert_eq!(bench.add("./DevInfo/Man"), 418);
}

#[test]
fn settings_take_values_of_their_format() {
    let mut bench = Bench::new();
    let poll = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Poll";
    assert_eq!(bench.replace(&format!("{poll}/PollOnLogin"), "bool", "true"), 200);
    assert_eq!(bench.replace(&format!("{poll}/PollOnLogin"), "bool", "yes"), 415);
    assert_eq!(
        bench.replace(&format!("{poll}/NumberOfFirstRetries"), "chr", "5"),
        415
    );
    assert_eq!(bench.read(&format!("{poll}/PollOnLogin")), "true");
}

#[test]
fn the_protocol_version_is_never_lowered() {
    let mut bench = Bench::new();
    let uri = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/SyncApplicationVersion";
    assert_eq!(bench.replace(uri, "chr", "4.0"), 200);
    assert_eq!(bench.tree.sync_version(), 4);
    assert_eq!(bench.replace(uri, "chr", "3.0"), 500);
    assert_eq!(bench.replace(uri, "chr", "6.0"), 500);
}

#[test]
fn a_push_channel_comes_with_a_family_name() {
    let mut bench = Bench::new();
    let push = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Push";
    assert_eq!(bench.get(&format!("{push}/ChannelURI")).status, 404);
    assert_eq!(
        bench.replace(&format!("{push}/pfn"), "chr", "Quay.Push_z1enpheh36ccm"),
        200
    );
    assert!(bench.read(&format!("{push}/ChannelURI")).starts_with("https://"));
    assert_eq!(bench.read(&format!("{push}/Status")), "0");
}

#[test]
fn policies_are_created_by_replace_and_read_as_results() {
    let mut bench = Bench::new();
    let config = "./Device/Vendor/MSFT/Policy/Config/Experience/AllowCortana";
    assert_eq!(bench.replace(config, "int", "x"), 415);
    assert_eq!(bench.replace(config, "int", "0"), 200);
    assert_eq!(
        bench.read("./Vendor/MSFT/Policy/Result/Experience/AllowCortana"),
        "0"
    );
    assert_eq!((bench.delete(config), bench.delete(config)), (200, 404));
}

#[test]
fn first_sync_nodes_need_add_before_replace() {
    let mut bench = Bench::new();
    let uri =
        "./User/Vendor/MSFT/DMClient/Provider/Quartermaster/FirstSyncStatus/ServerHasFinishedProvisioning";
    assert_eq!(bench.replace(uri, "bool", "true"), 405);
    assert_eq!(bench.call(Verb::Add, uri, Some("bool"), "true").status, 200);
    assert_eq!(bench.replace(uri, "bool", "true"), 200);
}

#[test]
fn user_commands_without_the_user_fail_and_are_noted() {
    let mut bench = Bench::new();
    bench.tree.set_login(Login::Others);
    assert_eq!(bench.add(SLOT), 500);
    assert_eq!(bench.get("./DevInfo/Man").status, 200);
    assert_eq!(bench.rules(), [Rule::Scope]);
}

#[test]
fn unenroll_wants_the_providers_name() {
    let mut bench = Bench::new();
    let uri = "./Device/Vendor/MSFT/DMClient/Provider/Quartermaster/Unenroll";
    assert_eq!(bench.exec(uri, "Other"), 500);
    assert!(!bench.tree.unenrolling);
    assert_eq!(bench.exec(uri, "Quartermaster"), 200);
    assert!(bench.tree.unenrolling);
    assert_eq!(bench.rules(), [Rule::Payload]);
}

// Slots

#[test]
fn a_slot_exists_once() {
    let mut bench = Bench::new();
    assert_eq!((bench.add(SLOT), bench.add(SLOT)), (200, 418));
    assert_eq!(bench.read("./User/EMAM/AppInstallation"), FAMILY);
    assert_eq!((bench.delete(SLOT), bench.delete(SLOT)), (200, 404));
    assert_eq!(bench.add("./User/EMAM/AppInstallation/NoFamily"), 500);
    assert_eq!(bench.rules(), [Rule::Payload]);
}

#[test]
fn an_exec_without_a_slot_is_404() {
    let mut bench = Bench::new();
    assert_eq!(bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED), 404);
    assert_eq!(bench.exec(&format!("{SLOT}/StoreInstall"), STORE), 404);
}

#[test]
fn a_hosted_install_succeeds_later_vanishes_and_tells() {
    let mut bench = Bench::new();
    bench.options.install_ticks = 2;
    bench.add(SLOT);
    bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED);
    assert_eq!(bench.read(&format!("{SLOT}/Status")), "1");
    bench.tick(&[]);
    assert_eq!(bench.read(&format!("{SLOT}/ProgressStatus")), "30");
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.get(SLOT).status, 404);
    let alerts = bench.tree.apps.take_alerts();
    assert_eq!(alerts[0].source, full(&format!("{SLOT}/HostedInstall")));
    assert!(alerts[0].kind.ends_with(".EnterpriseHostedAppInstall.result"));
    assert_eq!(alerts[0].code, HResult::OK);
    assert!(
        bench
            .tree
            .apps
            .packages()
            .iter()
            .any(|package| package.family_name == FAMILY && package.user)
    );
}

#[test]
fn a_failed_install_lingers_with_its_error() {
    let mut bench = Bench::new();
    bench.tree.apps.script_failure(FAMILY, HResult(0x8007_3CF9));
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x8007_3CF9]);
    let values = bench.get(&format!("{SLOT}?list=StructData")).values;
    let leaves: Vec<_> = values
        .iter()
        .map(|v| (v.uri.rsplit('/').next().unwrap(), v.data.as_str()))
        .collect();
    assert_eq!(leaves[0], ("Status", "2"));
    assert_eq!(leaves[1], ("LastError", "-2147009287"));
    assert_eq!(leaves[3].0, "LastErrorDesc");
    assert_eq!(bench.add(SLOT), 418);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0]);
}

#[test]
fn the_same_exec_again_does_not_start_another_job() {
    let mut bench = Bench::new();
    bench.add(SLOT);
    for _ in 0..2 {
        assert_eq!(bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED), 202);
    }
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.alerts(), [0]);
}

#[test]
fn a_users_job_waits_for_the_user() {
    let mut bench = Bench::new();
    bench.add(SLOT);
    bench.exec(&format!("{SLOT}/HostedInstall"), HOSTED);
    bench.tree.set_login(Login::None);
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.alerts(), [] as [u32; 0]);
    bench.tree.set_login(Login::User);
    bench.tick(&[app("1.0.0.0", "x64")]);
    assert_eq!(bench.alerts(), [0]);
}

#[test]
fn progress_is_not_told_in_device_context() {
    let mut bench = Bench::new();
    bench.options.install_ticks = 2;
    let slot = "./Device/EMAM/AppInstallation/PFN";
    bench.add(slot);
    bench.exec(&format!("{slot}/HostedInstall"), HOSTED);
    bench.tick(&[]);
    assert_eq!(bench.read(&format!("{slot}/ProgressStatus")), "0");
}

// Store installs

#[test]
fn a_store_install_with_a_seat_succeeds_without_an_alert() {
    let mut bench = Bench::with(DeviceOptions {
        seats: Some(Arc::new(|seat: Seat<'_>| {
            seat.upn == "ana@north.example" && seat.product_id == "9P4LNTRN7K2M"
        })),
        ..options()
    });
    bench.add(SLOT);
    assert_eq!(bench.exec(&format!("{SLOT}/StoreInstall"), STORE), 202);
    bench.tick(&[]);
    assert_eq!((bench.get(SLOT).status, bench.alerts()), (404, vec![]));
    assert_eq!(bench.rules(), []);
    assert!(
        bench
            .inventory("User", "<Inventory Source=\"AppStore\"/>")
            .contains(FAMILY)
    );
}

#[test]
fn a_store_install_without_a_seat_is_noted_and_fails() {
    let mut bench = Bench::with(DeviceOptions {
        seats: Some(Arc::new(|_: Seat<'_>| false)),
        ..options()
    });
    bench.add(SLOT);
    assert_eq!(bench.exec(&format!("{SLOT}/StoreInstall"), STORE), 202);
    bench.tick(&[]);
    assert_eq!(bench.read(&format!("{SLOT}/Status")), "2");
    assert_eq!(
        bench.read(&format!("{SLOT}/LastError")),
        (0x803F_8001_u32.cast_signed()).to_string()
    );
    assert_eq!((bench.rules(), bench.alerts()), (vec![Rule::Seat], vec![]));
}

#[test]
fn the_store_brings_the_package_it_has() {
    struct Store;
    impl crate::SeatOracle for Store {
        fn holds_seat(&self, _: Seat<'_>) -> bool {
            false
        }
        fn claim_seat(&self, _: Seat<'_>) -> bool {
            true
        }
        fn package(&self, _: &str, _: &str) -> Option<StorePackage> {
            Some(StorePackage {
                version: Version([7, 1, 0, 0]),
                publisher: "CN=Quay".to_owned(),
                bundle: false,
            })
        }
    }
    let mut bench = Bench::with(DeviceOptions {
        seats: Some(Arc::new(Store)),
        ..options()
    });
    bench.add(SLOT);
    bench.exec(
        &format!("{SLOT}/StoreInstall"),
        &STORE.replace("flags=\"0\"", "flags=\"1\""),
    );
    bench.tick(&[]);
    let rows = bench.inventory(
        "User",
        "<Inventory Output=\"PackageDetails\" Source=\"AppStore\"/>",
    );
    assert!(
        rows.contains("Version=\"7.1.0.0\"") && rows.contains("Publisher=\"CN=Quay\""),
        "{rows}"
    );
    assert_eq!((rows.matches("<App ").count(), bench.rules()), (1, vec![]));
}

#[test]
fn there_is_no_store_install_in_device_context() {
    let mut bench = Bench::new();
    bench.add("./Device/EMAM/AppInstallation/PFN");
    assert_eq!(
        bench.exec("./Device/EMAM/AppInstallation/PFN/StoreInstall", STORE),
        405
    );
    assert_eq!(bench.rules(), [Rule::Scope]);
}

#[test]
fn payloads_are_taken_only_as_documented() {
    let link = "https://cdn.north.example/p/quay.msix";
    for (verb, bad) in [
        ("StoreInstall", STORE.replace("0010", FAMILY)),
        ("StoreInstall", STORE.replace("0010", "")),
        ("StoreInstall", STORE.replace(" flags=\"0\"", "")),
        ("StoreInstall", STORE.replace("/>", " extra=\"1\"/>")),
        ("StoreInstall", STORE.replace('<', "&lt;")),
        (
            "HostedInstall",
            HOSTED.replace("/>", "></Application></Application>"),
        ),
        ("HostedInstall", HOSTED.replace("PackageUri", "PackageURI")),
        (
            "HostedInstall",
            HOSTED.replace("/>", " DeploymentOptions=\"256\"/>"),
        ),
        (
            "HostedInstall",
            HOSTED.replace("/>", " DeferRegistration=\"true\"/>"),
        ),
        (
            "HostedInstall",
            HOSTED.replace("https://cdn.north.example", "C:\\packages"),
        ),
        (
            "HostedInstall",
            format!("<Application PackageUri=\"{link}\"><Dependency PackageUri=\"{link}\"/></Application>"),
        ),
    ] {
        let mut bench = Bench::new();
        bench.add(SLOT);
        assert_eq!(bench.exec(&format!("{SLOT}/{verb}"), &bad), 500, "{bad}");
        assert_eq!(bench.rules(), [Rule::Payload], "{bad}");
    }
}

#[test]
fn what_windows_tolerates_in_a_payload_is_noted() {
    for (scope, attribute, rules) in [
        ("Device", "DeploymentOptions=\"0\"", vec![Rule::DeploymentOptions]),
        ("User", "DeploymentOptions=\"64\"", vec![]),
        ("User", "DeploymentOptions=\"2\"", vec![Rule::DeploymentOptions]),
        ("User", "ValidateDependencies=\"1\"", vec![Rule::Payload]),
        ("Device", "ValidateDependencies=\"1\"", vec![]),
        ("Device", "DeferRegistration=\"1\"", vec![Rule::Payload]),
    ] {
        let mut bench = Bench::new();
        let slot = format!("./{scope}/EMAM/AppInstallation/PFN");
        bench.add(&slot);
        let payload = HOSTED.replace("/>", &format!(" {attribute}/>"));
        assert_eq!(
            bench.exec(&format!("{slot}/HostedInstall"), &payload),
            202,
            "{attribute}"
        );
        assert_eq!(bench.rules(), rules, "{scope} {attribute}");
    }
    let mut old = Bench::with(DeviceOptions {
        os_version: Version([10, 0, 17763, 1]),
        ..options()
    });
    old.add(SLOT);
    old.exec(
        &format!("{SLOT}/HostedInstall"),
        &HOSTED.replace("/>", " DeferRegistration=\"1\"/>"),
    );
    assert_eq!(old.rules(), [Rule::Capability]);
    old.exec(
        &format!("{SLOT}/HostedInstall"),
        &HOSTED.replace("https", "http").replace(".msix", ""),
    );
    assert_eq!(old.rules()[1..], [Rule::Url, Rule::Payload]);
}

// Deployment

#[test]
fn frameworks_must_be_there_for_the_apps_architecture() {
    let needing = |architecture| {
        package(
            "Quay.Log",
            "1.0.0.0",
            architecture,
            &needs("Quay.Runtime", "2.0.0.0"),
        )
    };
    for (app, sent, code) in [
        ("x64", None, 0x8007_3CF3),
        ("x64", Some(("2.1.0.0", "x64")), 0),
        ("x64", Some(("1.9.0.0", "x64")), 0x8007_3CF3),
        ("x64", Some(("2.1.0.0", "x86")), 0x8007_3CF3),
        ("x86", Some(("2.1.0.0", "x86")), 0),
        ("x64", Some(("2.1.0.0", "arm64")), 0x8007_3D10),
        ("neutral", Some(("2.1.0.0", "x64")), 0),
    ] {
        let mut files = vec![needing(app)];
        files.extend(sent.map(|(version, architecture)| framework("Quay.Runtime", version, architecture)));
        let mut bench = Bench::new();
        assert_eq!(bench.host("User", &files), [code], "{app} {sent:?}");
    }
}

#[test]
fn the_missing_framework_is_named() {
    let mut bench = Bench::new();
    bench.host(
        "User",
        &[package(
            "Quay.Log",
            "1.0.0.0",
            "x86",
            &needs("Quay.Runtime", "2.0.0.0"),
        )],
    );
    let text = bench.read(&format!("{SLOT}/LastErrorDesc"));
    assert!(
        text.contains("\"Quay.Runtime\"") && text.contains("x86") && text.contains("2.0.0.0"),
        "{text}"
    );
}

#[test]
fn a_framework_sent_once_serves_the_next_app() {
    let mut bench = Bench::new();
    let needing = |version| package("Quay.Log", version, "x64", &needs("Quay.Runtime", "2.0.0.0"));
    bench.host(
        "User",
        &[needing("1.0.0.0"), framework("Quay.Runtime", "2.0.0.0", "x64")],
    );
    assert_eq!(bench.host("User", &[needing("1.1.0.0")]), [0]);
}

#[test]
fn packages_that_do_not_fit_the_device_are_refused() {
    let future = package("Quay.Log", "1.0.0.0", "x64", "");
    for (os, architecture, file, code) in [
        (
            [10, 0, 26100, 1],
            Architecture::X64,
            app("1.0.0.0", "arm64"),
            0x8007_3D10,
        ),
        (
            [10, 0, 26100, 1],
            Architecture::X86,
            app("1.0.0.0", "x64"),
            0x8007_3D10,
        ),
        ([10, 0, 26100, 1], Architecture::Arm64, app("1.0.0.0", "x64"), 0),
        (
            [10, 0, 19045, 1],
            Architecture::Arm64,
            app("1.0.0.0", "x64"),
            0x8007_3D10,
        ),
        ([10, 0, 10586, 1], Architecture::X64, future, 0x8007_3CFD),
        (
            [10, 0, 26100, 1],
            Architecture::X64,
            b"no archive".to_vec(),
            0x8007_3CF0,
        ),
    ] {
        let mut bench = Bench::with(DeviceOptions {
            os_version: Version(os),
            architecture,
            ..options()
        });
        assert_eq!(bench.host("User", &[file]), [code], "{os:?} {architecture}");
    }
}

#[test]
fn a_package_of_another_family_is_noted() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.host("User", &[package("Quay.Other", "1.0.0.0", "x64", "")]),
        [0x8007_3CF2]
    );
    assert_eq!(bench.rules(), [Rule::Payload]);
}

#[test]
fn older_versions_and_rebuilt_ones_do_not_replace_what_is_there() {
    let mut bench = Bench::new();
    assert_eq!(bench.host("User", &[app("2.0.0.0", "x64")]), [0]);
    assert_eq!(bench.host("User", &[app("2.0.0.0", "x64")]), [0]);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x8007_3D06]);
    let rebuilt = package("Quay.Log", "2.0.0.0", "x64", "<!-- again -->");
    assert_eq!(bench.host("User", &[rebuilt]), [0x8007_3CFB]);
    assert_eq!(bench.host("User", &[app("3.0.0.0", "x64")]), [0]);
    let own = bench
        .tree
        .apps
        .packages()
        .iter()
        .filter(|package| package.family_name == FAMILY)
        .count();
    assert_eq!(own, 1);
}

#[test]
fn sideloading_can_be_forbidden_by_policy() {
    let mut bench = Bench::new();
    let policy = "./Device/Vendor/MSFT/Policy/Config/ApplicationManagement/AllowAllTrustedApps";
    bench.replace(policy, "int", "0");
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x8007_3CFF]);
    bench.replace(policy, "int", "1");
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0]);
}

// Licenses

fn licensed() -> Bench {
    Bench::with(DeviceOptions {
        licenses: Some(Arc::new(|family: &str| family == FAMILY)),
        ..options()
    })
}

#[test]
fn a_licensed_app_needs_its_license_first_in_the_same_scope() {
    let mut bench = licensed();
    let uri = |scope| format!("./{scope}/EMAM/AppLicenses/StoreLicenses/{CONTENT_ID}/AddLicense");
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x803F_8001]);
    assert_eq!(bench.rules(), [Rule::License]);
    assert_eq!(bench.exec(&uri("Device"), &license(CONTENT_ID)), 200);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0x803F_8001]);
    assert_eq!(bench.exec(&uri("User"), &license(CONTENT_ID)), 200);
    assert_eq!(bench.host("User", &[app("1.0.0.0", "x64")]), [0]);
    assert_eq!(bench.rules(), [Rule::License, Rule::License]);
    let store = bench.inventory("User", "<Inventory Source=\"AppStore\"/>");
    assert!(
        store.contains(FAMILY),
        "the signature decides the origin: {store}"
    );
}

#[test]
fn licenses_are_listed_read_and_removed() {
    let mut bench = licensed();
    let base = "./User/EMAM/AppLicenses/StoreLicenses";
    bench.exec(&format!("{base}/{CONTENT_ID}/AddLicense"), &license(CONTENT_ID));
    assert_eq!(bench.read(base), CONTENT_ID);
    assert_eq!(
        bench.read(&format!("{base}/{CONTENT_ID}/LicenseCategory")),
        "Enterprise"
    );
    assert_eq!(
        bench
            .get(&format!("{base}/{CONTENT_ID}?list=StructData"))
            .values
            .len(),
        3
    );
    assert_eq!(bench.read("./Device/EMAM/AppLicenses/StoreLicenses"), CONTENT_ID);
    let uri = format!("{base}/{CONTENT_ID}");
    assert_eq!((bench.delete(&uri), bench.delete(&uri)), (200, 404));
}

#[test]
fn licenses_that_are_none_are_refused() {
    let other = "11111111-7be2-4f6e-9b13-c2f08e77a3d6";
    for (id, payload) in [
        (CONTENT_ID, license(other)),
        (FAMILY, license(CONTENT_ID)),
        (CONTENT_ID, "<License Content=\"!\"/>".to_owned()),
        (CONTENT_ID, "<License Content=\"\"/>".to_owned()),
        (CONTENT_ID, "<License Content=\"bm8=\"/>".to_owned()),
        (CONTENT_ID, license(CONTENT_ID).replace("/>", ">")),
    ] {
        let mut bench = licensed();
        let uri = format!("./User/EMAM/AppLicenses/StoreLicenses/{id}/AddLicense");
        assert_eq!(
            (bench.exec(&uri, &payload), bench.rules()),
            (500, vec![Rule::Payload]),
            "{id} {payload}"
        );
    }
}

// Inventory

#[test]
fn a_bundle_has_two_rows() {
    let mut bench = Bench::new();
    let (x64, x86) = (app("1.2.0.0", "x64"), app("1.2.0.0", "x86"));
    bench.host(
        "User",
        &[bundle(
            "Quay.Log",
            "2026.1.0.0",
            &[("a.appx", "x64", &x64), ("b.appx", "x86", &x86)],
        )],
    );
    let rows = bench.inventory(
        "User",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\" PackageTypeFilter=\"Main|Bundle\"/>",
    );
    for part in [
        "PackageFullName=\"Quay.Log_2026.1.0.0_neutral_~_z1enpheh36ccm\"",
        "PackageFullName=\"Quay.Log_1.2.0.0_x64__z1enpheh36ccm\"",
        "IsBundle=\"1\"",
        "Architecture=\"X64\"",
        "ResourceID=\"~\"",
    ] {
        assert!(rows.contains(part), "{part} in {rows}");
    }
    assert_eq!(rows.matches("<App ").count(), 2);
}

#[test]
fn queries_filter_and_stay() {
    let mut bench = Bench::new();
    let file = package("Quay.Log", "1.0.0.0", "x64", &needs("Quay.Runtime", "2.0.0.0"));
    bench.host("User", &[file, framework("Quay.Runtime", "2.0.0.0", "x64")]);
    for (query, count) in [
        ("<Inventory/>", 3),
        ("<Inventory PackageTypeFilter=\"Framework\"/>", 1),
        ("<Inventory PackageTypeFilter=\"Main\"/>", 2),
        ("<Inventory Source=\"nonStore\"/>", 1),
        ("<Inventory PackageFamilyName=\"Quay\"/>", 2),
        ("<Inventory Publisher=\"Microsoft\"/>", 1),
    ] {
        assert_eq!(
            bench.inventory("User", query).matches("<App ").count(),
            count,
            "{query}"
        );
    }
    let results = "./User/EMAM/AppManagement/AppInventoryResults";
    assert_eq!(bench.read(results).matches("<App ").count(), 1);
    let names = bench.inventory("User", "<Inventory Source=\"nonStore\"/>");
    assert!(
        !names.contains("Version="),
        "names alone are the default: {names}"
    );
    let again = bench.inventory(
        "User",
        "<Inventory Source=\"nonStore\" Output=\"PackageNames|RequiresReinstall\"/>",
    );
    assert!(again.contains("RequiresReinstall=\"0\""));
}

#[test]
fn rejects_queries_that_are_not_documented() {
    let uri = "./Device/EMAM/AppManagement/AppInventoryQuery";
    for bad in [
        "<Inventory Output=\"PackagesName\"/>",
        "<Inventory Source=\"Store\"/>",
        "<Inventory X=\"1\"/>",
        "<Query/>",
        "",
    ] {
        let mut bench = Bench::new();
        assert_eq!(
            (bench.replace(uri, "xml", bad), bench.rules()),
            (500, vec![Rule::Payload]),
            "{bad}"
        );
    }
    assert_eq!(Bench::new().get("./Device/EMAM/AppInventoryQuery").status, 404);
}

#[test]
fn the_machine_sees_what_users_have_but_only_provisioned_apps_as_such() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let rows = bench.inventory(
        "Device",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\"/>",
    );
    assert!(
        rows.contains("IsProvisioned=\"0\"") && rows.contains("[2]"),
        "{rows}"
    );
    bench.host("Device", &[app("1.0.0.0", "x64")]);
    let rows = bench.inventory(
        "Device",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\"/>",
    );
    assert!(rows.contains("IsProvisioned=\"1\""), "{rows}");
}

#[test]
fn provisioned_apps_reach_the_user_at_sign_in() {
    let mut bench = Bench::new();
    bench.host("Device", &[app("1.0.0.0", "x64")]);
    assert!(!bench.inventory("User", "<Inventory/>").contains(FAMILY));
    bench.tree.set_login(Login::None);
    bench.tree.set_login(Login::User);
    assert!(bench.inventory("User", "<Inventory/>").contains(FAMILY));
}

#[test]
fn the_tree_can_be_walked() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let base = "./User/EMAM/AppManagement/nonStore";
    assert_eq!(bench.read(base), FAMILY);
    let full_name = bench.read(&format!("{base}/PFN"));
    assert_eq!(full_name, "Quay.Log_1.0.0.0_x64__z1enpheh36ccm");
    assert_eq!(bench.read(&format!("{base}/PFN/{full_name}/Version")), "1.0.0.0");
    let leaves = bench.get(&format!("{base}/PFN?list=StructData")).values;
    let provisioned = leaves
        .iter()
        .find(|value| value.uri.ends_with("/IsProvisioned"))
        .unwrap();
    assert_eq!(
        (provisioned.uri.split('/').count(), provisioned.format),
        (10, "int")
    );
    assert_eq!(bench.read("./User/EMAM/AppManagement/AppStore"), "");
    assert_eq!(bench.get("./User/EMAM/AppManagement/AppStore/PFN").status, 404);
}

// Removal

#[test]
fn uninstalling_takes_time_and_tells_without_the_origin() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let uri = "./User/EMAM/AppManagement/nonStore/PFN";
    assert_eq!((bench.delete(uri), bench.delete(uri)), (202, 202));
    assert!(bench.inventory("User", "<Inventory/>").contains(FAMILY));
    bench.tick(&[]);
    assert!(!bench.inventory("User", "<Inventory/>").contains(FAMILY));
    let alerts = bench.tree.apps.take_alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].source, full("./User/EMAM/AppManagement/PFN"));
    assert!(alerts[0].kind.ends_with(".EnterpriseAppUninstall.result"));
    assert_eq!(bench.delete(uri), 404);
}

#[test]
fn the_origin_has_to_be_right() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    assert_eq!(bench.delete("./User/EMAM/AppManagement/AppStore/PFN"), 404);
    assert_eq!(bench.delete("./User/EMAM/AppManagement/Store/PFN"), 404);
}

#[test]
fn unprovisioning_leaves_the_app_to_its_user() {
    let mut bench = Bench::new();
    bench.host("Device", &[app("1.0.0.0", "x64")]);
    bench.host("User", &[app("1.0.0.0", "x64")]);
    bench.delete("./Device/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert!(bench.inventory("User", "<Inventory/>").contains(FAMILY));
    let rows = bench.inventory(
        "Device",
        "<Inventory Output=\"PackageDetails\" Source=\"nonStore\"/>",
    );
    assert!(rows.contains("IsProvisioned=\"0\""), "{rows}");
    assert_eq!(bench.alerts(), [0]);
    bench.delete("./Device/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert_eq!(
        bench.alerts(),
        [0x8007_3CF1],
        "only what is provisioned can be unprovisioned"
    );
}

#[test]
fn what_cannot_be_removed_says_so() {
    let mut bench = Bench::new();
    bench.delete("./User/EMAM/AppManagement/System/Microsoft.Windows.ShellExperienceHost_cw5n1h2txyewy");
    bench.tick(&[]);
    assert_eq!(bench.alerts(), [0x8007_3CFA]);
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let setting = "./Device/EMAM/AppManagement/nonStore/PFN/NonRemovable";
    assert_eq!(bench.call(Verb::Add, setting, Some("int"), "1").status, 200);
    assert_eq!(bench.delete(setting), 405);
    bench.delete("./User/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert_eq!(bench.alerts(), [0x8007_3CFA]);
    assert_eq!(bench.replace(setting, "int", "0"), 200);
    bench.delete("./User/EMAM/AppManagement/nonStore/PFN");
    bench.tick(&[]);
    assert_eq!(bench.alerts(), [0]);
}

#[test]
fn remove_package_is_there_for_users_only() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let payload = "<Package Name=\"Quay.Log_1.0.0.0_x64__z1enpheh36ccm\"/>";
    assert_eq!(
        bench.exec("./Device/EMAM/AppManagement/RemovePackage", payload),
        405
    );
    assert_eq!(
        bench.exec(
            "./User/EMAM/AppManagement/RemovePackage",
            "<Package Name=\"Quay.Log\"/>"
        ),
        500
    );
    assert_eq!(
        bench.exec("./User/EMAM/AppManagement/RemovePackage", payload),
        202
    );
    bench.tick(&[]);
    assert!(!bench.inventory("User", "<Inventory/>").contains(FAMILY));
}

#[test]
fn app_settings_are_plain_flags() {
    let mut bench = Bench::new();
    bench.host("User", &[app("1.0.0.0", "x64")]);
    let uri = "./Device/EMAM/AppManagement/nonStore/PFN/DoNotUpdate";
    assert_eq!(bench.get(uri).status, 404);
    assert_eq!(bench.replace(uri, "int", "1"), 200);
    assert_eq!(bench.read(uri), "1");
    assert_eq!(bench.replace(uri, "int", "2"), 415);
    assert_eq!((bench.delete(uri), bench.delete(uri)), (200, 404));
    assert_eq!(
        bench.replace("./User/EMAM/AppManagement/nonStore/PFN/NonRemovable", "int", "1"),
        405
    );
}

#[test]
fn verbs_that_a_node_does_not_have_are_405() {
    let mut bench = Bench::new();
    for (verb, uri) in [
        (Verb::Add, "./Device/EMAM/AppInstallation"),
        (Verb::Exec, "./Device/EMAM/AppManagement/AppInventoryResults"),
        (Verb::Get, "./Device/EMAM/AppManagement/UpdateScan"),
        (Verb::Delete, "./Device/EMAM/AppManagement"),
        (Verb::Replace, "./Device/EMAM/AppLicenses"),
    ] {
        assert_eq!(bench.call(verb, uri, None, "").status, 405, "{verb} {uri}");
    }
    assert_eq!(bench.exec("./User/EMAM/AppManagement/UpdateScan", ""), 200);
    assert_eq!(bench.read("./User/EMAM/AppManagement/LastScanError"), "0");
}
